#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "narae/core/buffer.h"
#include "narae/core/shape.h"
#include "narae/graph/op.h"

namespace narae {

struct Variable;
struct NodeExtra;

/// One step of a recipe: an operator, its attributes and its inputs. Immutable but for the value that an
/// evaluation leaves in it. Lives in a pool; inputs and attributes follow the struct in the same block. What every walk
/// looks at comes first, in one line of the cache.
struct Node {
  std::atomic<std::uint32_t> references{1};
  DType dtype = DType::f32;
  std::uint8_t size_class = 0;
  std::uint8_t attribute_count = 0;
  bool dropped = false;         ///< it was computed and its recipe is gone
  bool backward = false;        ///< written by a reverse sweep, or from what one wrote
  bool differentiated = false;  ///< its gradient has been asked for
  bool ran = false;             ///< some plan has computed it, whether or not the value was kept
  bool is_origin = false;       ///< some computed value came from it (graph/origins.h)
  std::uint32_t input_count = 0;
  const Op* op = nullptr;

  // Scratch of the walk that captures a plan; valid while the graph's lock is held.
  std::uint64_t visit = 0;
  std::uint32_t index = 0;
  std::uint32_t uses = 0;

  Buffer value;                  ///< a data leaf, or what an evaluation left
  NodeExtra* extra = nullptr;    ///< rare things: live recipes, running statistics, what dropped the recipe
  Variable* variable = nullptr;  ///< for the leaves that name a variable or one of its versions (a counted reference)

  Shape shape;
  std::uint64_t sequence = 0;  ///< order of creation
  std::uint32_t module = 0;    ///< path of the module that wrote it (graph/module_path.h)
  std::uint32_t capacity = 0;  ///< places for inputs: they may be dropped later, the attributes stay where they are
  union {
    double real = 0;       ///< a scalar leaf of a floating type
    std::int64_t integer;  ///< a scalar leaf of another type; the result number of an `output` node
    std::int64_t version;  ///< of a variable
  };

  [[nodiscard]] std::span<Node*> inputs() { return {reinterpret_cast<Node**>(this + 1), input_count}; }
  [[nodiscard]] std::span<Node* const> inputs() const {
    return {reinterpret_cast<Node* const*>(this + 1), input_count};
  }
  [[nodiscard]] Attributes attributes() const {
    return {reinterpret_cast<const std::int64_t*>(reinterpret_cast<Node* const*>(this + 1) + capacity),
            attribute_count};
  }

  [[nodiscard]] bool computed() const { return static_cast<bool>(value); }
};

namespace detail {

NARAE_API void release_node(Node* node);

inline void retain(Node* node) {
  node->references.fetch_add(1, std::memory_order_relaxed);
}
/// Gives a reference back; true when it was the last. Whoever holds the only reference to a node needs no locked
/// instruction to know that it is the last, unless others may still find the node: through a NodeExtra, or an `output`
/// node through the node that it reads.
inline bool drop_reference(Node* node) {
  const bool only = node->references.load(std::memory_order_acquire) == 1;
  if (only && node->extra == nullptr && node->op->kind != OpClass::view) return true;
  return node->references.fetch_sub(1, std::memory_order_acq_rel) == 1;
}
inline void release(Node* node) {
  if (drop_reference(node)) release_node(node);
}

/// A new node with one reference; takes a reference to each input. `inputs` must be resolved (see resolve()).
[[nodiscard]] NARAE_API Node* create_node(const Op& op, const Signature& signature, std::span<Node* const> inputs,
                                          Attributes attributes);
/// Whether nodes that this thread writes belong to a reverse sweep; returns what was set before.
NARAE_API bool exchange_backward(bool backward);
/// Lets go of a node's inputs (its recipe), without recursion.
NARAE_API void drop_inputs(Node* node);

}  // namespace detail

/// Nodes alive now: tests check that it does not grow.
[[nodiscard]] NARAE_API std::int64_t live_nodes();

/// A counted reference to a node.
class NARAE_API NodeRef {
 public:
  NodeRef() = default;
  /// Takes over a reference that the caller holds.
  [[nodiscard]] static NodeRef adopt(Node* node) {
    NodeRef result;
    result.node_ = node;
    return result;
  }
  [[nodiscard]] static NodeRef share(Node* node) {
    if (node != nullptr) detail::retain(node);
    return adopt(node);
  }
  NodeRef(const NodeRef& other) : node_(other.node_) {
    if (node_ != nullptr) detail::retain(node_);
  }
  NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef() {
    if (node_ != nullptr) detail::release(node_);
  }
  [[nodiscard]] Node* get() const { return node_; }
  [[nodiscard]] Node* operator->() const { return node_; }
  [[nodiscard]] explicit operator bool() const { return node_ != nullptr; }
  [[nodiscard]] Node* detach() { return std::exchange(node_, nullptr); }

 private:
  Node* node_ = nullptr;
};

}  // namespace narae
