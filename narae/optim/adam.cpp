#include "narae/optim/adam.h"

#include <cmath>

#include "narae/ops/elementwise.h"

namespace narae::optim {
namespace {

struct Moments {
  Tensor mean;
  Tensor square;
  Tensor change;
};

// The change of a parameter in PyTorch's order of operations; the bias corrections are numbers of the host.
template <class Options>
Moments moments(const Tensor& g, std::span<const Tensor> state, double lr, std::int64_t step, const Options& o) {
  const double correction1 = 1 - std::pow(o.beta1, static_cast<double>(step));
  const double correction2 = 1 - std::pow(o.beta2, static_cast<double>(step));
  const Tensor mean = state[0] + (1 - o.beta1) * (g - state[0]);
  const Tensor square = o.beta2 * state[1] + (1 - o.beta2) * g * g;
  const Tensor divisor = sqrt(square) / std::sqrt(correction2) + o.eps;
  return {mean, square, (lr / correction1) * mean / divisor};
}

template <class Options>
void require_betas(const char* name, const Options& o) {
  if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1)) {
    throw Error(std::string(name) + ": beta1 and beta2 must be in [0, 1)");
  }
}

}  // namespace

Adam::Adam(const ParameterGroups& parameters, const AdamOptions& o)
    : Optimizer("Adam", parameters, {o.lr, o.weight_decay, o.l1, o.clip_norm, o.clip_value},
                {{"exp_avg"}, {"exp_avg_sq"}}),
      options_(o) {
  require_betas("Adam", o);
}

Optimizer::Next Adam::next(const Update& at) const {
  const Moments m = moments(at.gradient, at.state, at.lr, at.step, options_);
  return {.value = at.value - m.change, .state = {m.mean, m.square}};
}

AdamW::AdamW(const ParameterGroups& parameters, const AdamWOptions& o)
    : Optimizer("AdamW", parameters, {o.lr, o.weight_decay, o.l1, o.clip_norm, o.clip_value, /*decoupled=*/true},
                {{"exp_avg"}, {"exp_avg_sq"}}),
      options_(o) {
  require_betas("AdamW", o);
}

Optimizer::Next AdamW::next(const Update& at) const {
  const Moments m = moments(at.gradient, at.state, at.lr, at.step, options_);
  const Tensor decayed = (1 - at.lr * at.weight_decay) * at.value;
  return {.value = decayed - m.change, .state = {m.mean, m.square}};
}

}  // namespace narae::optim
