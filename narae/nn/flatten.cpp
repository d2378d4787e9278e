#include "narae/nn/flatten.h"

#include "narae/ops/view.h"

namespace narae::nn {

Flatten::Flatten(std::int64_t first_axis) : Module("Flatten"), first_axis_(first_axis) {}

Tensor Flatten::forward(const Tensor& x) const {
  return flatten(x, first_axis_);
}

}  // namespace narae::nn
