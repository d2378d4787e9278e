#include "tests/ops/operator_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/graph/kernel.h"
#include "narae/graph/leaves.h"
#include "narae/plan/passes.h"

namespace narae::test {
namespace {

double number(const Array& a, std::int64_t i) {
  return visit_dtype(a.dtype, [&](auto zero) -> double {
    using T = decltype(zero);
    if constexpr (std::is_arithmetic_v<T>)
      return static_cast<double>(a.values<T>()[static_cast<std::size_t>(i)]);
    else
      return a.values<T>()[static_cast<std::size_t>(i)].bits;
  });
}

template <class F>
Array array_of(DType dtype, const Shape& shape, const F& element) {
  Array a = Array::empty(dtype, shape);
  visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto to = a.mutable_values<T>();
    for (std::size_t i = 0; i < to.size(); ++i) {
      const double x = element(i);
      if constexpr (std::is_same_v<T, bool>)
        to[i] = x != 0;
      else if constexpr (std::is_arithmetic_v<T>)
        to[i] = static_cast<T>(x);
      else
        to[i].bits = static_cast<std::uint16_t>(x);
    }
  });
  return a;
}

Array make(const InputSpec& spec, DType floating, RandomStream& random) {
  const DType dtype = spec.dtype == DType::f32 ? floating : spec.dtype;
  return array_of(dtype, spec.shape, [&](std::size_t i) {
    if (!spec.values.empty()) return spec.values.at(i);
    // f32 and f64 see the same numbers.
    const double x = random.uniform(static_cast<float>(spec.low), static_cast<float>(spec.high));
    return is_floating(dtype) ? x : std::floor(x);
  });
}

std::vector<Tensor> tensors_of(std::span<const Array> arrays) {
  return {arrays.begin(), arrays.end()};
}

std::vector<Array> evaluated(std::span<const Tensor> tensors) {
  eval(tensors);
  std::vector<Array> values;
  for (const Tensor& t : tensors) values.push_back(t.array());
  return values;
}

void expect_near(const Array& got, const Array& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.dtype, want.dtype) << what;
  ASSERT_EQ(to_string(got.shape), to_string(want.shape)) << what;
  for (std::int64_t i = 0; i < want.count(); ++i) {
    const double x = number(got, i);
    const double y = number(want, i);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x == y) continue;
    // An infinity is met by itself alone.
    const double allowed = is_floating(want.dtype) && std::isfinite(y) ? tolerance * (1 + std::abs(y)) : 0;
    ASSERT_LE(std::abs(x - y), allowed) << what << ": element " << i << " is " << x << ", not " << y;
  }
}

void expect_near(std::span<const Array> got, std::span<const Array> want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t k = 0; k < got.size(); ++k) {
    expect_near(got[k], want[k], tolerance, what + ", result " + std::to_string(k));
  }
}

void expect_same_bits(std::span<const Array> a, std::span<const Array> b, const std::string& what) {
  for (std::size_t k = 0; k < a.size(); ++k) {
    EXPECT_TRUE(a[k].bytes() == 0 || std::memcmp(a[k].buffer.data(), b[k].buffer.data(), a[k].bytes()) == 0)
        << what << ": result " << k << " is not the same bit for bit";
  }
}

// Walks recipes, inputs before users.
std::vector<Node*> nodes_of(std::span<const Tensor> roots) {
  std::vector<Node*> order;
  std::set<const Node*> seen;
  std::vector<std::pair<Node*, std::uint32_t>> stack;
  for (const Tensor& root : roots) {
    stack.emplace_back(root.read(), 0);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (seen.contains(node)) {
        stack.pop_back();
      } else if (next < node->input_count) {
        stack.emplace_back(node->inputs()[next++], 0);
      } else {
        seen.insert(node);
        order.push_back(node);
        stack.pop_back();
      }
    }
  }
  return order;
}

