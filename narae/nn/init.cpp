#include "narae/nn/init.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/ops/random.h"

namespace narae::nn::init {
namespace {

thread_local int skips = 0;  // live objects of class Skip

void require_variable(const Tensor& variable, const char* what) {
  if (!variable.is_variable()) throw Error(std::string("init::") + what + ": the tensor is not a variable");
  if (!is_floating(variable.dtype())) {
    throw Error(std::string("init::") + what + ": variable '" + variable.name() + "' is " +
                std::string(name_of(variable.dtype())) + ", not floating");
  }
}

// element(i) for every i, as an array of a floating type.
template <class Element>
Array filled(DType dtype, const Shape& shape, const Element& element) {
  Array result = Array::empty(dtype, shape);
  const auto fill = [&](auto values) {
    using T = typename decltype(values)::element_type;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(element(static_cast<std::int64_t>(i)));
  };
  if (dtype == DType::f64)
    fill(result.mutable_values<double>());
  else
    fill(result.mutable_values<float>());
  return result;
}

// Four random words a block, numbered as the operator random_uniform does; four(words) makes four elements of them.
template <class Four>
Array drawn(DType dtype, const Shape& shape, const Four& four) {
  if (!is_floating(dtype))
    throw Error("init: random values of type " + std::string(name_of(dtype)) + "; choose f32 or f64");
  Array result = Array::empty(dtype, shape);
  if (skips > 0) return result;
  const RandomKey key = next_random_key();
  const auto seed = static_cast<std::uint64_t>(key.seed.to_vector<std::int64_t>()[0]);
  const auto counter = static_cast<std::uint64_t>(key.counter.to_vector<std::int64_t>()[0]);
  const auto fill = [&](auto values) {
    using T = typename decltype(values)::element_type;
    const auto count = static_cast<std::int64_t>(values.size());
    parallel_for((count + 3) / 4, 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        const std::array<double, 4> elements = four(philox(seed, counter, static_cast<std::uint64_t>(block)));
        for (std::int64_t i = 4 * block; i < std::min(4 * block + 4, count); ++i)
          values[static_cast<std::size_t>(i)] = static_cast<T>(elements[static_cast<std::size_t>(i & 3)]);
      }
    });
  };
  if (dtype == DType::f64)
    fill(result.mutable_values<double>());
  else
    fill(result.mutable_values<float>());
  return result;
}

// Orthonormalises the vectors by modified Gram-Schmidt, twice ("twice is enough", Giraud et al. 2005).
void orthonormalize(std::vector<std::vector<double>>& vectors) {
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  for (std::size_t k = 0; k < vectors.size(); ++k) {
    std::vector<double>& v = vectors[k];
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < k; ++j) {
        const double along = dot(vectors[j], v);
        for (std::size_t i = 0; i < v.size(); ++i) v[i] -= along * vectors[j][i];
      }
    }
    const double length = std::sqrt(dot(v, v));
    for (double& x : v) x /= length;
  }
}

}  // namespace

Skip::Skip() {
  ++skips;
}
Skip::~Skip() {
  --skips;
}

Fans fans_of(const Shape& shape) {
  if (shape.rank() < 2) {
    throw Error("init: a weight of shape " + narae::to_string(shape) + " has no fan; it needs at least two axes");
  }
  double field = 1;
  for (int i = 2; i < shape.rank(); ++i) field *= static_cast<double>(shape[i]);
  return {static_cast<double>(shape[1]) * field, static_cast<double>(shape[0]) * field};
}

double gain(std::string_view nonlinearity, double slope) {
  if (nonlinearity == "linear" || nonlinearity == "sigmoid") return 1;
  if (nonlinearity == "tanh") return 5.0 / 3.0;
  if (nonlinearity == "relu") return std::numbers::sqrt2;
  if (nonlinearity == "leaky_relu") return std::sqrt(2.0 / (1.0 + slope * slope));
  if (nonlinearity == "selu") return 0.75;
  const std::array<const char*, 6> known = {"linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"};
  const std::string name(nonlinearity);
  throw UsageError("init::gain: no gain is known for '" + name + "'" + did_you_mean(name, known));
}

double xavier_std(const Shape& shape, double gain) {
  const Fans fans = fans_of(shape);
  return gain * std::sqrt(2.0 / (fans.in + fans.out));
}

