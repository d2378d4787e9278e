#include "narae/core/pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace narae {
namespace {

constexpr std::size_t page = std::size_t{1} << 21U;
constexpr std::size_t small_page = 4096;
constexpr std::size_t region_bytes = 16 * page;
constexpr std::size_t own_region = 4 * page;  // from here on a block shares nothing
constexpr std::size_t alignment = 64;

// A sanitizer sees the bounds of blocks that come from the allocator alone.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool bounds_are_watched = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool bounds_are_watched = true;
#else
constexpr bool bounds_are_watched = false;
#endif
#else
constexpr bool bounds_are_watched = false;
#endif

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// A multiple of `page` bytes that begins at one.
std::byte* map(std::size_t bytes) {
  void* const mapped = ::mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const memory = static_cast<std::byte*>(mapped);
  const std::size_t ahead = (page - reinterpret_cast<std::uintptr_t>(memory) % page) % page;
  if (ahead > 0) ::munmap(memory, ahead);
  ::munmap(memory + ahead + bytes, page - ahead);
#ifdef MADV_HUGEPAGE
  ::madvise(memory + ahead, bytes, MADV_HUGEPAGE);  // refused: pages stay small
#endif
  return memory + ahead;
}

}  // namespace

Pages::~Pages() {
  for (const Region& region : shared_) ::munmap(region.begin, region.bytes);
}

std::byte* Pages::take(std::size_t bytes) {
  if constexpr (bounds_are_watched)
    return static_cast<std::byte*>(::operator new (bytes, std::align_val_t{alignment}, std::nothrow));
  if (bytes >= own_region) return map(rounded_up(bytes, page));
  bytes = rounded_up(bytes, alignment);
  const std::lock_guard lock(mutex_);
  if (shared_.empty() || shared_.back().bytes - shared_.back().taken < bytes) {
    shared_.reserve(shared_.size() + 1);
    Region region{.bytes = region_bytes};
    region.begin = map(region.bytes);
    if (region.begin == nullptr) region.begin = map(region.bytes = rounded_up(bytes, page));
    if (region.begin == nullptr) return nullptr;
    shared_.push_back(region);
  }
  Region& region = shared_.back();
  std::byte* const memory = region.begin + region.taken;
  region.taken += bytes;
  ++region.blocks;
  return memory;
}

void Pages::give_back(std::byte* memory, std::size_t bytes) {
  if constexpr (bounds_are_watched) return ::operator delete (memory, std::align_val_t{alignment});
  if (bytes >= own_region) return void(::munmap(memory, rounded_up(bytes, page)));
  bytes = rounded_up(bytes, alignment);
  const std::lock_guard lock(mutex_);
  const auto region =
      std::ranges::find_if(shared_, [&](const Region& r) { return memory >= r.begin && memory < r.begin + r.bytes; });
  if (--region->blocks == 0) {
    ::munmap(region->begin, region->bytes);
    shared_.erase(region);
    return;
  }
  if (memory + bytes == region->begin + region->taken) region->taken -= bytes;
  const std::size_t first = rounded_up(static_cast<std::size_t>(memory - region->begin), small_page);
  const std::size_t end = static_cast<std::size_t>(memory + bytes - region->begin) / small_page * small_page;
  if (first < end) ::madvise(region->begin + first, end - first, MADV_DONTNEED);
}

}  // namespace narae
