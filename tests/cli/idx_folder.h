#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/cli/command.h"

namespace narae::cli {

inline void write_idx(const std::filesystem::path& path, const std::vector<std::int64_t>& shape,
                      const std::string& bytes) {
  std::string text{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const std::int64_t extent : shape)
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(extent >> shift & 0xff);
  write_whole(path, text + bytes);
}

// A set in MNIST's format: 6 training and 4 test pictures of 4 x 4.
inline std::filesystem::path make_idx_folder(const std::filesystem::path& root, const std::string& name) {
  std::filesystem::path folder = root / name;
  std::filesystem::create_directories(folder);
  for (const auto& [part, count] : {std::pair<std::string, int>{"train", 6}, {"t10k", 4}}) {
    std::string pixels;
    std::string labels;
    for (int i = 0; i < count; ++i) {
      for (int p = 0; p < 16; ++p) pixels += static_cast<char>(16 * i + p);
      labels += static_cast<char>(i % 3);
    }
    write_idx(folder / (part + "-images-idx3-ubyte"), {count, 4, 4}, pixels);
    write_idx(folder / (part + "-labels-idx1-ubyte"), {count}, labels);
  }
  return folder;
}

}  // namespace narae::cli
