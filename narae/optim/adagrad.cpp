#include "narae/optim/adagrad.h"

#include "narae/ops/elementwise.h"

namespace narae::optim {

Adagrad::Adagrad(const ParameterGroups& parameters, const AdagradOptions& o)
    : Optimizer("Adagrad", parameters, {o.lr, o.weight_decay, o.l1, o.clip_norm, o.clip_value},
                {{"sum", o.initial_accumulator_value}}),
      options_(o) {}

Optimizer::Next Adagrad::next(const Update& at) const {
  const Tensor& g = at.gradient;
  const double lr = at.lr / (1 + static_cast<double>(at.step - 1) * options_.lr_decay);
  const Tensor sum = at.state[0] + g * g;
  return {.value = at.value - lr * g / (sqrt(sum) + options_.eps), .state = {sum}};
}

}  // namespace narae::optim
