#pragma once

#include "narae/graph/tensor.h"

namespace narae::nn {

/// What becomes of the losses of a batch's elements. `batch_mean` divides their sum by the batch's size.
enum class Reduction { none, mean, sum, batch_mean };

struct LossOptions {
  Reduction reduction = Reduction::mean;
};
struct HuberOptions {
  double delta = 1;
  Reduction reduction = Reduction::mean;
};
struct SmoothL1Options {
  double beta = 1;
  Reduction reduction = Reduction::mean;
};
struct HingeOptions {
  int p = 1;  ///< 1 or 2
  double margin = 1;
  Tensor class_weights = {};  ///< (classes)
  Reduction reduction = Reduction::mean;
};
struct CrossEntropyOptions {
  double label_smoothing = 0;
  std::int64_t ignore_index = -100;  ///< rows with this target count nothing
  Tensor class_weights = {};         ///< (classes); the mean is weighted by the targets' weights
  Reduction reduction = Reduction::mean;
};
struct NllOptions {
  std::int64_t ignore_index = -100;
  Tensor class_weights = {};
  Reduction reduction = Reduction::mean;
};
struct BceOptions {
  Tensor pos_weight = {};  ///< factor of the positive term, broadcast to x
  Reduction reduction = Reduction::mean;
};
struct KlDivOptions {
  bool log_target = false;  ///< the target is log probabilities too
  Reduction reduction = Reduction::mean;
};

// All are PyTorch's definitions. x and target have one shape and one floating type unless said otherwise; throws Error
// when they don't.

/// (x - target)^2
[[nodiscard]] NARAE_API Tensor mse_loss(const Tensor& x, const Tensor& target, const LossOptions& options = {});
/// |x - target|
[[nodiscard]] NARAE_API Tensor l1_loss(const Tensor& x, const Tensor& target, const LossOptions& options = {});
/// With d = |x - target|: d^2 / 2 below delta, delta (d - delta / 2) from there on.
[[nodiscard]] NARAE_API Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberOptions& options = {});
/// The Huber loss over beta: d^2 / (2 beta) below beta, d - beta / 2 from there on; |x - target| for beta = 0.
[[nodiscard]] NARAE_API Tensor smooth_l1_loss(const Tensor& x, const Tensor& target,
                                              const SmoothL1Options& options = {});
/// Multi-class margin: sum over classes c != y of w_y max(0, margin - x_y + x_c)^p / classes, for x: (n, classes) and
/// target: (n) integers.
[[nodiscard]] NARAE_API Tensor hinge_loss(const Tensor& x, const Tensor& target, const HingeOptions& options = {});

/// Cross entropy of logits (n, classes, ...) with targets (n, ...): class numbers (i64 or i32), or probabilities of the
/// logits' shape and type. A class number out of range gives NaN.
[[nodiscard]] NARAE_API Tensor cross_entropy(const Tensor& logits, const Tensor& target,
                                             const CrossEntropyOptions& options = {});
/// -w_y x_y for log probabilities x: (n, classes) and class numbers (n).
[[nodiscard]] NARAE_API Tensor nll_loss(const Tensor& x, const Tensor& target, const NllOptions& options = {});
/// -(pos_weight t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))), exact in the tails.
[[nodiscard]] NARAE_API Tensor bce_with_logits(const Tensor& x, const Tensor& target, const BceOptions& options = {});
/// t (log t - x) for log probabilities x; 0 where t is 0.
[[nodiscard]] NARAE_API Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options = {});

}  // namespace narae::nn
