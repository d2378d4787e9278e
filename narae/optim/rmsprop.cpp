#include "narae/optim/rmsprop.h"

#include "narae/ops/elementwise.h"

namespace narae::optim {

RMSprop::RMSprop(const ParameterGroups& parameters, const RMSpropOptions& o)
    : Optimizer("RMSprop", parameters, {o.lr, o.weight_decay, o.l1, o.clip_norm, o.clip_value},
                [&o] {
                  std::vector<StateSlot> slots = {{"square_avg"}};
                  if (o.centered) slots.push_back({"grad_avg"});
                  if (o.momentum != 0) slots.push_back({"momentum_buffer"});
                  return slots;
                }()),
      options_(o) {}

Optimizer::Next RMSprop::next(const Update& at) const {
  const Tensor& g = at.gradient;
  const double entering = 1 - options_.alpha;
  const Tensor square = options_.alpha * at.state[0] + entering * g * g;
  Next result{.value = {}, .state = {square}};
  Tensor spread = square;
  if (options_.centered) {
    const Tensor mean = at.state[1] + entering * (g - at.state[1]);
    result.state.push_back(mean);
    spread = square - mean * mean;
  }
  const Tensor divisor = sqrt(spread) + options_.eps;
  if (options_.momentum == 0) {
    result.value = at.value - at.lr * g / divisor;
    return result;
  }
  const Tensor buffer = options_.momentum * at.state.back() + g / divisor;
  result.state.push_back(buffer);
  result.value = at.value - at.lr * buffer;
  return result;
}

}  // namespace narae::optim
