#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "narae/core/error.h"
#include "narae/io/npy.h"

// Whatever the bytes, parse_npy and parse_npz return arrays whose every byte can be read or throw narae::Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const narae::Buffer file = narae::Buffer::adopt(data, size, [] {});
    std::map<std::string, narae::Array> arrays;
    if (size > 0 && data[0] == 'P') {
      arrays = narae::parse_npz(file, "fuzz");
    } else {
      arrays.emplace("array", narae::parse_npy(file, "fuzz"));
    }
    std::size_t bytes = 0;
    unsigned sum = 0;
    for (const auto& [name, array] : arrays) {
      for (std::size_t i = 0; i < array.bytes(); ++i) sum += std::to_integer<unsigned>(array.buffer.data()[i]);
      bytes += array.bytes();
    }
    if (bytes > 1032 * size || sum > 255 * bytes) __builtin_trap();  // deflate packs 1032 to one at best
  } catch (const narae::Error&) {
    return 0;
  }
  return 0;
}
