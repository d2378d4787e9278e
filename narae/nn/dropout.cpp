#include "narae/nn/dropout.h"

#include <sstream>

#include "narae/ops/dropout.h"

namespace narae::nn {
namespace {

std::string text_of(double p) {
  std::ostringstream text;
  text << p;
  return text.str();
}

}  // namespace

Dropout::Dropout(double p) : Module("Dropout", text_of(p)), p_(p) {
  if (!(p >= 0 && p <= 1)) throw Error("Dropout: the rate " + details() + " is not between 0 and 1");
}

Tensor Dropout::forward(const Tensor& x) const {
  return is_training() ? dropout(x, p_) : x;
}

}  // namespace narae::nn
