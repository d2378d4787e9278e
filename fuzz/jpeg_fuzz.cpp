#include <cstddef>
#include <cstdint>

#include "narae/core/error.h"
#include "narae/data/jpeg.h"

// Whatever the bytes, parse_jpeg returns a picture within its limits or throws narae::Error; what it can decode,
// probe_jpeg describes. The limit keeps an input's time short.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t limit = std::int64_t{1} << 18;
  const narae::Buffer bytes = narae::Buffer::adopt(data, size, [] {});
  try {
    const narae::Array image = narae::parse_jpeg(bytes, "fuzz", limit);
    if (image.shape[1] * image.shape[2] > limit) __builtin_trap();
    const narae::PictureInfo info = narae::probe_jpeg(bytes, "fuzz", limit);
    if (image.shape != narae::Shape{info.channels, info.height, info.width}) __builtin_trap();
  } catch (const narae::Error&) {
    return 0;
  }
  return 0;
}
