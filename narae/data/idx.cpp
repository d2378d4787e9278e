#include "narae/data/idx.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/gzip.h"

namespace narae {
namespace {

static_assert(std::endian::native == std::endian::little, "IDX files are big-endian and swapped here");

// The content of the file, whether it is compressed or not.
class Source {
 public:
  Source(const Buffer& file, const std::string& name) : file_(file) {
    if (is_gzip(file)) gzip_.emplace(file, name);
  }

  [[nodiscard]] std::size_t read(std::span<std::byte> out) {
    if (gzip_) return gzip_->read(out);
    const std::size_t bytes = std::min(out.size(), file_.size() - position_);
    if (bytes > 0) std::memcpy(out.data(), file_.data() + position_, bytes);
    position_ += bytes;
    return bytes;
  }

  /// What the content can't be larger than.
  [[nodiscard]] std::size_t bound() const { return gzip_ ? inflated_bound(file_.size()) : file_.size(); }
  [[nodiscard]] std::string describe() const {
    return std::to_string(file_.size()) + (gzip_ ? " compressed bytes" : " bytes");
  }

 private:
  Buffer file_;
  std::optional<GzipReader> gzip_;
  std::size_t position_ = 0;
};

struct Header {
  std::uint8_t type = 0;
  std::size_t element_bytes = 0;
  std::size_t header_bytes = 0;
  std::size_t payload_bytes = 0;
  Shape shape;
};

std::size_t bytes_of_type(std::uint8_t type) {
  switch (type) {
    case 0x08:  // unsigned byte
    case 0x09:  // signed byte
      return 1;
    case 0x0B:  // short
      return 2;
    case 0x0C:  // int
    case 0x0D:  // float
      return 4;
    case 0x0E:  // double
      return 8;
    default:
      return 0;
  }
}

std::uint32_t big_endian(const std::byte* bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return __builtin_bswap32(word);
}

// Bytes 0 and 1 are zero, byte 2 is the type, byte 3 the number of dimensions; then one big-endian extent each.
Header read_header(Source& source, const std::string& name) {
  std::array<std::byte, 4 + 4 * Shape::max_rank> bytes{};
  if (const std::size_t got = source.read(std::span(bytes).first(4)); got < 4) {
    throw Error(name + ": " + std::to_string(got) + " bytes; an IDX file begins with 4 bytes of magic number");
  }
  Header header;
  header.type = std::to_integer<std::uint8_t>(bytes[2]);
  header.element_bytes = bytes_of_type(header.type);
  const auto rank = std::to_integer<std::size_t>(bytes[3]);
  if (bytes[0] != std::byte{0} || bytes[1] != std::byte{0} || header.element_bytes == 0 || rank < 1 ||
      rank > Shape::max_rank) {
    throw Error(name + ": magic number " + std::to_string(big_endian(bytes.data())) +
                " at byte 0 is not that of an IDX file (0, 0, type 8, 9, 11, 12, 13 or 14, 1 to 8 dimensions; "
                "2051 for pictures, 2049 for labels)");
  }
  header.header_bytes = 4 + 4 * rank;
  const std::span<std::byte> extents = std::span(bytes).subspan(4, 4 * rank);
  if (const std::size_t got = source.read(extents); got < extents.size()) {
    throw Error(name + ": ends at byte " + std::to_string(4 + got) + " inside the header of " +
                std::to_string(header.header_bytes) + " bytes; the file is truncated");
  }
  std::vector<std::int64_t> dims;
  auto payload = static_cast<std::int64_t>(header.element_bytes);
  bool overflow = false;
  for (std::size_t i = 0; i < rank; ++i) {
    dims.push_back(big_endian(extents.data() + 4 * i));
    overflow = overflow || __builtin_mul_overflow(payload, std::max<std::int64_t>(dims.back(), 1), &payload);
  }
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) payload = 0;
  header.payload_bytes = static_cast<std::size_t>(payload);
  const std::size_t most = source.bound() - std::min(source.bound(), header.header_bytes);
  if (overflow || header.payload_bytes > most) {
    std::string claim;
    for (const std::int64_t extent : dims) claim += (claim.empty() ? "" : " x ") + std::to_string(extent);
    throw Error(name + ": the header claims " + claim + " elements of " + std::to_string(header.element_bytes) +
                " bytes, " + (overflow ? "more than 2^63" : std::to_string(header.payload_bytes)) +
                " bytes after a header of " + std::to_string(header.header_bytes) + ", but the file has only " +
                source.describe() + "; it is truncated or its header is damaged");
  }
  header.shape = Shape(dims);
  return header;
}

template <class Word>
void swap_bytes(std::span<std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(Word)) {
    Word word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    if constexpr (sizeof word == 2) word = __builtin_bswap16(word);
    if constexpr (sizeof word == 4) word = __builtin_bswap32(word);
    if constexpr (sizeof word == 8) word = __builtin_bswap64(word);
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
}

Array widened(const Array& narrow, std::uint8_t type) {
  Array wide = Array::empty(DType::i32, narrow.shape);
  const std::span<std::int32_t> out = wide.mutable_values<std::int32_t>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (type == 0x09) {
      // two's complement
      out[i] = (std::to_integer<std::int32_t>(narrow.buffer.data()[i]) ^ 0x80) - 0x80;
    } else {
      std::int16_t value = 0;
      std::memcpy(&value, narrow.buffer.data() + 2 * i, sizeof value);
      out[i] = value;
    }
  }
  return wide;
}

}  // namespace

Array parse_idx(const Buffer& file, const std::string& name) {
  Source source(file, name);
  const Header header = read_header(source, name);
  Array array{DType::u8, header.shape, Buffer::allocate(header.payload_bytes)};
  const std::span<std::byte> payload{array.buffer.data(), header.payload_bytes};
  if (const std::size_t got = source.read(payload); got < payload.size()) {
    throw Error(name + ": the header claims " + to_string(header.shape) + ", " + std::to_string(payload.size()) +
                " bytes, but only " + std::to_string(got) + " follow; the file is truncated");
  }
  if (std::byte extra{}; source.read({&extra, 1}) != 0) {
    throw Error(name + ": goes on after the " + std::to_string(payload.size()) + " bytes of " +
                to_string(header.shape) + " that its header claims, at byte " +
                std::to_string(header.header_bytes + payload.size()) + " (file: " + source.describe() + ")");
  }
  if (header.element_bytes == 2) swap_bytes<std::uint16_t>(payload);
  if (header.element_bytes == 4) swap_bytes<std::uint32_t>(payload);
  if (header.element_bytes == 8) swap_bytes<std::uint64_t>(payload);
  if (header.type == 0x09 || header.type == 0x0B) return widened(array, header.type);
  array.dtype = header.type == 0x08   ? DType::u8
                : header.type == 0x0C ? DType::i32
                : header.type == 0x0D ? DType::f32
                                      : DType::f64;
  return array;
}

Array read_idx(const std::string& path) {
  return parse_idx(map_file(path), path);
}

}  // namespace narae
