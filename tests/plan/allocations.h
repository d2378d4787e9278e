#pragma once

#include <cstdint>

namespace narae::test {

/// Times that this program has called operator new. Not counted under AddressSanitizer, which brings its own.
[[nodiscard]] std::int64_t allocations();

}  // namespace narae::test
