#pragma once

#include <cstdint>

namespace narae::cpu {

// One plane of rows `width` numbers long, pooled 2 x 2 with stride 2 into `rows` rows of n numbers.

/// Each y is the first NaN, else the first maximum of its four, and its index says where in x that is.
void max_pool_2x2(const float* x, std::int64_t width, std::int64_t rows, std::int64_t n, float* y,
                  std::int32_t* indices);
/// Each y is the mean of its four.
void avg_pool_2x2(const float* x, std::int64_t width, std::int64_t rows, std::int64_t n, float* y);
/// A quarter of each dy for each of its four dx; what no window covers is left as it is.
void avg_pool_2x2_gradient(const float* dy, std::int64_t width, std::int64_t rows, std::int64_t n, float* dx);

}  // namespace narae::cpu
