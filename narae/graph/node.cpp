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
#include "narae/graph/variable.h"

namespace narae {
namespace {

constexpr std::size_t unit = 64;
constexpr std::size_t pooled_classes = 16;  // blocks of up to 1 KiB; larger ones come from the heap
constexpr std::size_t slab_bytes = std::size_t{1} << 16;

struct FreeBlock {
  FreeBlock* next;
};

// Blocks of threads that have ended, shared by all.
struct SharedBlocks {
  std::mutex mutex;
  std::array<FreeBlock*, pooled_classes> lists{};
};

SharedBlocks& shared_blocks() {
  static auto* instance = new SharedBlocks;
  return *instance;
}

struct LocalBlocks {
  std::array<FreeBlock*, pooled_classes> lists{};

  ~LocalBlocks() {
    SharedBlocks& shared = shared_blocks();
    const std::lock_guard lock(shared.mutex);
    for (std::size_t c = 0; c < pooled_classes; ++c) {
      while (FreeBlock* block = lists[c]) {
        lists[c] = block->next;
        block->next = shared.lists[c];
        shared.lists[c] = block;
      }
    }
  }

  void refill(std::size_t c) {
    {
      SharedBlocks& shared = shared_blocks();
      const std::lock_guard lock(shared.mutex);
      if (shared.lists[c] != nullptr) {
        lists[c] = std::exchange(shared.lists[c], nullptr);
        return;
      }
    }
    const std::size_t size = (c + 1) * unit;
    auto* slab = static_cast<std::byte*>(::operator new (slab_bytes, std::align_val_t{unit}));
    for (std::size_t offset = 0; offset + size <= slab_bytes; offset += size) {
      auto* block = reinterpret_cast<FreeBlock*>(slab + offset);
      block->next = lists[c];
      lists[c] = block;
    }
  }
};

LocalBlocks& local_blocks() {
  thread_local LocalBlocks blocks;
  return blocks;
}

thread_local bool in_reverse_sweep = false;

std::atomic<std::int64_t> alive{0};
std::atomic<std::uint64_t> created{0};

void* take_block(std::size_t bytes, std::uint8_t& size_class) {
  const std::size_t c = (bytes - 1) / unit;
  if (c >= pooled_classes) {
    size_class = pooled_classes;
    return ::operator new (bytes, std::align_val_t{unit});
  }
  size_class = static_cast<std::uint8_t>(c);
  LocalBlocks& blocks = local_blocks();
  if (blocks.lists[c] == nullptr) blocks.refill(c);
  FreeBlock* block = blocks.lists[c];
  blocks.lists[c] = block->next;
  return block;
}

void give_block(void* memory, std::uint8_t size_class) {
  if (size_class == pooled_classes) {
    ::operator delete (memory, std::align_val_t{unit});
    return;
  }
  auto* block = static_cast<FreeBlock*>(memory);
  LocalBlocks& blocks = local_blocks();
  block->next = blocks.lists[size_class];
  blocks.lists[size_class] = block;
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
  if (node->references.fetch_sub(1, std::memory_order_acq_rel) == 1) push_dead(dead, node);
}

void free_all(Node* dead) {
  while (dead != nullptr) {
    Node* node = dead;
    dead = reinterpret_cast<Node*>(node->visit);
    detail::forget_projection(node);
    for (Node* input : node->inputs()) release_into(dead, input);
    if (node->extra != nullptr) detail::release_extra(node);
    if (node->variable != nullptr) {
      if (node->op == &variable_op) {
        node->variable->alive = false;
        if (Node* current = std::exchange(node->variable->current, nullptr)) release_into(dead, current);
      }
      detail::release(node->variable);
    }
    const std::uint8_t size_class = node->size_class;
    node->~Node();
    give_block(node, size_class);
    alive.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace

std::int64_t live_nodes() {
  return alive.load();
}

namespace detail {
Node* create_node(const Op& op, const Signature& signature, std::span<Node* const> inputs, Attributes attributes) {
  if (attributes.size() > 255) throw Error(std::string(op.name) + ": too many attributes");
  if (!signature.shape.countable()) fail_uncountable(op, signature.shape);
  std::uint8_t size_class = 0;
  void* memory = take_block(sizeof(Node) + (inputs.size() + attributes.size()) * sizeof(void*), size_class);
  Node* node = new (memory) Node;
  node->dtype = signature.dtype;
  node->size_class = size_class;
  node->attribute_count = static_cast<std::uint8_t>(attributes.size());
  node->input_count = static_cast<std::uint32_t>(inputs.size());
  node->capacity = node->input_count;
  node->module = current_module();
  node->backward = in_reverse_sweep;
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
  alive.fetch_add(1, std::memory_order_relaxed);
  return node;
}

bool exchange_backward(bool backward) {
  return std::exchange(in_reverse_sweep, backward);
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
