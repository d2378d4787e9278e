#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "narae/core/error.h"
#include "narae/train/recipe.h"

// Any text is refused with an Error, or gives a recipe that is printed and read back the same; so does any override.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool is_override = size > 0 && text[0] == '=';
  narae::Recipe recipe;
  try {
    recipe = narae::parse_recipe(is_override ? "" : text, "fuzz.toml");
    if (is_override) narae::apply_override(recipe, std::string(text.substr(1)));
  } catch (const narae::Error&) {
    return 0;
  }
  const std::string printed = narae::to_toml(recipe);
  if (narae::to_toml(narae::parse_recipe(printed, "fuzz.toml")) != printed) __builtin_trap();
  return 0;
}
