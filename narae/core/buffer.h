#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "narae/core/export.h"

namespace narae {

/// A block of memory, aligned to 64 bytes, shared by reference count. Blocks made by `allocate` go back to a
/// free list when the last reference is dropped, so that a training loop allocates nothing after its first steps.
class NARAE_API Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer& other) : block_(other.block_) { retain(); }
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Buffer() { release(); }

  /// Uninitialised memory of at least `bytes` bytes. Throws Error when the machine has none left.
  [[nodiscard]] static Buffer allocate(std::size_t bytes);
  /// Memory that belongs to somebody else (a mapped file, a dataset); `release` runs with the last reference.
  [[nodiscard]] static Buffer adopt(const void* data, std::size_t bytes, std::function<void()> release);

  [[nodiscard]] explicit operator bool() const { return block_ != nullptr; }
  [[nodiscard]] std::byte* data() const { return block_ == nullptr ? nullptr : block_->data; }
  [[nodiscard]] std::size_t size() const { return block_ == nullptr ? 0 : block_->bytes; }
  /// True when nobody else holds this block.
  [[nodiscard]] bool unique() const {
    return block_ != nullptr && block_->references.load(std::memory_order_acquire) == 1;
  }
  /// True when the memory may be written (it was allocated here, not adopted).
  [[nodiscard]] bool writable() const { return block_ != nullptr && !block_->foreign; }

  struct Block {
    std::atomic<std::uint32_t> references{1};
    bool foreign = false;
    std::size_t bytes = 0;     ///< asked for
    std::size_t capacity = 0;  ///< held
    std::byte* data = nullptr;
    std::function<void()> on_release;
  };

 private:
  void retain() const {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  void release();

  Block* block_ = nullptr;
};

/// Memory held by tensors and plans now and at most so far, in bytes (free lists not counted).
struct MemoryUse {
  std::int64_t now;
  std::int64_t peak;
  std::int64_t allocations;  ///< blocks of fresh memory, which no free list had
};
[[nodiscard]] NARAE_API MemoryUse memory_use();
NARAE_API void reset_peak_memory();
/// Gives the free lists back to the system, as far as whole pages are free.
NARAE_API void release_free_buffers();

}  // namespace narae
