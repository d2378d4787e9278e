#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "narae/core/error.h"
#include "narae/models/config.h"

// Any text is refused with an Error, or describes a network in words that are read back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  narae::models::ModelConfig config;
  try {
    config = narae::models::parse_config({reinterpret_cast<const char*>(data), size}, "config.json");
  } catch (const narae::Error&) {
    return 0;
  }
  const std::string printed = to_json(config);
  if (to_json(narae::models::parse_config(printed, "config.json")) != printed) __builtin_trap();
  return 0;
}
