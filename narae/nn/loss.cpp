#include "narae/nn/loss.h"

#include <string>
#include <vector>

#include "narae/ops/activation.h"
#include "narae/ops/cross_entropy.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/reduce.h"
#include "narae/ops/softmax.h"
#include "narae/ops/view.h"

namespace narae::nn {
namespace {

std::string describe(const Tensor& x) {
  return std::string(name_of(x.dtype())) + " " + to_string(x.shape());
}

[[noreturn]] void fail(const char* loss, const Tensor& x, const Tensor& target, const std::string& why) {
  throw Error(std::string(loss) + ": the prediction is " + describe(x) + ", the target " + describe(target) + ": " +
              why);
}

void require_defined(const char* loss, const Tensor& x, const Tensor& target) {
  if (!x.defined() || !target.defined()) throw Error(std::string(loss) + ": an argument is undefined");
  if (!is_floating(x.dtype())) fail(loss, x, target, "the prediction must be floating");
}

// Shapes that only broadcast are refused: (n) against (n, 1) is nearly always a mistake.
void require_alike(const char* loss, const Tensor& x, const Tensor& target) {
  require_defined(loss, x, target);
  if (x.dtype() != target.dtype()) fail(loss, x, target, "the types differ; cast one of them");
  if (!(x.shape() == target.shape())) fail(loss, x, target, "the shapes differ; reshape one of them");
}

void require_classes(const char* loss, const Tensor& x, const Tensor& target) {
  require_defined(loss, x, target);
  if (target.dtype() != DType::i64 && target.dtype() != DType::i32) {
    fail(loss, x, target, "class numbers are i64 or i32; cast them");
  }
  if (x.rank() != 2 || target.rank() != 1 || x.size(0) != target.size(0)) {
    fail(loss, x, target, "(n, classes) and (n) are needed");
  }
}

void require_weights(const char* loss, const Tensor& weights, const Tensor& x, std::int64_t classes) {
  if (!weights.defined()) return;
  if (weights.rank() != 1 || weights.size(0) != classes || weights.dtype() != x.dtype()) {
    throw Error(std::string(loss) + ": the class weights are " + describe(weights) + ", the prediction " + describe(x) +
                "; one number of its type for each class is needed");
  }
}

Tensor reduce(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return losses;
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    case Reduction::batch_mean:
      return sum(losses) / static_cast<double>(losses.rank() == 0 ? 1 : losses.size(0));
  }
  __builtin_unreachable();
}

// Losses of rows with class numbers; rows that are ignored are 0. The mean is weighted by the targets' weights.
Tensor reduce_rows(const Tensor& losses, const Tensor& target, const Tensor& weights, std::int64_t ignored,
                   Reduction reduction) {
  if (reduction != Reduction::mean) return reduce(losses, reduction);
  const Tensor valid = not_equal(target, scalar_integer(ignored));
  const Tensor ones = cast(valid, losses.dtype());
  if (!weights.defined()) return sum(losses) / sum(ones);
  return sum(losses) / sum(where(valid, take(weights, where(valid, target, zeros_like(target))), 0.0));
}

// (n, classes, ...) -> (n ..., classes)
Tensor classes_last(const Tensor& x) {
  if (x.rank() == 2) return x;
  std::vector<std::int64_t> order = {0};
  for (int i = 2; i < x.rank(); ++i) order.push_back(i);
  order.push_back(1);
  return reshape(transpose(x, order), {-1, x.size(1)});
}

// The losses of rows back in the shape of the logits without their classes.
Shape without_classes(const Shape& logits) {
  Shape result;
  for (int i = 0; i < logits.rank(); ++i)
    if (i != 1) result.push_back(logits[i]);
  return result;
}

// Targets that are probabilities.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  require_alike("cross_entropy", logits, target);
  const auto classes = static_cast<double>(logits.size(1));
  const Tensor smoothed =
      target * scalar(1 - options.label_smoothing, target.dtype()) + options.label_smoothing / classes;
  Tensor terms = smoothed * log_softmax(logits, 1);
  if (options.class_weights.defined()) {
    Shape shape;
    for (int i = 0; i < logits.rank(); ++i) shape.push_back(i == 1 ? logits.size(1) : 1);
    terms = terms * reshape(options.class_weights, shape);
  }
  const Tensor losses = -sum(terms, 1);
  return reduce(losses, options.reduction);
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& target, const LossOptions& options) {
  require_alike("mse_loss", x, target);
  return reduce(square(x - target), options.reduction);
}

