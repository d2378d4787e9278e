#include <cstddef>
#include <cstdint>

#include "narae/core/error.h"
#include "narae/data/picture.h"
#include "narae/data/resize.h"

// The way of a picture from its file to a sample: recognised, looked at, decoded, scaled and cropped.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t limit = std::int64_t{1} << 16;
  const narae::Buffer bytes = narae::Buffer::adopt(data, size, [] {});
  try {
    (void)narae::probe_picture(bytes, "fuzz", limit);
    const narae::Array picture = narae::with_channels(narae::parse_picture(bytes, "fuzz", limit), 3);
    const narae::Array sample = narae::fitted(picture, {12, 16}, {.crop = 0.9F});
    if (sample.shape != narae::Shape{3, 12, 16}) __builtin_trap();
  } catch (const narae::Error&) {
    return 0;
  }
  return 0;
}
