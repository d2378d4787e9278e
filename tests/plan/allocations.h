#pragma once

#include <cstdint>
#include <string>

namespace narae::test {

/// False where the test program can't see the heap (under sanitizers, which have an allocator of their own).
[[nodiscard]] bool allocations_are_seen();

/// Why libgomp may fetch memory for each parallel loop, "" when it keeps its threads from one to the next: where it may
/// grant fewer threads than asked for, it makes a team anew.
[[nodiscard]] std::string teams_are_made_anew();

/// While it lives, every heap allocation of the process is seen, in all threads: malloc and its relatives, and with
/// them operator new, are replaced in the test program. Those that oneDNN makes inside a call are counted apart: they
/// are not ours to avoid. One at a time.
class AllocationWatch {
 public:
  AllocationWatch();
  ~AllocationWatch();
  AllocationWatch(const AllocationWatch&) = delete;
  AllocationWatch& operator=(const AllocationWatch&) = delete;

  /// Allocations since the watch began, but for oneDNN's.
  [[nodiscard]] static std::int64_t count();
  [[nodiscard]] static std::int64_t count_of_onednn();
  /// From where the last one came, a function a line.
  [[nodiscard]] static std::string last();
};

}  // namespace narae::test