Tensor l1_loss(const Tensor& x, const Tensor& target, const LossOptions& options) {
  require_alike("l1_loss", x, target);
  return reduce(abs(x - target), options.reduction);
}

Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberOptions& options) {
  require_alike("huber_loss", x, target);
  if (!(options.delta > 0)) throw Error("huber_loss: delta must be positive, not " + std::to_string(options.delta));
  const Tensor d = abs(x - target);
  const Tensor delta = scalar(options.delta, x.dtype());
  return reduce(where(less(d, delta), 0.5 * square(d), delta * (d - 0.5 * delta)), options.reduction);
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, const SmoothL1Options& options) {
  require_alike("smooth_l1_loss", x, target);
  if (!(options.beta >= 0)) throw Error("smooth_l1_loss: beta must not be negative");
  if (options.beta == 0) return l1_loss(x, target, {.reduction = options.reduction});
  const Tensor d = abs(x - target);
  const Tensor beta = scalar(options.beta, x.dtype());
  return reduce(where(less(d, beta), 0.5 * square(d) / beta, d - 0.5 * beta), options.reduction);
}

Tensor hinge_loss(const Tensor& x, const Tensor& target, const HingeOptions& options) {
  require_classes("hinge_loss", x, target);
  require_weights("hinge_loss", options.class_weights, x, x.size(1));
  if (options.p != 1 && options.p != 2) throw Error("hinge_loss: p must be 1 or 2, not " + std::to_string(options.p));
  const Tensor own = gather(x, 1, unsqueeze(target, 1));
  Tensor excess = relu(x - own + options.margin);
  if (options.p == 2) excess = square(excess);
  const Tensor others = equal(one_hot(target, x.size(1), x.dtype()), 0.0);
  Tensor losses = sum(where(others, excess, 0.0), 1) / static_cast<double>(x.size(1));
  if (options.class_weights.defined()) losses = losses * take(options.class_weights, target);
  return reduce(losses, options.reduction);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  require_defined("cross_entropy", logits, target);
  if (logits.rank() < 2) fail("cross_entropy", logits, target, "logits (n, classes, ...) are needed");
  const std::int64_t classes = logits.size(1);
  require_weights("cross_entropy", options.class_weights, logits, classes);
  if (options.label_smoothing < 0 || options.label_smoothing > 1) {
    throw Error("cross_entropy: a label smoothing of " + std::to_string(options.label_smoothing) +
                " is not between 0 and 1");
  }
  if (is_floating(target.dtype())) return soft_cross_entropy(logits, target, options);
  const Shape rows = without_classes(logits.shape());
  if (target.dtype() != DType::i64 && target.dtype() != DType::i32) {
    fail("cross_entropy", logits, target, "class numbers are i64 or i32; cast them");
  }
  if (!(target.shape() == rows)) fail("cross_entropy", logits, target, "the target needs shape " + to_string(rows));
  const Tensor numbers = cast(rows.rank() == 1 ? target : reshape(target, {-1}), DType::i64);
  const Tensor weights = options.class_weights.defined() ? options.class_weights : ones({classes}, logits.dtype());
  const Tensor losses = cross_entropy_rows(classes_last(logits), numbers, weights,
                                           scalar(options.label_smoothing, logits.dtype()), options.ignore_index);
  if (options.reduction == Reduction::none) return rows.rank() == 1 ? losses : reshape(losses, rows);
  if (options.reduction == Reduction::batch_mean) return sum(losses) / static_cast<double>(logits.size(0));
  return reduce_rows(losses, numbers, options.class_weights, options.ignore_index, options.reduction);
}

Tensor nll_loss(const Tensor& x, const Tensor& target, const NllOptions& options) {
  require_classes("nll_loss", x, target);
  require_weights("nll_loss", options.class_weights, x, x.size(1));
  const Tensor numbers = cast(target, DType::i64);
  const Tensor valid = not_equal(numbers, scalar_integer(options.ignore_index));
  const Tensor safe = where(valid, numbers, zeros_like(numbers));
  Tensor losses = -squeeze(gather(x, 1, unsqueeze(safe, 1)), 1);
  if (options.class_weights.defined()) losses = losses * take(options.class_weights, safe);
  losses = where(valid, losses, 0.0);
  return reduce_rows(losses, numbers, options.class_weights, options.ignore_index, options.reduction);
}

Tensor bce_with_logits(const Tensor& x, const Tensor& target, const BceOptions& options) {
  require_alike("bce_with_logits", x, target);
  // -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = x + softplus(-x).
  Tensor weight = softplus(-x);
  if (options.pos_weight.defined()) weight = ((options.pos_weight - 1.0) * target + 1.0) * weight;
  return reduce((1.0 - target) * x + weight, options.reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options) {
  require_alike("kl_div", x, target);
  if (options.log_target) return reduce(exp(target) * (target - x), options.reduction);
  const Tensor positive = greater(target, 0.0);
  const Tensor entropy = target * log(where(positive, target, 1.0));
  return reduce(entropy - target * x, options.reduction);
}

}  // namespace narae::nn
