#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "narae/core/threads.h"

namespace narae::cpu {

/// `width` sums over many rows. The rows are shared out in a fixed number of parts, each with sums of its own, which
/// are then added in order: the result does not depend on the number of threads.
template <class T>
class PartSums {
 public:
  /// A row holds `length` numbers.
  PartSums(std::int64_t rows, std::int64_t length, std::int64_t width)
      : rows_(rows), width_(width), parts_(std::clamp<std::int64_t>(rows * length / 8192, 1, 16)) {
    parts_ = std::min(parts_, rows);
  }
  [[nodiscard]] std::size_t scratch_bytes() const { return static_cast<std::size_t>(parts_ * width_) * sizeof(T); }

  /// Calls work(row, sums) for all rows; `memory` has scratch_bytes().
  template <class Work>
  void run(T* memory, const Work& work) const {
    parallel_for(parts_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        T* sums = memory + part * width_;
        std::memset(sums, 0, static_cast<std::size_t>(width_) * sizeof(T));
        for (std::int64_t row = part * rows_ / parts_; row < (part + 1) * rows_ / parts_; ++row) work(row, sums);
      }
    });
  }
  /// Sum i over all rows, after run.
  [[nodiscard]] T total(const T* memory, std::int64_t i) const {
    double result = 0;
    for (std::int64_t part = 0; part < parts_; ++part) result += static_cast<double>(memory[part * width_ + i]);
    return static_cast<T>(result);
  }

 private:
  std::int64_t rows_, width_, parts_;
};

}  // namespace narae::cpu
