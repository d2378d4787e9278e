#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

struct LinearOptions {
  bool bias = true;
  DType dtype = default_dtype();
};

/// x weight^T + bias over the last axis: (..., inputs) -> (..., outputs). Parameters weight: (outputs, inputs) and
/// bias: (outputs), both uniform in +- 1 / sqrt(inputs) at first.
class NARAE_API Linear : public Module {
 public:
  Linear(std::int64_t inputs, std::int64_t outputs, const LinearOptions& options = {});
  /// Shares a weight (outputs, inputs) that another module has, as the output layer of a language model shares the
  /// embedding's (Press and Wolf 2017). `options.dtype` is the bias's. Throws Error unless it is a matrix.
  explicit Linear(const Tensor& weight, const LinearOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] const Tensor& weight() const { return weight_; }
  [[nodiscard]] const Tensor& bias() const { return bias_; }  ///< undefined without one

 private:
  Tensor weight_;
  Tensor bias_;
};

}  // namespace narae::nn
