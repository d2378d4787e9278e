#include "narae/core/pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

#ifdef __has_feature
#define NARAE_HAS_FEATURE(name) __has_feature(name)
#else
#define NARAE_HAS_FEATURE(name) 0
#endif

namespace narae {
namespace {

constexpr std::size_t page = std::size_t{1} << 21U;
constexpr std::size_t region_bytes = 16 * page;  // shared by blocks
constexpr std::size_t own_region = 4 * page;     // from here on a block has a region for itself
constexpr std::size_t alignment = 64;

// A sanitizer sees the bounds of blocks that come from the allocator alone.
#if defined(__SANITIZE_ADDRESS__) || NARAE_HAS_FEATURE(address_sanitizer)
constexpr bool bounds_are_watched = true;
#else
constexpr bool bounds_are_watched = false;
#endif

std::byte* map_region(std::size_t bytes) {
  void* const mapped = ::mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const memory = static_cast<std::byte*>(mapped);
  const std::size_t ahead = (page - reinterpret_cast<std::uintptr_t>(memory) % page) % page;
  if (ahead > 0) ::munmap(memory, ahead);
  if (page - ahead > 0) ::munmap(memory + ahead + bytes, page - ahead);
#ifdef MADV_HUGEPAGE
  ::madvise(memory + ahead, bytes, MADV_HUGEPAGE);  // refused: pages stay small
#endif
  return memory + ahead;
}

}  // namespace

std::byte* Pages::take(std::size_t bytes) {
  if constexpr (bounds_are_watched)
    return static_cast<std::byte*>(::operator new (bytes, std::align_val_t{alignment}, std::nothrow));
  const bool alone = bytes >= own_region;
  if (alone || regions_.empty() || regions_.back().bytes - regions_.back().taken < bytes) {
    const std::size_t size = alone ? (bytes + page - 1) / page * page : region_bytes;
    std::byte* const begin = map_region(size);
    if (begin == nullptr) return nullptr;
    if (alone) {
      regions_.insert(regions_.begin(), Region{begin, size, size, 1});
      return begin;
    }
    regions_.push_back({begin, size, 0, 0});
  }
  Region& region = regions_.back();
  std::byte* const memory = region.begin + region.taken;
  region.taken += bytes;
  ++region.blocks;
  return memory;
}

void Pages::give_back(std::byte* memory) {
  if constexpr (bounds_are_watched) return ::operator delete (memory, std::align_val_t{alignment});
  const auto region =
      std::ranges::find_if(regions_, [&](const Region& r) { return memory >= r.begin && memory < r.begin + r.bytes; });
  if (region == regions_.end() || --region->blocks > 0) return;
  ::munmap(region->begin, region->bytes);
  regions_.erase(region);
}

}  // namespace narae
