#include "apps/narae/inspect.h"

#include <filesystem>

#include "apps/narae/commands.h"
#include "narae/core/error.h"
#include "narae/data/image.h"
#include "narae/io/npy.h"

namespace narae::cli {

InspectionFiles inspection_files(const std::string& save) {
  const std::filesystem::path path = save;
  if (path.extension() != ".png") {
    throw UsageError("--save: '" + save + "' must end in .png; the numbers go beside it as .npz");
  }
  return {.picture = save, .numbers = std::filesystem::path(path).replace_extension(".npz").string()};
}

void write_inspection(const InspectionFiles& files, const Array& picture, const std::map<std::string, Array>& numbers) {
  write_png(files.picture, picture);
  write_npz(files.numbers, numbers);
}

void add_inspect(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("inspect", "Look inside: a picture, and the numbers behind it in a file beside it");
  command->require_subcommand(1);
  add_inspect_filters(*command);
  add_inspect_bptt(*command);
  add_inspect_gradients(*command);
  add_inspect_attention(*command);
}

}  // namespace narae::cli
