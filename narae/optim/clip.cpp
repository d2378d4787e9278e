#include "narae/optim/clip.h"

#include <cmath>
#include <string>

#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"

namespace narae::optim {
namespace {

void require_positive(const char* what, double bound) {
  if (!(bound > 0)) throw Error(std::string(what) + ": the bound must be positive, not " + std::to_string(bound));
}

DType type_of(const Gradients& gradients) {
  if (gradients.size() == 0) throw Error("clip: there are no gradients");
  return gradients[0].dtype();
}

Tensor largest(const Gradients& gradients) {
  const DType type = type_of(gradients);
  Tensor result;
  for (const Tensor& g : gradients) {
    if (g.count() == 0) continue;
    const Tensor part = cast(max(abs(g)), type);
    result = result.defined() ? maximum(result, part) : part;
  }
  return result.defined() ? result : scalar(0, type);
}

}  // namespace

Tensor squared_norm(const Gradients& gradients) {
  const DType type = type_of(gradients);
  Tensor result;
  for (const Tensor& g : gradients) {
    const Tensor part = cast(sum_of_squares(g), type);
    result = result.defined() ? result + part : part;
  }
  return result;
}

ClippedGradients clip_norm(const Gradients& gradients, double max_norm, const ClipNormOptions& options) {
  require_positive("clip_norm", max_norm);
  const bool infinite = std::isinf(options.norm_type);
  if (!infinite && options.norm_type != 2) {
    throw Error("clip_norm: norm " + std::to_string(options.norm_type) + " is not supported; use 2 or infinity");
  }
  const Tensor norm = infinite ? largest(gradients) : sqrt(squared_norm(gradients));
  const Tensor factor = minimum(scalar(max_norm, norm.dtype()) / (norm + 1e-6), 1.0);
  ClippedGradients result{{gradients.of, gradients.variables, {}}, norm};
  for (const Tensor& g : gradients) result.gradients.values.push_back(g * cast(factor, g.dtype()));
  return result;
}

Gradients clip_value(const Gradients& gradients, double bound) {
  require_positive("clip_value", bound);
  Gradients result{gradients.of, gradients.variables, {}};
  for (const Tensor& g : gradients) result.values.push_back(clip(g, -bound, bound));
  return result;
}

}  // namespace narae::optim
