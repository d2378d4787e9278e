#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

// Activations as modules; the formulas are at the functions in ops/activation.h and ops/softmax.h.

class NARAE_API ReLU : public Module {
 public:
  ReLU() : Module("ReLU") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
};

class NARAE_API Tanh : public Module {
 public:
  Tanh() : Module("Tanh") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
};

class NARAE_API Sigmoid : public Module {
 public:
  Sigmoid() : Module("Sigmoid") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
};

class NARAE_API SiLU : public Module {
 public:
  SiLU() : Module("SiLU") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
};

struct GELUOptions {
  bool tanh = false;  ///< the tanh approximation
};
class NARAE_API GELU : public Module {
 public:
  explicit GELU(const GELUOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  GELUOptions options_;
};

class NARAE_API LeakyReLU : public Module {
 public:
  explicit LeakyReLU(double slope = 0.01);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double slope_;
};

class NARAE_API ELU : public Module {
 public:
  explicit ELU(double alpha = 1);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double alpha_;
};

/// log(1 + exp(beta x)) / beta
class NARAE_API Softplus : public Module {
 public:
  explicit Softplus(double beta = 1);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double beta_;
};

class NARAE_API Softmax : public Module {
 public:
  explicit Softmax(std::int64_t axis = -1);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  std::int64_t axis_;
};

}  // namespace narae::nn