std::vector<Array> run_reference(Node* node, std::span<const Array> inputs) {
  std::vector<Signature> from;
  for (const Array& a : inputs) from.push_back({a.dtype, a.shape});
  const std::vector<const Node*> input_nodes(node->inputs().begin(), node->inputs().end());
  std::vector<Signature> to;
  std::vector<Array> results;
  for (int k = 0; k < node->op->results; ++k) {
    to.push_back(node->op->infer(input_nodes, std::as_const(*node).attributes(), k));
    results.push_back(Array::empty(to.back().dtype, to.back().shape));
  }
  const Kernel kernel = reference_backend().make({node->op, std::as_const(*node).attributes(), from, to});
  if (!kernel) throw Error("no reference kernel for " + std::string(node->op->name));
  std::vector<const std::byte*> in;
  std::vector<std::byte*> out;
  for (const Array& a : inputs) in.push_back(a.buffer.data());
  for (const Array& a : results) out.push_back(a.buffer.data());
  const Buffer scratch = Buffer::allocate(kernel.scratch_bytes + 64);
  kernel.run({in.data(), out.data(), scratch.data()});
  return results;
}

// What is differentiated: the floating inputs, with a random cotangent for each floating result.
struct Differentiation {
  std::vector<std::size_t> wanted;
  std::vector<std::size_t> outputs;
  std::vector<Array> cotangents;

  Differentiation(const Function& f, std::span<const Array> inputs, RandomStream& random) {
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (is_floating(inputs[i].dtype)) wanted.push_back(i);
    const std::vector<Tensor> x = tensors_of(inputs);
    const Results y = f(x);
    for (std::size_t k = 0; k < y.size(); ++k) {
      if (!is_floating(y[k].dtype())) continue;
      outputs.push_back(k);
      cotangents.push_back(array_of(y[k].dtype(), y[k].shape(), [&](std::size_t) { return random.uniform(-1, 1); }));
    }
  }

  [[nodiscard]] Results gradients(const Function& f, Inputs x, Inputs c) const {
    const Results y = f(x);
    std::vector<Tensor> from;
    std::vector<Tensor> with_respect_to;
    for (const std::size_t k : outputs) from.push_back(y[k]);
    for (const std::size_t i : wanted) with_respect_to.push_back(x[i]);
    return vjp(from, c, with_respect_to);
  }
};

// Compares gradients with (L(x + h v) - L(x - h v)) / 2h, L = sum of results times cotangents: along every coordinate
// when there are few, else along random directions.
void check_gradient(const Function& f, std::span<const Array> inputs, RandomStream& random, const std::string& what) {
  const Differentiation d(f, inputs, random);
  if (d.wanted.empty() || d.outputs.empty()) return;
  const std::vector<Array> gradients = evaluated(d.gradients(f, tensors_of(inputs), tensors_of(d.cotangents)));
  const auto loss = [&](std::span<const Array> x) {
    const Results y = f(tensors_of(x));
    std::vector<Tensor> floating;
    for (const std::size_t k : d.outputs) floating.push_back(y[k]);
    const std::vector<Array> values = evaluated(floating);
    double sum = 0;
    for (std::size_t k = 0; k < values.size(); ++k)
      for (std::int64_t i = 0; i < values[k].count(); ++i) sum += number(values[k], i) * number(d.cotangents[k], i);
    return sum;
  };
  std::int64_t coordinates = 0;
  for (const std::size_t i : d.wanted) coordinates += inputs[i].count();
  const bool each = coordinates <= 24;
  const std::int64_t directions = each ? coordinates : 3;
  constexpr double h = 1e-5;
  for (std::int64_t direction = 0; direction < directions; ++direction) {
    std::vector<Array> up(inputs.begin(), inputs.end());
    std::vector<Array> down = up;
    double expected = 0;
    double scale = 1;
    std::int64_t coordinate = 0;
    for (std::size_t w = 0; w < d.wanted.size(); ++w) {
      const std::size_t i = d.wanted[w];
      const Array& x = inputs[i];
      std::vector<double> v(static_cast<std::size_t>(x.count()));
      for (double& step : v) step = each ? (coordinate++ == direction ? 1 : 0) : random.uniform(-1, 1);
      const auto moved = [&](double by) {
        return array_of(x.dtype, x.shape,
                        [&](std::size_t k) { return number(x, static_cast<std::int64_t>(k)) + by * v[k]; });
      };
      up[i] = moved(h);
      down[i] = moved(-h);
      for (std::size_t k = 0; k < v.size(); ++k) {
        const double part = number(gradients[w], static_cast<std::int64_t>(k)) * v[k];
        expected += part;
        scale += std::abs(part);
      }
    }
    const double measured = (loss(up) - loss(down)) / (2 * h);
    ASSERT_NEAR(measured, expected, 1e-6 * scale) << what << ", direction " << direction;
  }
}

