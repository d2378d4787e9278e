#pragma once

#include "narae/nn/module.h"
#include "narae/ops/conv.h"

namespace narae::nn {

struct Conv2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;
  Size2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  DType dtype = default_dtype();
};

/// Convolution: (batch, channels, height, width) -> (batch, filters, out height, out width), see narae::conv2d.
/// Parameters weight: (filters, channels / groups, kernel height, kernel width) and bias: (filters), both uniform in
/// +- 1 / sqrt(channels / groups * kernel area) at first.
class NARAE_API Conv2d : public Module {
 public:
  Conv2d(std::int64_t channels, std::int64_t filters, Size2d kernel, const Conv2dOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] const Tensor& weight() const { return weight_; }
  [[nodiscard]] const Tensor& bias() const { return bias_; }  ///< undefined without one

 private:
  narae::Conv2dOptions geometry_;
  Tensor weight_;
  Tensor bias_;
};

struct ConvTranspose2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;
  Size2d output_padding = 0;
  std::int64_t groups = 1;
  bool bias = true;
  Size2d dilation = 1;
  DType dtype = default_dtype();
};

/// Transposed convolution: (batch, channels, height, width) -> (batch, filters, out height, out width), see
/// narae::conv_transpose2d. Parameters weight: (channels, filters / groups, kernel height, kernel width) and bias:
/// (filters), both uniform in +- 1 / sqrt(filters / groups * kernel area) at first.
class NARAE_API ConvTranspose2d : public Module {
 public:
  ConvTranspose2d(std::int64_t channels, std::int64_t filters, Size2d kernel,
                  const ConvTranspose2dOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] const Tensor& weight() const { return weight_; }
  [[nodiscard]] const Tensor& bias() const { return bias_; }  ///< undefined without one

 private:
  narae::ConvTranspose2dOptions geometry_;
  Tensor weight_;
  Tensor bias_;
};

}  // namespace narae::nn
