#pragma once

// What the records of the recurrent layers share.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "narae/graph/node.h"
#include "narae/graph/recurrent_attributes.h"
#include "narae/graph/tensor.h"

namespace narae::recurrent {

/// The arguments of one use of an operator, with the errors about them.
class Rule {
 public:
  /// Throws Error unless there are `count` arguments of one floating type, but for the lengths.
  Rule(const char* op, std::span<const Node* const> inputs, int count, int lengths);

  /// Throws Error unless argument i is (time, batch, width) with elements, width a multiple of `gates`.
  void require_sequence(int i, const char* name, std::int64_t gates) const;
  void require_shape(int i, const char* name, const Shape& wanted) const;
  /// Throws Error unless argument i, the lengths, is (batch) i64; nothing for i = -1.
  void require_lengths(int i, std::int64_t batch) const;

  [[nodiscard]] const Shape& shape(int i) const { return inputs_[static_cast<std::size_t>(i)]->shape; }
  [[nodiscard]] DType dtype() const { return inputs_[0]->dtype; }

 private:
  const char* op_;
  std::span<const Node* const> inputs_;
};

/// The time steps of a composition in the order in which a direction takes them.
class Steps {
 public:
  Steps(std::int64_t count, const RecurrentAttributes& attributes, const Tensor& lengths);

  [[nodiscard]] const std::vector<std::int64_t>& order() const { return order_; }
  [[nodiscard]] std::vector<std::int64_t> backwards() const { return {order_.rbegin(), order_.rend()}; }
  /// `now` for the sequences that are not over at time t, `before` for the others.
  [[nodiscard]] Tensor choose(std::int64_t t, const Tensor& now, const Tensor& before) const;
  /// `now` for the sequences that are not over at time t, zero for the others.
  [[nodiscard]] Tensor or_zero(std::int64_t t, const Tensor& now) const;

 private:
  std::vector<std::int64_t> order_;
  Tensor lengths_;
};

/// Element t of the first axis.
[[nodiscard]] Tensor at_time(const Tensor& x, std::int64_t t);
/// The states that each time step began with: (time, batch, width) from those that it ended with, and the first one.
[[nodiscard]] Tensor states_before(const Tensor& states, const Tensor& first, bool reverse);
/// sum over time steps and sequences of a^T b, for a: (time, batch, m) and b: (time, batch, n): (m, n).
[[nodiscard]] Tensor summed_products(const Tensor& a, const Tensor& b);
/// An argument's place as an index.
[[nodiscard]] constexpr std::size_t index_of(int argument) {
  return static_cast<std::size_t>(argument);
}
/// The argument at a place, undefined for place -1.
[[nodiscard]] Tensor argument(std::span<const Tensor> inputs, int place);
/// h w^T, (batch, outputs).
[[nodiscard]] Tensor times(const Tensor& h, const Tensor& w);
void require_defined(const char* op, const char* name, const Tensor& x);

}  // namespace narae::recurrent
