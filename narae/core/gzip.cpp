#include "narae/core/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "narae/core/error.h"

namespace narae {
namespace {

constexpr std::size_t max_ratio = 1032;
constexpr int gzip_only = 16 + MAX_WBITS;  // inflateInit2: a gzip header is required

bool has_magic(const std::byte* data, std::size_t bytes) {
  return bytes >= 2 && data[0] == std::byte{0x1f} && data[1] == std::byte{0x8b};
}

// The last four bytes of a file hold the size of its last member modulo 2^32: a first guess, nothing to rely on.
std::size_t size_hint(const Buffer& file) {
  std::uint32_t hint = 0;
  if (file.size() < 4) return 0;
  for (std::size_t i = 4; i > 0; --i) {
    hint = (hint << 8) | std::to_integer<std::uint32_t>(file.data()[file.size() - 5 + i]);
  }
  return hint;
}

}  // namespace

bool is_gzip(const Buffer& file) {
  return has_magic(file.data(), file.size());
}

std::size_t inflated_bound(std::size_t compressed) {
  return compressed > std::numeric_limits<std::size_t>::max() / max_ratio ? std::numeric_limits<std::size_t>::max()
                                                                          : compressed * max_ratio;
}

struct GzipReader::State {
  Buffer file;
  std::string name;
  z_stream stream{};
  std::size_t position = 0;  ///< of the next compressed byte
  bool finished = false;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(name + ": " + what + " at byte " + std::to_string(position) + " of " + std::to_string(file.size()) +
                " of the gzip file; fetch or compress the file again");
  }

  /// One call of zlib; the number of bytes written.
  std::size_t inflate_some(std::span<std::byte> out) {
    constexpr std::size_t step = 1U << 30;  // zlib counts in 32 bits
    const std::size_t available = std::min(file.size() - position, step);
    const std::size_t room = std::min(out.size(), step);
    stream.next_in = reinterpret_cast<Bytef*>(file.data() + position);
    stream.avail_in = static_cast<uInt>(available);
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    position += available - stream.avail_in;
    const std::size_t written = room - stream.avail_out;
    if (result == Z_STREAM_END) {
      next_member();
    } else if (result == Z_BUF_ERROR || (result == Z_OK && written == 0 && stream.avail_in == available)) {
      fail("the compressed data ends too early (truncated)");
    } else if (result != Z_OK) {
      fail(std::string("damaged compressed data (") + (stream.msg != nullptr ? stream.msg : "no gzip stream") + ")");
    }
    return written;
  }

  void next_member() {
    if (position == file.size()) {
      finished = true;
    } else if (has_magic(file.data() + position, file.size() - position)) {
      inflateReset(&stream);
    } else {
      fail(std::to_string(file.size() - position) + " bytes after the end of the compressed data");
    }
  }
};

GzipReader::GzipReader(Buffer file, std::string name) : state_(std::make_unique<State>()) {
  state_->file = std::move(file);
  state_->name = std::move(name);
  if (!is_gzip(state_->file)) state_->fail("no gzip header");
  if (inflateInit2(&state_->stream, gzip_only) != Z_OK) throw Error(state_->name + ": no memory to inflate it");
}

GzipReader::~GzipReader() {
  inflateEnd(&state_->stream);
}

std::size_t GzipReader::read(std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size() && !state_->finished) filled += state_->inflate_some(out.subspan(filled));
  return filled;
}

Buffer inflate_gzip(const Buffer& file, const std::string& name, std::size_t limit) {
  GzipReader reader(file, name);
  const std::size_t most = std::min(limit, inflated_bound(file.size()));
  Buffer content = Buffer::allocate(std::min(size_hint(file), most));
  std::size_t filled = 0;
  for (;;) {
    filled += reader.read({content.data() + filled, content.size() - filled});
    std::byte next{};
    if (filled < content.size() || reader.read({&next, 1}) == 0) break;
    if (filled >= most) {
      throw Error(name + ": inflates to more than " + std::to_string(most) +
                  " bytes, the most that is accepted here; is it the right file?");
    }
    Buffer larger = Buffer::allocate(std::min(std::max<std::size_t>(2 * content.size(), 4096), most));
    std::memcpy(larger.data(), content.data(), filled);
    larger.data()[filled++] = next;
    content = std::move(larger);
  }
  if (filled == content.size()) return content;
  Buffer exact = Buffer::allocate(filled);
  std::memcpy(exact.data(), content.data(), filled);
  return exact;
}

}  // namespace narae
