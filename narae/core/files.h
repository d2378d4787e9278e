#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "narae/core/buffer.h"
#include "narae/core/export.h"

namespace narae {

/// The whole file as a read-only memory map (a Buffer of size 0 for an empty file); it must not be shortened while
/// the Buffer lives. Throws Error for a missing or unreadable file, a folder, or anything that can't be mapped.
[[nodiscard]] NARAE_API Buffer map_file(const std::filesystem::path& path);

/// The whole file, or what a pipe delivers, as bytes. Throws Error when it can't be read or holds more than `limit`.
[[nodiscard]] NARAE_API std::string read_text(const std::filesystem::path& path,
                                              std::size_t limit = std::size_t{64} << 20);

/// A file that appears complete or not at all: bytes go to a temporary file in the same folder, which `commit` syncs
/// and renames to `path`. Uncommitted files are removed on destruction. Every failure (no space, read-only, missing
/// folder) throws Error naming the path, the reason and what to do; what was at `path` before is then untouched.
class NARAE_API AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, std::size_t bytes);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  /// Makes the file visible and durable; nothing may be written afterwards.
  void commit();

 private:
  void flush();
  void write_through(const char* data, std::size_t bytes);
  void discard() noexcept;

  std::filesystem::path path_;       // as the caller named it, for messages
  std::filesystem::path target_;     // with symbolic links followed
  std::filesystem::path temporary_;  // empty once renamed or removed
  std::string pending_;              // not yet handed to the system
  int descriptor_ = -1;
};

/// Replaces the file at `path` by `bytes`, atomically. Throws Error as AtomicFile does.
NARAE_API void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Makes renames and removals inside `path` durable. Throws Error when the folder can't be opened or synced.
NARAE_API void sync_folder(const std::filesystem::path& path);

}  // namespace narae
