#include "narae/models/mlp.h"

#include "narae/models/activations.h"
#include "narae/nn/dropout.h"
#include "narae/nn/linear.h"
#include "narae/ops/view.h"

namespace narae::models {

Mlp::Mlp(std::int64_t inputs, std::int64_t classes, const MlpOptions& options) {
  std::int64_t width = inputs;
  for (const std::int64_t units : options.hidden) {
    push_back(initialized(nn::Linear(width, units), options.activation));
    push_activation(*this, options.activation);
    if (options.dropout > 0) push_back(nn::Dropout(options.dropout));
    width = units;
  }
  push_back(initialized(nn::Linear(width, classes), options.activation));
}

Tensor Mlp::forward(const Tensor& x) const {
  return Sequential::forward(flatten(x, 1));
}

}  // namespace narae::models
