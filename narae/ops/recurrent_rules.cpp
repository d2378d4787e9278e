#include "narae/ops/recurrent_rules.h"

#include <algorithm>
#include <numeric>

#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/view.h"

namespace narae::recurrent {

Rule::Rule(const char* op, std::span<const Node* const> inputs, int count, int lengths) : op_(op), inputs_(inputs) {
  if (inputs.size() != static_cast<std::size_t>(count)) {
    throw Error(std::string(op) + ": " + std::to_string(inputs.size()) + " arguments; " + std::to_string(count) +
                " are needed");
  }
  for (int i = 0; i < count; ++i) {
    const DType dtype = inputs[static_cast<std::size_t>(i)]->dtype;
    if (i == lengths || (is_floating(dtype) && dtype == inputs[0]->dtype)) continue;
    throw Error(std::string(op) + ": argument " + std::to_string(i + 1) + " is " + std::string(name_of(dtype)) +
                ", the first " + std::string(name_of(inputs[0]->dtype)) +
                "; one floating type is needed, cast one of them");
  }
}

void Rule::require_sequence(int i, const char* name, std::int64_t gates) const {
  const Shape& x = shape(i);
  if (x.rank() == 3 && x.count() > 0 && x[2] % gates == 0) return;
  throw Error(std::string(op_) + ": " + name + " has shape " + to_string(x) + "; (time, batch, " +
              (gates == 1 ? "" : std::to_string(gates) + " * ") + "units) with at least one element is needed");
}

void Rule::require_shape(int i, const char* name, const Shape& wanted) const {
  if (shape(i) == wanted) return;
  throw Error(std::string(op_) + ": " + name + " has shape " + to_string(shape(i)) + ", the first argument " +
              to_string(shape(0)) + "; " + to_string(wanted) + " is needed");
}

void Rule::require_lengths(int i, std::int64_t batch) const {
  if (i < 0) return;
  const Node& lengths = *inputs_[static_cast<std::size_t>(i)];
  if (lengths.dtype == DType::i64 && lengths.shape == Shape{batch}) return;
  throw Error(std::string(op_) + ": the lengths are " + std::string(name_of(lengths.dtype)) + " " +
              to_string(lengths.shape) + "; i64 " + to_string(Shape{batch}) + " is needed, one for each sequence");
}

Steps::Steps(std::int64_t count, const RecurrentAttributes& attributes, const Tensor& lengths)
    : order_(static_cast<std::size_t>(count)), lengths_(lengths) {
  std::iota(order_.begin(), order_.end(), 0);
  if (attributes.reverse != 0) std::reverse(order_.begin(), order_.end());
}

Tensor Steps::choose(std::int64_t t, const Tensor& now, const Tensor& before) const {
  if (!lengths_.defined()) return now;
  return where(unsqueeze(greater(lengths_, static_cast<double>(t)), 1), now, before);
}

Tensor Steps::or_zero(std::int64_t t, const Tensor& now) const {
  if (!lengths_.defined()) return now;
  return where(unsqueeze(greater(lengths_, static_cast<double>(t)), 1), now, 0.0);
}

Tensor at_time(const Tensor& x, std::int64_t t) {
  return squeeze(narrow(x, 0, t, 1), 0);
}

Tensor states_before(const Tensor& states, const Tensor& first, bool reverse) {
  const std::int64_t steps = states.size(0);
  Tensor start = unsqueeze(first, 0);
  if (steps == 1) return start;
  if (reverse) return concat({narrow(states, 0, 1, steps - 1), start}, 0);
  return concat({start, narrow(states, 0, 0, steps - 1)}, 0);
}

Tensor summed_products(const Tensor& a, const Tensor& b) {
  return matmul(reshape(a, {a.size(0) * a.size(1), a.size(2)}), reshape(b, {b.size(0) * b.size(1), b.size(2)}),
                {.transpose_a = true});
}

Tensor argument(std::span<const Tensor> inputs, int place) {
  return place < 0 ? Tensor() : inputs[static_cast<std::size_t>(place)];
}

Tensor times(const Tensor& h, const Tensor& w) {
  return matmul(h, w, {.transpose_b = true});
}

void require_defined(const char* op, const char* name, const Tensor& x) {
  if (!x.defined()) throw Error(std::string(op) + ": " + name + " is undefined");
}

}  // namespace narae::recurrent
