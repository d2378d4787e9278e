#include <cstddef>
#include <cstdint>
#include <string_view>

#include "narae/core/error.h"
#include "narae/text/tokenizer.h"

// Any bytes are refused with an Error, or are a tokenizer that is written and read back the same; and whatever text it
// is given, the numbers that it makes are its own.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const narae::text::Tokenizer tokenizer = narae::text::parse_tokenizer(bytes, "fuzz.json");
    if (narae::text::parse_tokenizer(narae::text::to_json(tokenizer), "again.json") != tokenizer) __builtin_trap();
    for (const std::int32_t id : tokenizer.encode(bytes))
      if (id < 0 || id >= tokenizer.vocabulary.size()) __builtin_trap();
  } catch (const narae::Error&) {
  }
  return 0;
}
