#include "narae/optim/sgd.h"

#include "narae/ops/elementwise.h"

namespace narae::optim {

SGD::SGD(const ParameterGroups& parameters, const SGDOptions& o)
    : Optimizer("SGD", parameters, {o.lr, o.weight_decay, o.l1, o.clip_norm, o.clip_value},
                o.momentum == 0 ? std::vector<StateSlot>{} : std::vector<StateSlot>{{"momentum_buffer"}}),
      options_(o) {
  if (!(o.momentum >= 0)) throw Error("SGD: the momentum must not be negative");
  if (o.nesterov && (o.momentum == 0 || o.dampening != 0)) {
    throw Error("SGD: Nesterov needs a momentum and no dampening");
  }
}

Optimizer::Next SGD::next(const Update& at) const {
  const Tensor& g = at.gradient;
  if (at.state.empty()) return {.value = at.value - at.lr * g};
  // The first gradient enters the buffer whole.
  const double entering = at.step == 1 ? 1 : 1 - options_.dampening;
  Tensor buffer = options_.momentum * at.state[0];
  buffer = buffer + (options_.dampening == 0 ? g : entering * g);
  const Tensor direction = options_.nesterov ? g + options_.momentum * buffer : buffer;
  return {.value = at.value - at.lr * direction, .state = {buffer}};
}

}  // namespace narae::optim
