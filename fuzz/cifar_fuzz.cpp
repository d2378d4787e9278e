#include <cstddef>
#include <cstdint>

#include "narae/core/error.h"
#include "narae/data/cifar.h"

// Any bytes give as many samples as whole records, with labels within their classes, or an Error. The first byte
// chooses the set.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool ten = data[0] % 2 == 0;
  const auto kind = ten ? narae::CifarKind::cifar10 : narae::CifarKind::cifar100;
  try {
    const narae::Dataset set = narae::parse_cifar(narae::Buffer::adopt(data + 1, size - 1, [] {}), "fuzz", kind);
    for (std::int64_t i = 0; i < set.size(); ++i) {
      const std::int64_t label = narae::read_field(set, "label", i, i + 1).values<std::int64_t>()[0];
      if (label < 0 || label >= (ten ? 10 : 100)) __builtin_trap();
    }
  } catch (const narae::Error&) {
    return 0;
  }
  return 0;
}
