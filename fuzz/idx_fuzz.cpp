#include <cstddef>
#include <cstdint>

#include "narae/core/error.h"
#include "narae/data/idx.h"

// Any bytes give an array of the size that its shape says, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const narae::Array array = narae::parse_idx(narae::Buffer::adopt(data, size, {}), "input");
    if (array.buffer.size() != array.bytes()) __builtin_trap();
  } catch (const narae::Error&) {
    return 0;
  }
  return 0;
}
