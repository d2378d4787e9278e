#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "narae/core/export.h"

namespace narae {

/// A file that grows line by line (a log, a table). What is written is with the system at once, and on the disk after
/// `sync`. Every failure throws Error naming the path, the reason and what to do; a line is then not half there.
class NARAE_API AppendFile {
 public:
  explicit AppendFile(std::filesystem::path path);
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  ~AppendFile();

  void write(std::string_view text);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Cuts off what lies beyond `size`; a shorter file stays as it is.
  void cut(std::uint64_t size);
  /// Cuts off a half line at the end; everything when the file doesn't begin with `header`.
  void keep_whole_lines(std::string_view header);
  void sync();

 private:
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

}  // namespace narae