double kaiming_std(const Shape& shape, const KaimingOptions& options) {
  const Fans fans = fans_of(shape);
  return gain(options.nonlinearity, options.a) / std::sqrt(options.mode == Fan::in ? fans.in : fans.out);
}

Array draw_uniform(DType dtype, const Shape& shape, double low, double high) {
  return drawn(dtype, shape, [=](const std::array<std::uint32_t, 4>& words) {
    std::array<double, 4> result{};
    for (std::size_t i = 0; i < 4; ++i) result[i] = low + (high - low) * uniform_from(words[i]);
    return result;
  });
}

Array draw_normal(DType dtype, const Shape& shape, double mean, double std) {
  return drawn(dtype, shape, [=](const std::array<std::uint32_t, 4>& words) {
    std::array<double, 4> result{};
    for (std::size_t i = 0; i < 4; i += 2) {  // Box and Muller
      const double radius = std * std::sqrt(-2.0 * std::log(1.0 - uniform_from(words[i])));
      const double angle = 2.0 * std::numbers::pi * uniform_from(words[i + 1]);
      result[i] = mean + radius * std::cos(angle);
      result[i + 1] = mean + radius * std::sin(angle);
    }
    return result;
  });
}

void zeros(const Tensor& variable) {
  constant(variable, 0);
}

void constant(const Tensor& variable, double value) {
  require_variable(variable, "constant");
  if (skips > 0) return;
  variable.assign(filled(variable.dtype(), variable.shape(), [&](std::int64_t) { return value; }));
}

void normal(const Tensor& variable, double mean, double std) {
  require_variable(variable, "normal");
  if (skips > 0) return;
  variable.assign(draw_normal(variable.dtype(), variable.shape(), mean, std));
}

void uniform(const Tensor& variable, double low, double high) {
  require_variable(variable, "uniform");
  if (skips > 0) return;
  variable.assign(draw_uniform(variable.dtype(), variable.shape(), low, high));
}

void xavier_uniform(const Tensor& variable, double gain) {
  const double bound = std::numbers::sqrt3 * xavier_std(variable.shape(), gain);
  uniform(variable, -bound, bound);
}

void xavier_normal(const Tensor& variable, double gain) {
  normal(variable, 0, xavier_std(variable.shape(), gain));
}

void kaiming_uniform(const Tensor& variable, const KaimingOptions& options) {
  const double bound = std::numbers::sqrt3 * kaiming_std(variable.shape(), options);
  uniform(variable, -bound, bound);
}

void kaiming_normal(const Tensor& variable, const KaimingOptions& options) {
  normal(variable, 0, kaiming_std(variable.shape(), options));
}

void orthogonal(const Tensor& variable, double gain) {
  require_variable(variable, "orthogonal");
  const Shape& shape = variable.shape();
  if (shape.rank() < 2 || shape.count() == 0) {
    throw Error("init::orthogonal: variable '" + variable.name() + "' of shape " + narae::to_string(shape) +
                " is no matrix; it needs at least two axes");
  }
  const std::int64_t rows = shape[0];
  const std::int64_t columns = shape.count() / rows;
  if (skips > 0) return;
  const bool by_rows = rows <= columns;
  const Array draws = draw_normal(DType::f64, {std::min(rows, columns), std::max(rows, columns)}, 0, 1);
  const auto count = static_cast<std::size_t>(draws.shape[0]);
  const auto length = static_cast<std::size_t>(draws.shape[1]);
  const auto values = draws.values<double>();
  std::vector<std::vector<double>> vectors(count);
  for (std::size_t k = 0; k < count; ++k) {
    const auto from = values.subspan(k * length, length);
    vectors[k].assign(from.begin(), from.end());
  }
  orthonormalize(vectors);
  variable.assign(filled(variable.dtype(), shape, [&](std::int64_t i) {
    const auto row = static_cast<std::size_t>(i / columns);
    const auto column = static_cast<std::size_t>(i % columns);
    return gain * (by_rows ? vectors[row][column] : vectors[column][row]);
  }));
}

void identity(const Tensor& variable) {
  require_variable(variable, "identity");
  const Shape& shape = variable.shape();
  if (shape.rank() != 2) {
    throw Error("init::identity: variable '" + variable.name() + "' of shape " + narae::to_string(shape) +
                " is no matrix");
  }
  if (skips > 0) return;
  variable.assign(
      filled(variable.dtype(), shape, [&](std::int64_t i) { return i / shape[1] == i % shape[1] ? 1 : 0; }));
}

}  // namespace narae::nn::init
