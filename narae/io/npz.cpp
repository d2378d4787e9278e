#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/io/npy.h"
#include "narae/io/quote.h"

// An npz file is a ZIP archive of npy files: PKWARE's APPNOTE.TXT, sections 4.3 and 4.4.

namespace narae {
namespace {

using detail::quote;

constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t zip64_locator_signature = 0x07064b50;
constexpr std::size_t local_bytes = 30;
constexpr std::size_t central_bytes = 46;
constexpr std::size_t end_bytes = 22;
constexpr std::size_t zip64_locator_bytes = 20;
constexpr std::size_t longest_comment = 65535;
constexpr std::uint32_t zip64_mark = 0xffffffff;  // in place of a size or an offset
constexpr std::uint16_t zip64_members = 0xffff;
constexpr std::uint16_t encrypted_flag = 1;
constexpr std::uint16_t descriptor_flag = 8;  // sizes follow the data instead of preceding it
constexpr std::uint16_t utf8_flag = 0x800;
constexpr std::size_t largest_ratio = 1032;  // deflate can't do better (https://zlib.net/zlib_tech.html)
constexpr std::string_view suffix = ".npy";

std::uint16_t load16(const std::byte* from) {
  std::uint16_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::uint32_t load32(const std::byte* from) {
  std::uint32_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

struct Member {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::size_t compressed = 0;
  std::size_t inflated = 0;
  std::size_t begin = 0;  // of the local header
  std::size_t data = 0;
};

class ZipReader {
 public:
  ZipReader(const Buffer& file, const std::string& name) : file_(file), name_(name) {}

  /// The members, all of them checked against the file; nothing has been inflated.
  std::vector<Member> members() {
    const std::size_t end = find_end();
    const std::byte* const record = file_.data() + end;
    const std::uint16_t count = load16(record + 10);
    const std::uint32_t bytes = load32(record + 12);
    const std::uint32_t begin = load32(record + 16);
    const bool located =
        end >= zip64_locator_bytes && load32(file_.data() + end - zip64_locator_bytes) == zip64_locator_signature;
    if (located || count == zip64_members || bytes == zip64_mark || begin == zip64_mark) fail_zip64(end);
    if (load16(record + 4) != 0 || load16(record + 6) != 0 || load16(record + 8) != count) {
      fail(end, "an archive in several parts is not supported");
    }
    if (std::size_t{begin} + bytes != end) fail(end, "the directory of the archive isn't where its end says");

    std::vector<Member> members;
    std::size_t position = begin;
    while (position < end) {
      members.push_back(read_central(position, end));
      read_local(members.back(), begin);
    }
    if (members.size() != count) {
      fail(end, "the archive has " + std::to_string(members.size()) + " members, but says " + std::to_string(count));
    }
    check_overlap(members);
    return members;
  }

  [[noreturn]] void fail(std::size_t offset, const std::string& what) const {
    throw Error(name_ + ": byte " + std::to_string(offset) + ": " + what);
  }

 private:
  [[noreturn]] void fail_zip64(std::size_t offset) const {
    fail(offset, "ZIP64 archives (beyond 4 GiB) are not supported; save the arrays as npy or safetensors files");
  }

  // The end record is the last thing in the file but for a comment, whose length it states.
  [[nodiscard]] std::size_t find_end() const {
    const std::size_t size = file_.size();
    if (size >= end_bytes) {
      const std::size_t last = size - end_bytes;
      const std::size_t first = last > longest_comment ? last - longest_comment : 0;
      for (std::size_t at = last + 1; at-- > first;) {
        const std::byte* const record = file_.data() + at;
        if (load32(record) == end_signature && load16(record + 20) == last - at) return at;
      }
    }
    throw Error(name_ + ": not an npz file (or cut off): the end record of a ZIP archive is missing");
  }

  Member read_central(std::size_t& position, std::size_t end) const {
    const std::byte* const entry = file_.data() + position;
    if (end - position < central_bytes || load32(entry) != central_signature) {
      fail(position, "the directory of the archive is damaged");
    }
    const std::size_t name_bytes = load16(entry + 28);
    const std::size_t entry_bytes = central_bytes + name_bytes + load16(entry + 30) + load16(entry + 32);
    if (entry_bytes > end - position) fail(position, "the directory of the archive is cut off");
    Member member{.name = std::string(reinterpret_cast<const char*>(entry) + central_bytes, name_bytes),
                  .flags = load16(entry + 8),
                  .method = load16(entry + 10),
                  .crc = load32(entry + 16),
                  .compressed = load32(entry + 20),
                  .inflated = load32(entry + 24),
                  .begin = load32(entry + 42),
                  .data = 0};
    if (member.compressed == zip64_mark || member.inflated == zip64_mark || member.begin == zip64_mark) {
      fail_zip64(position);
    }
    const std::string where = "member " + quote(member.name) + ": ";
    if (!member.name.ends_with(suffix)) fail(position, where + "not an npy file");
    if ((member.flags & encrypted_flag) != 0) fail(position, where + "encrypted members can't be read");
    if (member.method != 0 && member.method != Z_DEFLATED) {
      fail(position, where + "compression method " + std::to_string(member.method) +
                         " is not supported (stored and deflated are)");
    }
    const bool lying =
        member.method == 0 ? member.inflated != member.compressed : member.inflated > member.compressed * largest_ratio;
    if (lying) {
      fail(position, where + std::to_string(member.compressed) + " bytes can't hold " +
                         std::to_string(member.inflated) + "; the archive is damaged");
    }
    position += entry_bytes;
    return member;
  }

  // The local header repeats what the directory says. NumPy marks its sizes as ZIP64 there, whatever they are.
  void read_local(Member& member, std::size_t directory) const {
    const std::string where = "member " + quote(member.name) + ": ";
    if (member.begin > directory || directory - member.begin < local_bytes) {
      fail(member.begin, where + "lies outside the archive");
    }
    const std::byte* const header = file_.data() + member.begin;
    const std::size_t name_bytes = load16(header + 26);
    const std::size_t header_bytes = local_bytes + name_bytes + load16(header + 28);
    if (load32(header) != local_signature) fail(member.begin, where + "has no header");
    if (header_bytes > directory - member.begin || member.compressed > directory - member.begin - header_bytes) {
      fail(member.begin, where + std::to_string(member.compressed) + " bytes reach beyond the data of the archive");
    }
    const std::string_view name(reinterpret_cast<const char*>(header) + local_bytes, name_bytes);
    const auto agrees = [&](std::size_t at, std::size_t size) {
      const std::uint32_t said = load32(header + at);
      return (member.flags & descriptor_flag) != 0 || said == zip64_mark || said == size;
    };
    if (name != member.name || load16(header + 6) != member.flags || load16(header + 8) != member.method ||
        !agrees(18, member.compressed) || !agrees(22, member.inflated)) {
      fail(member.begin, where + "header and directory of the archive contradict each other");
    }
    member.data = member.begin + header_bytes;
  }

  // Members that share bytes are how small archives unpack to huge ones.
  void check_overlap(const std::vector<Member>& members) const {
    std::vector<const Member*> by_offset;
    by_offset.reserve(members.size());
    for (const Member& member : members) by_offset.push_back(&member);
    std::ranges::sort(by_offset, {}, &Member::begin);
    std::size_t free_from = 0;
    for (const Member* member : by_offset) {
      if (member->begin < free_from) fail(member->begin, "member " + quote(member->name) + ": overlaps another one");
      free_from = member->data + member->compressed;
    }
  }

  const Buffer& file_;
  const std::string& name_;
};

Buffer inflate_member(const Member& member, const Buffer& file, const std::string& where) {
  Buffer result = Buffer::allocate(member.inflated);
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw Error(where + ": no memory to decompress");
  // Sizes below 4 GiB were checked: without ZIP64 there are no others.
  stream.next_in = reinterpret_cast<Bytef*>(file.data() + member.data);
  stream.avail_in = static_cast<uInt>(member.compressed);
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(member.inflated);
  const int status = inflate(&stream, Z_FINISH);
  const bool complete = status == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0;
  inflateEnd(&stream);
  if (!complete) {
    throw Error(where + ": the compressed data is damaged or doesn't have the " + std::to_string(member.inflated) +
                " bytes that it should");
  }
  return result;
}

void append16(std::string& to, std::size_t value) {
  to += static_cast<char>(value & 0xff);
  to += static_cast<char>(value >> 8 & 0xff);
}

void append32(std::string& to, std::size_t value) {
  append16(to, value & 0xffff);
  append16(to, value >> 16);
}

// What local header and directory have in common: versions, flags, method, time (always 1 January 1980, so that the
// same arrays give the same file), checksum, sizes, lengths of the name and of the (absent) extra field.
std::string common_fields(const std::string& name, std::size_t crc, std::size_t bytes) {
  const bool ascii = std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  std::string fields;
  append16(fields, 20);
  append16(fields, ascii ? 0 : utf8_flag);
  append16(fields, 0);
  append16(fields, 0);
  append16(fields, 0x21);
  append32(fields, crc);
  append32(fields, bytes);
  append32(fields, bytes);
  append16(fields, name.size());
  append16(fields, 0);
  return fields;
}

}  // namespace

std::map<std::string, Array> parse_npz(const Buffer& file, const std::string& name, const NpzOptions& options) {
  const std::vector<Member> members = ZipReader(file, name).members();
  std::size_t inflated = 0;
  for (const Member& member : members) inflated += member.method == Z_DEFLATED ? member.inflated : 0;
  if (inflated > options.inflated_limit) {
    throw Error(name + ": unpacks to " + std::to_string(inflated) + " bytes; at most " +
                std::to_string(options.inflated_limit) + " are allowed");
  }
  std::map<std::string, Array> arrays;
  for (const Member& member : members) {
    const std::string key = member.name.substr(0, member.name.size() - suffix.size());
    const std::string where = name + ": member " + quote(member.name);
    if (arrays.contains(key)) throw Error(where + ": stands there twice");
    const Buffer content = member.method == Z_DEFLATED
                               ? inflate_member(member, file, where)
                               : Buffer::adopt(file.data() + member.data, member.compressed, [file] {});
    if (crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()) != member.crc) {
      throw Error(where + ": the checksum is wrong; the archive is damaged");
    }
    arrays.emplace(key, parse_npy(content, where));
  }
  return arrays;
}

std::map<std::string, Array> read_npz(const std::filesystem::path& path, const NpzOptions& options) {
  return parse_npz(map_file(path), path.string(), options);
}

void write_npz(const std::filesystem::path& path, const std::map<std::string, Array>& arrays) {
  const std::string file = path.string();
  struct Part {
    std::string before;  // local header and npy header
    const Array* array;
  };
  std::vector<Part> parts;
  std::string directory;
  std::size_t offset = 0;
  const auto check = [&](bool fits) {
    if (!fits) {
      throw Error(file + ": more than an npz file can hold (4 GiB, 65534 arrays); save as npy or safetensors files");
    }
  };
  check(arrays.size() < zip64_members);
  for (const auto& [key, array] : arrays) {
    const std::string name = key + std::string(suffix);
    if (name.size() > 65535) throw Error(file + ": the name " + quote(key) + " is too long");
    const std::string header = detail::npy_header(array, file + ": array " + quote(key));
    const std::size_t bytes = header.size() + array.bytes();
    check(offset + local_bytes + name.size() + bytes < zip64_mark);
    uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(header.data()), header.size());
    if (array.bytes() > 0) crc = crc32_z(crc, reinterpret_cast<const Bytef*>(array.buffer.data()), array.bytes());
    const std::string fields = common_fields(name, crc, bytes);

    std::string before;
    append32(before, local_signature);
    before.append(fields).append(name).append(header);
    append32(directory, central_signature);
    append16(directory, 20);
    directory += fields;
    append16(directory, 0);  // comment
    append16(directory, 0);  // disk
    append16(directory, 0);  // attributes, internal and external
    append32(directory, 0);
    append32(directory, offset);
    directory += name;
    offset += before.size() + array.bytes();
    parts.push_back({.before = std::move(before), .array = &array});
  }
  check(offset + directory.size() < zip64_mark);

  AtomicFile out(path);
  for (const Part& part : parts) {
    out.write(part.before);
    out.write(part.array->buffer.data(), part.array->bytes());
  }
  out.write(directory);
  std::string end;
  append32(end, end_signature);
  append32(end, 0);  // this disk and that of the directory
  append16(end, parts.size());
  append16(end, parts.size());
  append32(end, directory.size());
  append32(end, offset);
  append16(end, 0);  // comment
  out.write(end);
  out.commit();
}

}  // namespace narae
