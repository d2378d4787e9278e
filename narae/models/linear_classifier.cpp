#include "narae/models/linear_classifier.h"

#include "narae/nn/init.h"
#include "narae/ops/view.h"

namespace narae::models {

LinearClassifier::LinearClassifier(std::int64_t inputs, std::int64_t classes)
    : Module("LinearClassifier"), linear_(register_module("linear", nn::Linear(inputs, classes))) {
  nn::init::zeros(linear_.weight());
  nn::init::zeros(linear_.bias());
}

Tensor LinearClassifier::forward(const Tensor& x) const {
  return linear_(flatten(x, 1));
}

}  // namespace narae::models
