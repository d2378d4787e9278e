#include "narae/core/buffer.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/pages.h"

namespace narae {
namespace {

constexpr int classes = 64 * 4;

// Size classes: four a power of two, so that at most a quarter of a block is wasted.
std::size_t capacity_for(std::size_t bytes) {
  if (bytes <= 256) return 256;
  const std::size_t quarter = std::bit_floor(bytes - 1) / 4;
  return (bytes + quarter - 1) / quarter * quarter;
}

int class_of(std::size_t capacity) {
  const auto power = static_cast<int>(std::bit_width(capacity)) - 1;
  return power * 4 + static_cast<int>((capacity >> (power - 2)) & 3U);
}

struct Pool {
  std::mutex mutex;
  std::vector<Buffer::Block*> free[classes];
  MemoryUse use{};
  Pages pages;
};

Pool& pool() {
  static auto* instance = new Pool;  // outlives every static tensor
  return *instance;
}

void count(Pool& p, std::int64_t bytes) {
  p.use.now += bytes;
  p.use.peak = std::max(p.use.peak, p.use.now);
}

}  // namespace

Buffer Buffer::allocate(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 62)) throw Error("memory: a tensor of " + std::to_string(bytes) + " bytes");
  const std::size_t capacity = capacity_for(bytes);
  Pool& p = pool();
  Buffer result;
  {
    const std::lock_guard lock(p.mutex);
    auto& list = p.free[class_of(capacity)];
    if (!list.empty()) {
      result.block_ = list.back();
      list.pop_back();
      result.block_->references.store(1, std::memory_order_relaxed);
      count(p, static_cast<std::int64_t>(capacity));
    }
  }
  if (!result) {
    auto block = std::make_unique<Block>();
    block->capacity = capacity;
    block->data = p.pages.take(capacity);
    if (block->data == nullptr) throw Error("memory: " + std::to_string(bytes) + " bytes could not be allocated");
    result.block_ = block.release();
    const std::lock_guard lock(p.mutex);
    ++p.use.allocations;
    count(p, static_cast<std::int64_t>(capacity));
  }
  result.block_->bytes = bytes;
  return result;
}

Buffer Buffer::adopt(const void* data, std::size_t bytes, std::function<void()> release) {
  Buffer result;
  result.block_ = new Block;
  result.block_->foreign = true;
  result.block_->bytes = bytes;
  result.block_->data = const_cast<std::byte*>(static_cast<const std::byte*>(data));
  result.block_->on_release = std::move(release);
  return result;
}

void Buffer::release() {
  if (block_ == nullptr || block_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (block_->foreign) {
    if (block_->on_release) block_->on_release();
    delete block_;
  } else {
    Pool& p = pool();
    const std::lock_guard lock(p.mutex);
    p.use.now -= static_cast<std::int64_t>(block_->capacity);
    p.free[class_of(block_->capacity)].push_back(block_);
  }
  block_ = nullptr;
}

MemoryUse memory_use() {
  const std::lock_guard lock(pool().mutex);
  return pool().use;
}

void reset_peak_memory() {
  const std::lock_guard lock(pool().mutex);
  pool().use.peak = pool().use.now;
}

void release_free_buffers() {
  Pool& p = pool();
  const std::lock_guard lock(p.mutex);
  for (auto& list : p.free) {
    for (Buffer::Block* block : list) {
      p.pages.give_back(block->data, block->capacity);
      delete block;
    }
    list.clear();
  }
}

}  // namespace narae
