#pragma once

#include <cstdint>
#include <optional>

#include "narae/core/array.h"
#include "narae/nn/recurrent.h"

// What recurrent layers and cells share: the first values of their parameters, and the product with the inputs.
namespace narae::nn {

/// One layer in one direction, or a cell.
struct RecurrentSizes {
  RecurrentKind kind;
  std::int64_t inputs, units, outputs;
  RecurrentBias bias;

  [[nodiscard]] std::int64_t gates() const {
    return kind == RecurrentKind::lstm ? 4 : kind == RecurrentKind::gru ? 3 : 1;
  }
};

/// Draws first values.
class FirstWeights {
 public:
  FirstWeights(const RecurrentSizes& sizes, RecurrentStart start, std::optional<double> forget_bias, DType dtype);
  [[nodiscard]] Array weight_ih() const;
  [[nodiscard]] Array weight_hh() const;
  [[nodiscard]] Array weight_hr() const;
  /// bias_ih, or bias_hh when not `of_inputs`.
  [[nodiscard]] Array bias(bool of_inputs) const;

 private:
  [[nodiscard]] Array uniform(const Shape& shape) const;

  RecurrentSizes sizes_;
  RecurrentStart start_;
  std::optional<double> forget_bias_;
  DType dtype_;
};

/// W_ih x + biases, and the bias that stands inside a GRU's reset gate (undefined: none).
struct InputProduct {
  Tensor p;
  Tensor b_hn;
};
[[nodiscard]] InputProduct input_product(RecurrentKind kind, GruForm form, const Tensor& x, const Tensor& w_ih,
                                         const Tensor& b_ih, const Tensor& b_hh);

}  // namespace narae::nn
