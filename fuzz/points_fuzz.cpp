#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "narae/core/error.h"
#include "narae/train/trained_model.h"

// Any text is refused with an Error, or is a table of finite numbers with two columns.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const narae::Array points = narae::parse_points({reinterpret_cast<const char*>(data), size}, 2, "points.csv");
    if (points.shape.rank() != 2 || points.shape[1] != 2) __builtin_trap();
    for (const float value : points.values<float>())
      if (!std::isfinite(value)) __builtin_trap();
  } catch (const narae::Error&) {
  }
  return 0;
}
