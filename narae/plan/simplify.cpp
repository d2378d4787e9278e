// Dead code, common subexpressions, transposes folded into products, casts and reshapes that do nothing.
#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "narae/graph/attributes.h"
#include "narae/graph/leaves.h"
#include "narae/plan/order.h"
#include "narae/plan/passes.h"
#include "narae/plan/rewrite.h"

namespace narae::plan {
namespace {

// x^T of the last two axes, the axes before them as they are.
bool swaps_last_two(const Value& value) {
  const auto rank = static_cast<std::int64_t>(value.attributes.size());
  if (value.op->name != "transpose" || rank < 2) return false;
  for (std::int64_t i = 0; i < rank - 2; ++i)
    if (value.attributes[static_cast<std::size_t>(i)] != i) return false;
  return value.attributes[static_cast<std::size_t>(rank - 1)] == rank - 2;
}

bool is_identity_permutation(const std::vector<std::int64_t>& words) {
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] != static_cast<std::int64_t>(i)) return false;
  return true;
}

class Simplifier : Rewriter {
 public:
  void run(Program& program) {
    rewrite(program, [this](Value value) { return place(std::move(value)); });
    remove_dead(to_);
    program = std::move(to_);
  }

 private:
  // The number of a value equal to `value`: an earlier one where there is one.
  int place(Value value) {
    if (const int same = replacement(value); same >= 0) return same;
    fold_transposes(value);
    if (value.op->kind == OpClass::leaf && value.argument >= 0) return append(std::move(value));
    // A hash table of numbers in to_; the table is never more than half full.
    if (filled_ * 2 >= table_.size()) grow();
    std::size_t slot = hash(value) & (table_.size() - 1);
    for (; table_[slot] >= 0; slot = (slot + 1) & (table_.size() - 1))
      if (equal(to_.at(table_[slot]), value)) return table_[slot];
    ++filled_;
    return table_[slot] = append(std::move(value));
  }

  void grow() {
    const std::vector<int> old =
        std::exchange(table_, std::vector<int>(std::max<std::size_t>(64, table_.size() * 4), -1));
    for (const int v : old) {
      if (v < 0) continue;
      std::size_t slot = hash(to_.at(v)) & (table_.size() - 1);
      while (table_[slot] >= 0) slot = (slot + 1) & (table_.size() - 1);
      table_[slot] = v;
    }
  }

  // An existing value that is the same by algebra, or -1.
  int replacement(Value& value) {
    if (value.inputs.empty()) return -1;
    const Value& input = to_.at(value.inputs[0]);
    const std::string_view name = value.op->name;
    const bool same_shape = input.signature.shape == value.signature.shape;
    if (name == "reshape") {
      if (input.op->name == "reshape") {
        value.inputs[0] = input.inputs[0];
        return replacement(value);
      }
      return same_shape ? value.inputs[0] : -1;
    }
    if (name == "detach" || (name == "broadcast_to" && same_shape)) return value.inputs[0];
    if (name == "cast") return input.signature.dtype == value.signature.dtype ? value.inputs[0] : -1;
    if (name == "transpose") {
      if (is_identity_permutation(value.attributes)) return value.inputs[0];
      if (input.op->name == "transpose") {
        for (std::int64_t& axis : value.attributes) axis = input.attributes[static_cast<std::size_t>(axis)];
        value.inputs[0] = input.inputs[0];
        return replacement(value);
      }
    }
    return -1;
  }

  void fold_transposes(Value& value) {
    if (value.op->name != "matmul") return;
    for (std::size_t side = 0; side < 2; ++side) {
      const Value& operand = to_.at(value.inputs[side]);
      if (!swaps_last_two(operand)) continue;
      value.inputs[side] = operand.inputs[0];
      value.attributes[side] ^= 1;
      value.kernel = {};
    }
  }

  static std::uint64_t hash(const Value& value) {
    std::uint64_t h = std::bit_cast<std::uint64_t>(value.op);
    const auto mix = [&](std::uint64_t word) { h = std::rotl((h ^ word) * 0x9E3779B97F4A7C15ULL, 29); };
    for (const int input : value.inputs) mix(static_cast<std::uint64_t>(input));
    for (const std::int64_t word : value.attributes) mix(static_cast<std::uint64_t>(word));
    mix(std::bit_cast<std::uint64_t>(value.constant));
    mix(static_cast<std::uint64_t>(value.integer_constant));
    return h ^ h >> 32;
  }

  static bool equal(const Value& a, const Value& b) {
    return a.op == b.op && a.inputs == b.inputs && a.attributes == b.attributes &&
           a.signature.dtype == b.signature.dtype && a.signature.shape == b.signature.shape &&
           std::bit_cast<std::uint64_t>(a.constant) == std::bit_cast<std::uint64_t>(b.constant) &&
           a.integer_constant == b.integer_constant && a.argument == b.argument;
  }

  std::vector<int> table_;  // of equal values
  std::size_t filled_ = 0;
};

}  // namespace

void simplify(Program& program, const PlanOptions&) {
  Simplifier().run(program);
}

}  // namespace narae::plan
