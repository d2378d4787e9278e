#pragma once

#include <filesystem>
#include <string>

namespace narae::test_places {

/// The folder of the sources. A function, so that where the sources lie is compiled into one object only.
std::filesystem::path source_dir();

/// Where the command `narae` was built.
const std::string& command_path();

}  // namespace narae::test_places
