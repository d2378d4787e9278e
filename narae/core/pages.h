#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace narae {

/// Memory of the system for blocks of tensors, in regions that ask for pages of 2 MB (transparent huge pages, where the
/// system has them): a processor knows by heart where some thousand pages lie, 4 KB each by default, and a plan's
/// weights and arena are more than those. Threads may share one.
class Pages {
 public:
  Pages() = default;
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages();

  /// `bytes` of uninitialised memory, aligned to 64 bytes; a null pointer where the system has none left.
  [[nodiscard]] std::byte* take(std::size_t bytes);
  /// Ends the use of what `take(bytes)` returned. A large block goes back to the system at once; of one that shares its
  /// region the pages do that are its alone, and the region with its last block.
  void give_back(std::byte* memory, std::size_t bytes);

 private:
  struct Region {
    std::byte* begin = nullptr;
    std::size_t bytes = 0;
    std::size_t taken = 0;  ///< blocks lie one behind the other
    int blocks = 0;         ///< not yet given back
  };

  std::mutex mutex_;
  std::vector<Region> shared_;  ///< filled from the last one on
};

}  // namespace narae
