#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "narae/text/tokenizer.h"

// The layouts in which labelled texts lie in files.
namespace narae::detail {

/// A text and the name of its class.
struct TextRow {
  std::string text;
  std::string label;
};

/// What lies at a place.
struct TextSource {
  std::vector<TextRow> train;
  std::vector<TextRow> validation;
  std::vector<TextRow> test;
  bool pile = false;                 ///< no parts: everything is in `train`
  std::vector<std::string> classes;  ///< names of the labels "1", "2", ... where the source gives them
  text::Tokenization usual{};
};

/// A layout: whether it is the one that lies there, and reading it.
struct TextLayout {
  bool (*holds)(const std::filesystem::path& path);
  TextSource (*read)(const std::filesystem::path& path, std::size_t max_bytes);
};

/// "train.tsv" of "data/train.tsv.gz".
[[nodiscard]] std::string plain_name(const std::filesystem::path& path);
[[nodiscard]] bool is_file(const std::filesystem::path& path);

/// The layout of what lies at `path`, or null.
[[nodiscard]] const TextLayout* text_layout_of(const std::filesystem::path& path);

}  // namespace narae::detail
