#pragma once

#include "narae/nn/module.h"
#include "narae/ops/pool.h"

namespace narae::nn {

/// The maximum of each window, see narae::max_pool2d.
class NARAE_API MaxPool2d : public Module {
 public:
  explicit MaxPool2d(Size2d kernel, const MaxPool2dOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  Size2d kernel_;
  MaxPool2dOptions options_;
};

/// The mean of each window, see narae::avg_pool2d.
class NARAE_API AvgPool2d : public Module {
 public:
  explicit AvgPool2d(Size2d kernel, const AvgPool2dOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  Size2d kernel_;
  AvgPool2dOptions options_;
};

/// Means of windows that cut the plane into `size` parts: (batch, channels, height, width) -> (batch, channels, size).
class NARAE_API AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(Size2d size);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  Size2d size_;
};

/// Maxima of windows that cut the plane into `size` parts.
class NARAE_API AdaptiveMaxPool2d : public Module {
 public:
  explicit AdaptiveMaxPool2d(Size2d size);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  Size2d size_;
};

/// The mean over the plane: (batch, channels, height, width) -> (batch, channels).
class NARAE_API GlobalAvgPool : public Module {
 public:
  GlobalAvgPool() : Module("GlobalAvgPool") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
};

}  // namespace narae::nn
