#include "narae/nn/sequential.h"

namespace narae::nn {

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (const auto& step : steps_) y = (*step)(y);
  return y;
}

}  // namespace narae::nn
