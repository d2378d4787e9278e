#include "tests/house/places.h"

namespace narae::test_places {

std::filesystem::path source_dir() {
  return NARAE_SOURCE_DIR;
}

const std::string& command_path() {
  static const std::string path = NARAE_COMMAND;
  return path;
}

}  // namespace narae::test_places
