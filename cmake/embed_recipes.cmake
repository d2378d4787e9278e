# Writes OUTPUT, a source file that holds the text of RECIPES (TOML files, separated by commas).
string(REPLACE "," ";" recipes "${RECIPES}")
list(LENGTH recipes count)
set(entries "")
foreach(recipe ${recipes})
  cmake_path(GET recipe STEM name)
  file(READ ${recipe} toml)
  string(APPEND entries "      {\"${name}\", R\"recipe(${toml})recipe\"},\n")
endforeach()
file(
  WRITE ${OUTPUT}
  "#include <array>

#include \"narae/train/recipe.h\"

namespace narae {

std::span<const BuiltinRecipe> builtin_recipes() {
  static constexpr std::array<BuiltinRecipe, ${count}> list = {{
${entries}  }};
  return list;
}

}  // namespace narae
")
