#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "narae/graph/kernel.h"

namespace narae::cpu {

/// A fused loop that another kernel runs piece by piece.
struct LoopPieces {
  /// Elements [begin, end) on the calling thread. The arguments' scratch memory holds an area for each piece that runs
  /// at the same time; this one takes number `area`.
  std::function<void(const KernelArguments& at, std::int64_t begin, std::int64_t end, std::int64_t area)> run;
  std::size_t area_bytes = 0;
  std::vector<int> in_place;  ///< as in Kernel
  double flops = 0;
};
/// Whether it computes in f64.
[[nodiscard]] bool is_wide(const Loop& loop);
[[nodiscard]] LoopPieces make_pieces(const Loop& loop);

/// Sums of rows behind which a loop changes nothing where they are zero, as SGD's update of an embedding: the rows that
/// have a sum go through it, the others stay.
[[nodiscard]] Kernel make_rows_behind(const KernelRequest& request, const Loop& loop, int from);

/// See Backend::Loops: convolutions with what oneDNN does in the same pass, and products of few terms with any loop.
[[nodiscard]] Kernel make_behind(const KernelRequest& request, const Loop& loop, int from, bool exact);

}  // namespace narae::cpu