std::vector<Array> with_options(const plan::PlanOptions& options, const std::function<Results()>& recipe) {
  const plan::PlanOptions before = plan::plan_options();
  plan::set_plan_options(options);
  std::vector<Array> values = evaluated(recipe());
  plan::set_plan_options(before);
  return values;
}

}  // namespace

std::vector<Array> reference_values(std::span<const Tensor> roots, bool composed) {
  const FlushDenormals scope;  // as plans run
  std::map<const Node*, std::vector<Array>> values;
  for (Node* node : nodes_of(roots)) {
    std::vector<Array> inputs;
    for (Node* input : node->inputs()) inputs.push_back(values.at(input)[0]);
    auto& results = values[node];
    if (node->op == &data_op || node->op == &scalar_op) {
      results = {Tensor(NodeRef::share(node)).array()};
    } else if (node->op == &output_op) {
      results = {values.at(node->inputs()[0])[static_cast<std::size_t>(node->integer)]};
    } else if (composed && node->op->compose != nullptr) {
      results = reference_values(node->op->compose(tensors_of(inputs), std::as_const(*node).attributes()), true);
    } else {
      results = run_reference(node, inputs);
    }
  }
  std::vector<Array> result;
  for (const Tensor& root : roots) result.push_back(values.at(root.read())[0]);
  return result;
}

void check(const OperatorCase& c, std::set<std::string_view>& seen) {
  for (const DType floating : {DType::f32, DType::f64}) {
    const std::string what = std::string(c.ops[0]) + " " + c.label + " " + std::string(name_of(floating));
    SCOPED_TRACE(what);
    RandomStream random(hash_of(c.label), hash_of(c.ops[0]));
    std::vector<Array> inputs;
    for (const InputSpec& spec : c.inputs) inputs.push_back(make(spec, floating, random));
    const Differentiation d(c.function, inputs, random);
    const auto recipe = [&] {
      const std::vector<Tensor> x = tensors_of(inputs);
      Results all = c.function(x);
      if (c.differentiable) {
        const Results gradients = d.gradients(c.function, x, tensors_of(d.cotangents));
        all.insert(all.end(), gradients.begin(), gradients.end());
      }
      return all;
    };
    const Results roots = recipe();
    for (const Node* node : nodes_of(roots)) seen.insert(node->op->name);
    const double tolerance = floating == DType::f32 ? c.tolerance_f32 : 1e-11;
    const std::vector<Array> reference = reference_values(roots);
    expect_near(reference_values(roots, true), reference, tolerance, "composition against reference");
    const std::vector<Array> fused = evaluated(recipe());
    expect_near(fused, reference, tolerance, "plan against reference");
    expect_same_bits(with_options({.fuse = false}, recipe), fused, "unfused against fused plan");
    expect_near(with_options({.fast_kernels = false}, recipe), reference, tolerance, "plan of reference kernels");
    if (testing::Test::HasFatalFailure() || floating == DType::f32 || !c.differentiable) continue;

    check_gradient(c.function, inputs, random, "gradient");
    // The gradient as a function of inputs and cotangents, differentiated again.
    const std::size_t n = inputs.size();
    const Function gradient = [&](Inputs all) { return d.gradients(c.function, all.first(n), all.subspan(n)); };
    std::vector<Array> all = inputs;
    all.insert(all.end(), d.cotangents.begin(), d.cotangents.end());
    check_gradient(gradient, all, random, "gradient of gradient");
    const Differentiation twice(gradient, all, random);
    if (twice.outputs.empty()) continue;
    const Results second = twice.gradients(gradient, tensors_of(all), tensors_of(twice.cotangents));
    for (const Node* node : nodes_of(second)) seen.insert(node->op->name);
  }
}

}  // namespace narae::test
