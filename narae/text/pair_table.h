#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace narae::text {

/// Two neighbouring tokens as one number; numbers are ordered as the pairs are, by the left token first.
[[nodiscard]] inline std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) | static_cast<std::uint32_t>(right);
}

/// A hash table from pairs of tokens to values, in one piece of memory with linear probing: tokenizers look up little
/// else.
template <class Value>
class PairTable {
 public:
  /// The value of a pair, or null.
  [[nodiscard]] const Value* find(std::uint64_t key) const {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[place_of(key)];
    return slot.key == key ? &slot.value : nullptr;
  }

  /// The value of a pair, entered as `first` if there was none; whether it was.
  std::pair<Value*, bool> insert(std::uint64_t key, const Value& first) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = slots_[place_of(key)];
    const bool fresh = slot.key != key;
    if (fresh) {
      slot = {key, first};
      ++count_;
    }
    return {&slot.value, fresh};
  }

  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  static constexpr std::uint64_t none = ~std::uint64_t{0};  // no pair: tokens are below 2^31

  struct Slot {
    std::uint64_t key = none;
    Value value = {};
  };

  [[nodiscard]] std::size_t place_of(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15U) >> shift_);
    while (slots_[at].key != key && slots_[at].key != none) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    std::vector<Slot> before(slots_.empty() ? 16 : slots_.size() * 2);
    shift_ = slots_.empty() ? 60 : shift_ - 1;
    before.swap(slots_);
    for (const Slot& slot : before)
      if (slot.key != none) slots_[place_of(slot.key)] = slot;
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
  unsigned shift_ = 64;
};

}  // namespace narae::text
