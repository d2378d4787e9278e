#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace narae::plan {

/// A block of memory and the steps (first to last, both included) during which it holds something.
struct Lifetime {
  int first = 0;
  int last = 0;
  std::size_t bytes = 0;
};

struct Placement {
  std::vector<std::size_t> offsets;  ///< one for each lifetime, multiples of 64
  std::size_t total = 0;
};

/// Offsets in one arena such that blocks alive at the same time don't overlap: largest first, each at the lowest
/// offset that is free for the whole of its life. Of thousands of blocks only the largest are placed like that, which
/// takes quadratic time, and the others in one sweep through time.
[[nodiscard]] Placement place(std::span<const Lifetime> lifetimes);

}  // namespace narae::plan
