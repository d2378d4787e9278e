#include <cstddef>
#include <cstdint>

#include "narae/core/error.h"
#include "narae/data/image.h"

// Whatever the bytes, parse_png returns a picture within its limits or throws narae::Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const narae::Array image = narae::parse_png(narae::Buffer::adopt(data, size, [] {}), "fuzz");
    if (image.count() <= 0 || image.count() > 3 * narae::max_image_pixels) __builtin_trap();
  } catch (const narae::Error&) {
    return 0;
  }
  return 0;
}
