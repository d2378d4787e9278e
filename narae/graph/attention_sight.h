#pragma once

#include <algorithm>
#include <cstdint>

#include "narae/graph/attention_attributes.h"
#include "narae/graph/kernel.h"

// Which keys a query may see, for the kernels of every backend.
namespace narae {

/// Keys begin ... end - 1.
struct KeyRange {
  std::int64_t begin, end;
};

/// What the options of attention leave of the keys for the queries of one sequence. Query i stands at position
/// `position(i)`, key j at position j; the keys that it may see follow each other, and both ends of their range never
/// fall from one query to the next. A mask may rule out more.
class AttentionSight {
 public:
  AttentionSight(const KernelArguments& at, const AttentionArguments& in, const AttentionAttributes& a,
                 const AttentionSizes& sizes, std::int64_t sequence)
      : causal_(a.causal != 0),
        keys_(in.lengths < 0 ? sizes.keys
                             : std::clamp<std::int64_t>(at.in<std::int64_t>(in.lengths)[sequence], 0, sizes.keys)),
        first_(in.first < 0 ? 0 : std::clamp(at.in<std::int64_t>(in.first)[sequence], -far, far)),
        window_(in.window < 0 ? far : std::clamp<std::int64_t>(*at.in<std::int64_t>(in.window), 0, far)) {}

  [[nodiscard]] std::int64_t position(std::int64_t query) const { return first_ + query; }
  [[nodiscard]] KeyRange of(std::int64_t query) const {
    const std::int64_t at = position(query);
    const std::int64_t begin = std::clamp<std::int64_t>(at - window_ + 1, 0, keys_);
    const std::int64_t end =
        std::clamp<std::int64_t>(at + (causal_ ? std::min<std::int64_t>(window_, 1) : window_), 0, keys_);
    return {std::min(begin, end), end};
  }

 private:
  static constexpr std::int64_t far = std::int64_t{1} << 60;
  bool causal_;
  std::int64_t keys_, first_, window_;
};

}  // namespace narae
