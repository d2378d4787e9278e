#pragma once

#include <cstdint>

namespace narae::cpu {

/// to[j][i] = from[i][j] for i < rows, j < columns, on the calling thread; rows of `from` and of `to` are `from_pitch`
/// and `to_pitch` numbers apart.
void transpose2d(std::int64_t rows, std::int64_t columns, const float* from, std::int64_t from_pitch, float* to,
                 std::int64_t to_pitch);
void transpose2d(std::int64_t rows, std::int64_t columns, const double* from, std::int64_t from_pitch, double* to,
                 std::int64_t to_pitch);

}  // namespace narae::cpu
