// The tree is the architecture: an include from a lower folder to a higher one is a defect.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/house/places.h"

namespace {

namespace fs = std::filesystem;
using narae::test_places::source_dir;

using Folders = std::set<std::string, std::less<>>;

// What each folder below narae/ may include, itself aside.
const std::map<std::string, Folders, std::less<>>& allowed() {
  static const std::map<std::string, Folders, std::less<>> table = {
      {"core", {}},
      {"graph", {"core"}},
      {"ops", {"core", "graph"}},
      {"plan", {"core", "graph"}},
      {"backend", {"core", "graph"}},
      {"nn", {"core", "graph", "ops"}},
      {"optim", {"core", "graph", "ops"}},
      {"data", {"core", "graph", "text"}},
      {"text", {"core"}},
      {"draw", {"core"}},
      {"io", {"core", "graph", "nn"}},
      {"models", {"core", "graph", "ops", "nn"}},
      {"train", {"core", "graph", "ops", "plan", "backend", "nn", "optim", "data", "text", "draw", "io", "models"}},
  };
  return table;
}

// Our users see none of these: they compile against our headers alone.
constexpr std::string_view foreign_headers[] = {"dnnl", "hwy/", "png.h", "jpeglib.h", "zlib.h",     "omp.h",
                                                "fmt/", "toml", "CLI/",  "nlohmann/", "utf8proc.h", "pcre2"};

struct Include {
  fs::path file;  // relative to the sources
  int line;
  std::string header;
};

// narae/core/shape.h of the line `#include "narae/core/shape.h"`.
std::optional<std::string> header_in(std::string_view line) {
  const auto skip = [&line](std::string_view text) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with(text)) return false;
    line.remove_prefix(text.size());
    return true;
  };
  if (!skip("#") || !skip("include") || !(skip("\"") || skip("<"))) return std::nullopt;
  return std::string(line.substr(0, line.find_first_of("\">")));
}

std::vector<Include> includes_of(const fs::path& file) {
  std::vector<Include> result;
  std::ifstream stream(source_dir() / file);
  std::string text;
  for (int line = 1; std::getline(stream, text); ++line) {
    if (const auto header = header_in(text)) result.push_back({file, line, *header});
  }
  return result;
}

std::vector<Include> includes_below(const char* folder) {
  std::vector<Include> result;
  if (!fs::exists(source_dir() / folder)) return result;
  for (const auto& entry : fs::recursive_directory_iterator(source_dir() / folder)) {
    const fs::path extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp") continue;
    const std::vector<Include> found = includes_of(entry.path().lexically_relative(source_dir()));
    result.insert(result.end(), found.begin(), found.end());
  }
  return result;
}

// "graph" of "narae/graph/tensor.h"; "" for a header that isn't ours or lies in no folder.
std::string folder_of(const fs::path& path) {
  const std::vector<fs::path> parts(path.begin(), path.end());
  return parts.size() >= 3 && parts[0] == "narae" ? parts[1].string() : "";
}

bool is_public(const fs::path& file) {
  const std::string folder = folder_of(file);
  return file.extension() == ".h" && folder != "plan" && folder != "backend";
}

std::string at(const Include& include) {
  return include.file.string() + ":" + std::to_string(include.line) + " includes " + include.header;
}

TEST(IncludeDirection, PointsDownward) {
  const std::vector<Include> includes = includes_below("narae");
  ASSERT_GT(includes.size(), 100U) << "no sources below " << source_dir();
  for (const Include& include : includes) {
    const std::string from = folder_of(include.file);
    const std::string to = folder_of(include.header);
    if (from.empty() || to.empty() || from == to) continue;
    const auto entry = allowed().find(from);
    ASSERT_NE(entry, allowed().end()) << "narae/" << from << " is not in the table of this test";
    EXPECT_TRUE(entry->second.contains(to)) << at(include) << ": narae/" << from << " may not depend on narae/" << to;
  }
}

TEST(IncludeDirection, OursAreNamedFromTheRoot) {
  for (const Include& include : includes_below("narae")) {
    const bool named_from_root = include.header.starts_with("narae/");
    const bool exists_beside = fs::exists(source_dir() / include.file.parent_path() / include.header);
    EXPECT_TRUE(named_from_root || !exists_beside) << at(include) << ": write the path from the root of the sources";
    EXPECT_TRUE(!named_from_root || fs::exists(source_dir() / include.header)) << at(include);
  }
}

TEST(IncludeDirection, CommandUsesPublicHeadersAlone) {
  for (const Include& include : includes_below("apps")) {
    EXPECT_TRUE(folder_of(include.header).empty() || is_public(include.header)) << at(include);
  }
}

TEST(IncludeDirection, PublicHeadersNeedNoOtherLibrary) {
  for (const Include& include : includes_below("narae")) {
    if (!is_public(include.file)) continue;
    const std::string to = folder_of(include.header);
    EXPECT_TRUE(to != "plan" && to != "backend") << at(include) << ", which is not installed";
    for (const std::string_view foreign : foreign_headers) {
      EXPECT_FALSE(include.header.starts_with(foreign)) << at(include);
    }
  }
}

// Its interface changed between 2.x and 3.x: few files may know it.
TEST(IncludeDirection, OnednnIsCalledFromItsOwnFilesAlone) {
  for (const Include& include : includes_below("narae")) {
    if (!include.header.starts_with("dnnl") && !include.header.starts_with("oneapi/dnnl")) continue;
    EXPECT_TRUE(include.file.string().starts_with("narae/backend/cpu/onednn")) << at(include);
  }
}

}  // namespace
