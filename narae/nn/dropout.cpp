#include "narae/nn/dropout.h"

#include <sstream>

namespace narae::nn {
namespace {

std::string text_of(double p) {
  std::ostringstream text;
  text << p;
  return text.str();
}

double checked_rate(const char* kind, double p) {
  if (!(p >= 0 && p <= 1)) throw Error(std::string(kind) + ": the rate " + text_of(p) + " is not between 0 and 1");
  return p;
}

}  // namespace

Dropout::Dropout(double p) : Module("Dropout", text_of(p)), p_(checked_rate("Dropout", p)) {}

Tensor Dropout::forward(const Tensor& x) const {
  return is_training() && p_ > 0 ? dropout(x, p_) : x;
}

Dropout2d::Dropout2d(double p) : Module("Dropout2d", text_of(p)), p_(checked_rate("Dropout2d", p)) {}

Tensor Dropout2d::forward(const Tensor& x) const {
  return is_training() && p_ > 0 ? dropout2d(x, p_) : x;
}

StochasticDepth::StochasticDepth(double p, StochasticDepthMode mode)
    : Module("StochasticDepth", text_of(p) + (mode == StochasticDepthMode::row ? ", row" : ", batch")),
      p_(checked_rate("StochasticDepth", p)),
      mode_(mode) {}

Tensor StochasticDepth::forward(const Tensor& x) const {
  return is_training() ? stochastic_depth(x, p_, mode_) : x;
}

}  // namespace narae::nn
