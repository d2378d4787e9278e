#pragma once

#include <cstddef>
#include <vector>

namespace narae {

/// Memory of the system for blocks of tensors, in regions that ask for pages of 2 MB (transparent huge pages, where the
/// system has them): a processor knows by heart where some thousand pages lie, 4 KB each by default, and a plan's
/// weights and arena are more than those. Not safe by itself when threads share one.
class Pages {
 public:
  /// `bytes` of uninitialised memory, a multiple of 64, aligned to 64 bytes; a null pointer where the system has none
  /// left.
  [[nodiscard]] std::byte* take(std::size_t bytes);
  /// Ends the use of what `take` returned; a region goes back to the system with its last block.
  void give_back(std::byte* memory);

 private:
  struct Region {
    std::byte* begin = nullptr;
    std::size_t bytes = 0;
    std::size_t taken = 0;  ///< blocks lie one behind the other
    int blocks = 0;         ///< not yet given back
  };

  std::vector<Region> regions_;  ///< those of blocks that share theirs are filled from the last one
};

}  // namespace narae
