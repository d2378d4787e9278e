#include "bench/made_up.h"

#include <cmath>

#include "narae/ops/ops.h"

namespace narae::bench {

Array made_up(const Shape& shape, std::int64_t k, double scale) {
  Array result = Array::empty(DType::f32, shape);
  double i = 0;
  for (float& x : result.mutable_values<float>()) {
    i += 1;
    const double turn = i * 0.6180339887498949 + static_cast<double>(k) * 0.7548776662466927;
    x = static_cast<float>(scale * (2 * (turn - std::floor(turn)) - 1));
  }
  return result;
}

void make_up_weights(const nn::Module& model) {
  std::int64_t k = 0;
  for (const auto& [name, parameter] : model.named_parameters()) {
    if (parameter.name() != name) continue;  // a shared one under another name
    const Shape& shape = parameter.shape();
    if (shape.rank() > 1) {
      const auto fan_in = static_cast<double>(shape.count()) / static_cast<double>(shape[0]);
      parameter.assign(made_up(shape, k, std::sqrt(6 / fan_in)));
    } else if (!name.ends_with("weight")) {
      parameter.assign(zeros(shape));
    }
    ++k;
  }
}

}  // namespace narae::bench
