#include "narae/ops/rotary.h"

#include <cmath>
#include <string>
#include <vector>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

// (x, cosines, sines) -> x turned
Signature infer_rotate_pairs(std::span<const Node* const> inputs, Attributes, int) {
  const Node& x = *inputs[0];
  const Shape& c = inputs[1]->shape;
  const bool fits = x.shape.rank() == 4 && c.rank() == 3 && (c[0] == 1 || c[0] == x.shape[0]) && c[1] == x.shape[1] &&
                    2 * c[2] == x.shape[3] && inputs[2]->shape == c;
  if (fits && is_floating(x.dtype) && inputs[1]->dtype == x.dtype && inputs[2]->dtype == x.dtype) {
    return {x.dtype, x.shape};
  }
  throw Error("rotate_pairs: x is " + std::string(name_of(x.dtype)) + " " + to_string(x.shape) + ", the cosines " +
              std::string(name_of(inputs[1]->dtype)) + " " + to_string(c) + ", the sines " +
              std::string(name_of(inputs[2]->dtype)) + " " + to_string(inputs[2]->shape) +
              "; x (batch, time, heads, 2 pairs) and (batch or 1, time, pairs) of one floating type are needed");
}

// First and second numbers of all pairs, (batch, time, heads, pairs).
struct Pairs {
  Tensor first, second;

  Pairs(const Tensor& x, RotaryPairs pairs) {
    const std::int64_t count = x.size(3) / 2;
    if (pairs == RotaryPairs::halves) {
      first = narrow(x, 3, 0, count);
      second = narrow(x, 3, count, count);
      return;
    }
    const Tensor both = reshape(x, {x.size(0), x.size(1), x.size(2), count, 2});
    first = squeeze(narrow(both, 4, 0, 1), 4);
    second = squeeze(narrow(both, 4, 1, 1), 4);
  }
};

RotaryPairs pairs_of(Attributes attributes) {
  return static_cast<RotaryPairs>(attributes[0]);
}

std::vector<Tensor> compose_rotate_pairs(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const Tensor cosines = unsqueeze(inputs[1], 2);
  const Tensor sines = unsqueeze(inputs[2], 2);
  const Pairs p(x, pairs_of(attributes));
  const Tensor first = p.first * cosines - p.second * sines;
  const Tensor second = p.first * sines + p.second * cosines;
  if (pairs_of(attributes) == RotaryPairs::halves) return {concat({first, second}, 3)};
  return {reshape(stack({first, second}, 4), x.shape())};
}

// Summed over heads, and over the batch where the angles are shared.
Tensor summed_to(const Tensor& x, const Shape& angles) {
  const Tensor all = sum(x, 2);
  return angles[0] == 1 && all.size(0) != 1 ? sum(all, 0, {.keep = true}) : all;
}

void rotate_pairs_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& dy = at.cotangents[0];
  const RotaryPairs pairs = pairs_of(at.attributes);
  if (at.needs[0]) out[0] = rotate_pairs(dy, at.inputs[1], -at.inputs[2], pairs);  // turned back
  if (!at.needs[1] && !at.needs[2]) return;
  const Pairs x(at.inputs[0], pairs);
  const Pairs d(dy, pairs);
  const Shape& angles = at.inputs[1].shape();
  if (at.needs[1]) out[1] = summed_to(d.first * x.first + d.second * x.second, angles);
  if (at.needs[2]) out[2] = summed_to(d.second * x.first - d.first * x.second, angles);
}

const Op& rotate_pairs_op = define_op({.name = "rotate_pairs",
                                       .kind = OpClass::fused,
                                       .arity = 3,
                                       .infer = infer_rotate_pairs,
                                       .gradient = rotate_pairs_gradient,
                                       .compose = compose_rotate_pairs});

}  // namespace

Tensor rotate_pairs(const Tensor& x, const Tensor& cosines, const Tensor& sines, RotaryPairs pairs) {
  return apply(rotate_pairs_op, {x, cosines, sines}, {static_cast<std::int64_t>(pairs)});
}

Tensor rotary_frequencies(std::int64_t width, double base, DType dtype) {
  std::vector<double> result;  // in double: an error of a frequency is multiplied by the position
  for (std::int64_t k = 0; k < width / 2; ++k)
    result.push_back(std::pow(base, -2 * static_cast<double>(k) / static_cast<double>(width)));
  return cast(Tensor::of<double>(result, {width / 2}), dtype);
}

Tensor rotary(const Tensor& x, const Tensor& positions, const RotaryOptions& options) {
  if (!x.defined() || !positions.defined()) throw Error("rotary: an argument is undefined");
  const std::int64_t size = x.rank() == 4 ? x.size(3) : 0;
  const std::int64_t width = options.width == 0 ? size : options.width;
  const bool shared = positions.rank() == 1;
  const bool fits = x.rank() == 4 && is_floating(x.dtype()) && positions.dtype() == DType::i64 &&
                    (shared || (positions.rank() == 2 && positions.size(0) == x.size(0))) &&
                    positions.size(-1) == x.size(1);
  if (!fits) {
    throw Error("rotary: x is " + std::string(name_of(x.dtype())) + " " + to_string(x.shape()) +
                ", the positions are " + std::string(name_of(positions.dtype())) + " " + to_string(positions.shape()) +
                "; a floating (batch, time, heads, size) and i64 (batch, time) or (time) are needed");
  }
  if (width < 2 || width > size || width % 2 != 0 || !(options.base > 0)) {
    throw Error("rotary: a width of " + std::to_string(width) + " and base " + std::to_string(options.base) +
                "; an even width up to the size of a head, " + std::to_string(size) +
                ", and a base above 0 are needed");
  }
  const Tensor at = cast(shared ? unsqueeze(positions, 0) : positions, x.dtype());
  const Tensor angles = unsqueeze(at, 2) * rotary_frequencies(width, options.base, x.dtype());
  const Tensor turned =
      rotate_pairs(width == size ? x : narrow(x, 3, 0, width), cos(angles), sin(angles), options.pairs);
  return width == size ? turned : concat({turned, narrow(x, 3, width, size - width)}, 3);
}

}  // namespace narae
