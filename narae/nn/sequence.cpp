#include "narae/nn/sequence.h"

#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae::nn {
namespace {

constexpr double below_all = -1e30;

}  // namespace

std::vector<Tensor> SequenceModule::empty_state(std::int64_t, std::int64_t) const {
  return {};
}

std::vector<Tensor> SequenceModule::with_room(const std::vector<Tensor>& state, std::int64_t) const {
  return state;
}

std::vector<Tensor> SequenceModule::state_of_rows(const std::vector<Tensor>& state, const Tensor& rows) const {
  std::vector<Tensor> taken;
  for (const Tensor& part : state) taken.push_back(take(part, rows, 1));
  return taken;
}

Tensor position_mask(const Tensor& lengths, std::int64_t steps) {
  const Tensor positions = arange(0, static_cast<double>(steps), 1, DType::i64);
  return less(unsqueeze(positions, 0), unsqueeze(lengths, 1));
}

Tensor max_over_time(const Tensor& x, const Tensor& lengths) {
  if (!lengths.defined()) return max(x, {1});
  return max(where(unsqueeze(position_mask(lengths, x.size(1)), 2), x, below_all), {1});
}

Tensor mean_over_time(const Tensor& x, const Tensor& lengths) {
  if (!lengths.defined()) return mean(x, {1});
  const Tensor total = sum(where(unsqueeze(position_mask(lengths, x.size(1)), 2), x, 0.0), {1});
  return total / unsqueeze(cast(lengths, x.dtype()), 1);
}

}  // namespace narae::nn
