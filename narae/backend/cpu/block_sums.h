#pragma once

#include <algorithm>
#include <cstdint>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/core/threads.h"

namespace narae::cpu {

/// Two sums for each channel over all pixels of a value with channels in blocks. The images are shared out in a fixed
/// number of parts, each with sums of its own, which are then added in order: the result does not depend on the number
/// of threads.
class BlockSums {
 public:
  explicit BlockSums(const ChannelBlocks& blocks) : b_(blocks), parts_(std::min<std::int64_t>(blocks.batch, 16)) {}
  /// Doubles that `run` needs.
  [[nodiscard]] std::int64_t memory_size() const { return parts_ * 2 * b_.channels(); }

  /// Calls work(first number of a block of an image, number of the block, first sums, second sums) for all of them; the
  /// sums are those of the block's channels, to be added to.
  template <class Work>
  void run(double* memory, const Work& work) const {
    const std::int64_t images = (b_.batch + parts_ - 1) / parts_;
    const std::int64_t grain = std::max<std::int64_t>(1, 8192 / (images * b_.plane()));
    parallel_for(parts_ * b_.blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t item = begin; item < end; ++item) {
        const std::int64_t part = item / b_.blocks;
        const std::int64_t block = item % b_.blocks;
        double* first = memory + part * 2 * b_.channels() + block * b_.block;
        double* second = first + b_.channels();
        std::fill_n(first, b_.block, 0.0);
        std::fill_n(second, b_.block, 0.0);
        for (std::int64_t n = part * b_.batch / parts_; n < (part + 1) * b_.batch / parts_; ++n) {
          work((n * b_.blocks + block) * b_.plane(), block, first, second);
        }
      }
    });
  }
  /// The first (k = 0) or second (k = 1) sum of channel c, after run.
  [[nodiscard]] double total(const double* memory, int k, std::int64_t c) const {
    double result = 0;
    for (std::int64_t part = 0; part < parts_; ++part) result += memory[(part * 2 + k) * b_.channels() + c];
    return result;
  }

 private:
  ChannelBlocks b_;
  std::int64_t parts_;
};

}  // namespace narae::cpu
