#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

/// Joins the axes from `first_axis` on: (batch, channels, height, width) -> (batch, channels * height * width).
class NARAE_API Flatten : public Module {
 public:
  explicit Flatten(std::int64_t first_axis = 1);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  std::int64_t first_axis_;
};

}  // namespace narae::nn
