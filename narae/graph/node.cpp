#include "narae/graph/node.h"

#include <array>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/graph/origins.h"
#include "narae/graph/variable.h"

namespace narae {
namespace {

constexpr std::size_t unit = 64;
constexpr std::size_t pooled_classes = 16;  // blocks of up to 1 KiB; larger ones come from the heap
constexpr std::size_t slab_bytes = std::size_t{1} << 16;

struct FreeBlock {
  FreeBlock* next;
};

// What a thread keeps for itself: free blocks, and how many nodes it made more than it freed. It has no destructor, so
// that reading it needs no check.
struct ThreadNodes {
  std::array<FreeBlock*, pooled_classes> lists{};
  std::atomic<std::int64_t> alive{0};  // written by its own thread alone
  bool known = false;                  // to Shared
  bool ended = false;                  // statics that are destroyed later still free nodes
  bool in_reverse_sweep = false;

  void add_alive(std::int64_t n) { alive.store(alive.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
};

[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadNodes mine;  // small, and read for every node

// What the threads share: blocks and counts of those that have ended, and where the others keep theirs.
struct Shared {
  std::mutex mutex;
  std::array<FreeBlock*, pooled_classes> lists{};
  std::int64_t alive = 0;
  std::vector<const ThreadNodes*> threads;
};

Shared& shared() {
  static auto* instance = new Shared;
  return *instance;
}

// Tells the others of this thread's nodes while it runs, and leaves them its blocks when it ends.
class Membership {
 public:
  Membership() : nodes_(&mine) {
    Shared& s = shared();
    const std::lock_guard lock(s.mutex);
    s.threads.push_back(nodes_);
    nodes_->known = true;
  }
  ~Membership() {
    Shared& s = shared();
    const std::lock_guard lock(s.mutex);
    for (std::size_t c = 0; c < pooled_classes; ++c) {
      while (FreeBlock* block = nodes_->lists[c]) {
        nodes_->lists[c] = block->next;
        block->next = s.lists[c];
        s.lists[c] = block;
      }
    }
    s.alive += nodes_->alive.exchange(0);
    std::erase(s.threads, nodes_);
    nodes_->known = false;
    nodes_->ended = true;
  }
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

 private:
  ThreadNodes* nodes_;
};

void join_threads() {
  if (mine.ended) return;
  static thread_local Membership membership;
}

void refill(std::size_t c) {
  Shared& s = shared();
  {
    const std::lock_guard lock(s.mutex);
    if (s.lists[c] != nullptr) {
      mine.lists[c] = std::exchange(s.lists[c], nullptr);
      return;
    }
  }
  const std::size_t size = (c + 1) * unit;
  auto* slab = static_cast<std::byte*>(::operator new (slab_bytes, std::align_val_t{unit}));
  for (std::size_t offset = 0; offset + size <= slab_bytes; offset += size) {
    auto* block = reinterpret_cast<FreeBlock*>(slab + offset);
    block->next = mine.lists[c];
    mine.lists[c] = block;
  }
}

std::atomic<std::uint64_t> created{0};

void* take_block(std::size_t bytes, std::uint8_t& size_class) {
  const std::size_t c = (bytes - 1) / unit;
  if (c >= pooled_classes) {
    size_class = pooled_classes;
    return ::operator new (bytes, std::align_val_t{unit});
  }
  size_class = static_cast<std::uint8_t>(c);
  if (mine.lists[c] == nullptr) refill(c);
  FreeBlock* block = mine.lists[c];
  mine.lists[c] = block->next;
  return block;
}

void give_block(void* memory, std::uint8_t size_class) {
  if (size_class == pooled_classes) {
    ::operator delete (memory, std::align_val_t{unit});
    return;
  }
  auto* block = static_cast<FreeBlock*>(memory);
  block->next = mine.lists[size_class];
  mine.lists[size_class] = block;
}

[[noreturn]] void fail_uncountable(const Op& op, const Shape& shape) {
  throw Error(std::string(op.name) + ": the result would have shape " + to_string(shape) +
              "; a tensor has at most 2^59 elements and no negative extent");
}

// Nodes whose last reference went, linked through `visit`, so that a chain of any length is freed without recursion.
void push_dead(Node*& dead, Node* node) {
  node->visit = reinterpret_cast<std::uint64_t>(dead);
  dead = node;
}

void release_into(Node*& dead, Node* node) {
  if (detail::drop_reference(node)) push_dead(dead, node);
}

void free_all(Node* dead) {
  if (!mine.known) join_threads();
  while (dead != nullptr) {
    Node* node = dead;
    dead = reinterpret_cast<Node*>(node->visit);
    detail::forget_projection(node);
    for (Node* input : node->inputs()) release_into(dead, input);
    if (node->extra != nullptr) detail::release_extra(node);
    if (node->is_origin) detail::forget_origin(node->sequence);
    if (node->variable != nullptr) {
      if (node->op == &variable_op) {
        node->variable->alive = false;
        detail::forget_origin(node->sequence);
        if (Node* current = std::exchange(node->variable->current, nullptr)) release_into(dead, current);
      }
      detail::release(node->variable);
    }
    const std::uint8_t size_class = node->size_class;
    node->~Node();
    give_block(node, size_class);
    mine.add_alive(-1);
  }
}

}  // namespace

std::int64_t live_nodes() {
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  std::int64_t n = s.alive;
  for (const ThreadNodes* thread : s.threads) n += thread->alive.load(std::memory_order_relaxed);
  return n;
}

namespace detail {
Node* create_node(const Op& op, const Signature& signature, std::span<Node* const> inputs, Attributes attributes) {
  if (attributes.size() > 255) throw Error(std::string(op.name) + ": too many attributes");
  if (!signature.shape.countable()) fail_uncountable(op, signature.shape);
  std::uint8_t size_class = 0;
  if (!mine.known) join_threads();
  void* memory = take_block(sizeof(Node) + (inputs.size() + attributes.size()) * sizeof(void*), size_class);
  Node* node = new (memory) Node;
  node->dtype = signature.dtype;
  node->size_class = size_class;
  node->attribute_count = static_cast<std::uint8_t>(attributes.size());
  node->input_count = static_cast<std::uint32_t>(inputs.size());
  node->capacity = node->input_count;
  node->module = current_module();
  node->backward = mine.in_reverse_sweep;
  node->op = &op;
  node->sequence = created.fetch_add(1, std::memory_order_relaxed);
  node->shape = signature.shape;
  auto** slots = reinterpret_cast<Node**>(node + 1);
  for (Node* input : inputs) {
    retain(input);
    node->backward = node->backward || input->backward;
    *slots++ = input;
  }
  if (!attributes.empty()) std::memcpy(static_cast<void*>(slots), attributes.data(), attributes.size_bytes());
  mine.add_alive(1);
  return node;
}

bool exchange_backward(bool backward) {
  return std::exchange(mine.in_reverse_sweep, backward);
}

void release_node(Node* node) {
  node->visit = 0;
  free_all(node);
}

void drop_inputs(Node* node) {
  Node* dead = nullptr;
  forget_projection(node);
  for (Node* input : node->inputs()) release_into(dead, input);
  node->input_count = 0;
  free_all(dead);
}

}  // namespace detail
}  // namespace narae
