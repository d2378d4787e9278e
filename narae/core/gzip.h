#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "narae/core/buffer.h"
#include "narae/core/export.h"

namespace narae {

/// True when the file begins with the magic bytes of gzip.
[[nodiscard]] NARAE_API bool is_gzip(const Buffer& file);

/// The most bytes that `compressed` bytes of deflate data can grow to (a ratio of 1032, RFC 1951): what a header
/// inside claims can be checked against it before anything is allocated.
[[nodiscard]] NARAE_API std::size_t inflated_bound(std::size_t compressed);

/// Reads a gzip file (RFC 1952, any number of members) piece by piece from memory.
class NARAE_API GzipReader {
 public:
  /// `name` is the file's name, for messages.
  GzipReader(Buffer file, std::string name);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  /// Fills `out` and returns its size; returns less only at the end of the data. Throws Error for damaged or truncated
  /// data, a wrong checksum, and for anything but another member after the end of a member.
  [[nodiscard]] std::size_t read(std::span<std::byte> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The whole content of a gzip file. Throws Error for what GzipReader throws for, and when the content is larger than
/// `limit` bytes.
[[nodiscard]] NARAE_API Buffer inflate_gzip(const Buffer& file, const std::string& name, std::size_t limit);

}  // namespace narae
