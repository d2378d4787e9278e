#pragma once

#include <string>

#include "narae/core/array.h"
#include "narae/core/buffer.h"
#include "narae/core/export.h"

namespace narae {

/// Reads an IDX file (the format of MNIST: http://yann.lecun.com/exdb/mnist), plain or gzip, told by the first bytes.
/// Unsigned bytes become u8; signed bytes, 16- and 32-bit integers i32; floats f32 and f64. Throws Error naming the
/// file and both sizes when the file is shorter or longer than its header says, before memory is allocated for the
/// claim.
[[nodiscard]] NARAE_API Array read_idx(const std::string& path);

/// The same for a file in memory; `name` is used in messages.
[[nodiscard]] NARAE_API Array parse_idx(const Buffer& file, const std::string& name);

}  // namespace narae
