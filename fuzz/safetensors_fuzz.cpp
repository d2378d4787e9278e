#include <cstddef>
#include <cstdint>

#include "narae/core/error.h"
#include "narae/io/safetensors.h"

// Whatever the bytes, parse_safetensors returns arrays whose every byte can be read or throws narae::Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const narae::TensorFile file = narae::parse_safetensors(narae::Buffer::adopt(data, size, [] {}), "fuzz");
    if (file.tensors.size() != file.order.size()) __builtin_trap();
    std::size_t bytes = 0;
    unsigned sum = 0;
    for (const auto& [name, array] : file.tensors) {
      for (std::size_t i = 0; i < array.bytes(); ++i) sum += std::to_integer<unsigned>(array.buffer.data()[i]);
      bytes += array.bytes();
    }
    if (bytes > size || sum > 255 * bytes) __builtin_trap();
  } catch (const narae::Error&) {
    return 0;
  }
  return 0;
}
