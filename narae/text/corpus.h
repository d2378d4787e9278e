#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/text/tokenizer.h"

namespace narae::text {

/// Bytes that a text may have unless told otherwise.
inline constexpr std::size_t most_text_bytes = std::size_t{1} << 30;

/// A text file as it is, plain or gzip, without the byte order mark. Throws Error when it can't be read, is damaged or
/// holds more than `limit` bytes, and, naming file, line and byte, for invalid UTF-8.
[[nodiscard]] NARAE_API std::string read_text_file(const std::filesystem::path& path,
                                                   std::size_t limit = most_text_bytes);
/// The same for any bytes, to be decoded by the caller.
[[nodiscard]] NARAE_API std::string read_bytes(const std::filesystem::path& path, std::size_t limit = most_text_bytes);

/// The first lines of a file, plain or gzip, `most` bytes at most (of a longer line, its beginning): enough to tell
/// what it is. "" for one that can't be read.
[[nodiscard]] NARAE_API std::string read_beginning(const std::filesystem::path& path, std::size_t most = 65536);

/// The lines of a text: cut at `\n` alone (U+0085 and its kin stay), without a `\r` before it. What follows the last
/// `\n` is a line unless it is empty.
[[nodiscard]] NARAE_API std::vector<std::string_view> lines_of(std::string_view text);

/// The part that a file is named after: "train", "validation" (valid, val, dev) or "test" as one of the words of its
/// name; "" for none.
[[nodiscard]] NARAE_API std::string_view part_named(const std::filesystem::path& path);

/// The `.txt` and `.tokens` files of a folder, plain or gzip, in order of their names, without hidden ones and those
/// that speak about the data (readme, source, license, classes, and names that begin with `_`).
[[nodiscard]] NARAE_API std::vector<std::filesystem::path> text_files(const std::filesystem::path& folder);

/// A text to learn a language from, in its parts.
struct Corpus {
  std::string name;
  std::string train;
  std::string validation;
  std::string test;

  friend bool operator==(const Corpus&, const Corpus&) = default;
};

struct CorpusOptions {
  double validation = 0.05;  ///< share of a text without parts of its own, its end before the test part
  double test = 0.05;        ///< and its very end
  std::size_t max_bytes = most_text_bytes;
};

/// Reads a corpus from a text file or a folder, plain or gzip. Files that are named after parts (`train.txt`,
/// `ptb.valid.txt.gz`, `wiki.test.tokens`: train; valid, val, validation or dev; test) are these. Otherwise all text
/// files of the folder in order of their names are one text, which is cut at line ends into three parts as `options`
/// say; a part of a text without line ends is cut between two characters.
/// Throws Error for a folder without text files, two files for one part, no training part, a training text without
/// characters, and for what read_text_file throws for.
[[nodiscard]] NARAE_API Corpus read_corpus(const std::filesystem::path& path, const CorpusOptions& options = {});

/// The set that a path is called after: the folder's name, or the file's without its endings.
[[nodiscard]] NARAE_API std::string set_name(const std::filesystem::path& path);

/// Whether `read_corpus` finds a text there.
[[nodiscard]] NARAE_API bool holds_corpus(const std::filesystem::path& path);

/// Cuts one text into three parts, as read_corpus does. Throws Error for shares out of range.
[[nodiscard]] NARAE_API Corpus cut_corpus(std::string name, std::string_view text, const CorpusOptions& options = {});

/// The usual vocabulary of a language model over this corpus: all tokens of the training part that occur at least
/// `min_count` times, at most `max_size` (0: no limit). Of words, `<unk>` and, with line ends, `<eos>`; of characters,
/// `<unk>` where the other parts have a character that the training part lacks or tokens are left out; of byte pairs,
/// as many as learn_tokenizer says for a `max_size` of 0, without special tokens.
[[nodiscard]] NARAE_API Tokenizer corpus_tokenizer(const Corpus& corpus, const Tokenization& rule,
                                                   std::int64_t min_count = 1, std::int64_t max_size = 0);

}  // namespace narae::text
