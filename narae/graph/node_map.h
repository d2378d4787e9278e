#pragma once

#include <cstdint>
#include <vector>

namespace narae {

struct Node;

/// Numbers for nodes: an open-addressing hash table, several times faster than std::unordered_map.
class NodeMap {
 public:
  static constexpr std::int32_t none = -1;

  NodeMap() : slots_(64) {}

  [[nodiscard]] std::int32_t find(const Node* node) const {
    for (std::size_t i = hash(node);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].node == node) return slots_[i].number;
      if (slots_[i].node == nullptr) return none;
    }
  }
  /// `node` must not be in the map yet.
  void insert(const Node* node, std::int32_t number) {
    if (++count_ * 2 > slots_.size()) grow();
    place(node, number);
  }

 private:
  struct Slot {
    const Node* node = nullptr;
    std::int32_t number = none;
  };

  [[nodiscard]] std::size_t hash(const Node* node) const {
    return (reinterpret_cast<std::uint64_t>(node) * 0x9E3779B97F4A7C15ULL >> 20) & (slots_.size() - 1);
  }
  void place(const Node* node, std::int32_t number) {
    std::size_t i = hash(node);
    while (slots_[i].node != nullptr) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {node, number};
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& s : old)
      if (s.node != nullptr) place(s.node, s.number);
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace narae
