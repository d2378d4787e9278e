#include "narae/nn/recurrent_start.h"

#include <cmath>
#include <vector>

#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/view.h"

namespace narae::nn {

FirstWeights::FirstWeights(const RecurrentSizes& sizes, RecurrentStart start, std::optional<double> forget_bias,
                           DType dtype)
    : sizes_(sizes), start_(start), forget_bias_(forget_bias), dtype_(dtype) {}

Array FirstWeights::uniform(const Shape& shape) const {
  const double bound = 1 / std::sqrt(static_cast<double>(sizes_.units));
  return init::draw_uniform(dtype_, shape, -bound, bound);
}

Array FirstWeights::weight_ih() const {
  return uniform({sizes_.gates() * sizes_.units, sizes_.inputs});
}

Array FirstWeights::weight_hh() const {
  if (start_ == RecurrentStart::uniform) return uniform({sizes_.gates() * sizes_.units, sizes_.outputs});
  std::vector<Tensor> gates;
  for (std::int64_t i = 0; i < sizes_.gates(); ++i) {
    const Tensor gate = variable(zeros({sizes_.units, sizes_.outputs}, dtype_), {.trainable = false});
    if (start_ == RecurrentStart::orthogonal)
      init::orthogonal(gate);
    else
      init::identity(gate);
    gates.push_back(gate);
  }
  return concat(gates, 0).array();
}

Array FirstWeights::weight_hr() const {
  return uniform({sizes_.outputs, sizes_.units});
}

Array FirstWeights::bias(bool of_inputs) const {
  const Shape shape{sizes_.gates() * sizes_.units};
  if (start_ == RecurrentStart::identity && !forget_bias_) return zeros(shape, dtype_).array();
  Tensor bias = start_ == RecurrentStart::identity ? zeros(shape, dtype_) : Tensor(uniform(shape));
  if (!forget_bias_) return bias.array();
  std::vector<Tensor> gates = split(bias, 4, 0);
  gates[1] = full(gates[1].shape(), of_inputs ? *forget_bias_ : 0.0, dtype_);
  return concat(gates, 0).array();
}

// Both biases are added to the inputs' product, but for that of the candidate of a GRU whose reset gate acts behind it.
InputProduct input_product(RecurrentKind kind, GruForm form, const Tensor& x, const Tensor& w_ih, const Tensor& b_ih,
                           const Tensor& b_hh) {
  if (!b_hh.defined()) return {linear(x, w_ih, b_ih), {}};
  if (kind != RecurrentKind::gru || form == GruForm::reset_before) return {linear(x, w_ih, b_ih + b_hh), {}};
  const std::int64_t units = b_hh.size(0) / 3;
  const std::vector<Tensor> parts = split(b_hh, {2 * units, units}, 0);
  return {linear(x, w_ih, b_ih + pad(parts[0], {0, units})), parts[1]};
}

}  // namespace narae::nn
