#include "narae/data/picture.h"

#include <cstring>
#include <string_view>

#include "narae/core/error.h"
#include "narae/core/files.h"

namespace narae {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view png_signature = "\x89PNG\r\n\x1a\n"sv;
constexpr std::string_view jpeg_signature = "\xFF\xD8"sv;

std::string_view text_of(const Buffer& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw Error(name + ": " + why);
}

// Other kinds of files that people keep among their pictures.
std::string other_kind(std::string_view bytes) {
  if (bytes.starts_with("GIF8")) return "a GIF file";
  if (bytes.starts_with("BM")) return "a BMP file";
  if (bytes.starts_with("II*\0"sv) || bytes.starts_with("MM\0*"sv)) return "a TIFF file";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return "a WebP file";
  return "neither a PNG nor a JPEG file";
}

[[noreturn]] void refuse_kind(const Buffer& bytes, const std::string& name) {
  if (bytes.size() == 0) refuse(name, "the file is empty; get a whole copy");
  refuse(name, other_kind(text_of(bytes)) + "; convert the picture to PNG or JPEG");
}

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data(), sizeof word);
  return __builtin_bswap32(word);
}

// Goes from chunk to chunk: length, type, content, checksum (Portable Network Graphics, section 5.3).
PictureInfo probe_png(const Buffer& file, const std::string& name, std::int64_t max_pixels) {
  const std::string_view bytes = text_of(file);
  constexpr std::size_t header_end = 8 + 8 + 13 + 4;
  if (bytes.size() < header_end || bytes.substr(12, 4) != "IHDR")
    refuse(name, "broken PNG file: it does not begin with a header; get an undamaged copy");
  const std::int64_t width = big_endian(bytes.substr(16, 4));
  const std::int64_t height = big_endian(bytes.substr(20, 4));
  if (width == 0 || height == 0) refuse(name, "broken PNG file: a picture of no pixels");
  if (width > max_pixels / height)
    refuse(name, "a picture of " + std::to_string(width) + " x " + std::to_string(height) +
                     " pixels, more than the limit of " + std::to_string(max_pixels) +
                     " pixels; make it smaller first or raise data.max_pixels");
  for (std::size_t at = png_signature.size(); bytes.size() - at >= 12;) {
    const std::size_t length = big_endian(bytes.substr(at, 4));
    if (length > bytes.size() - at - 12) break;
    if (bytes.substr(at + 4, 4) == "IEND") {
      const bool grey = (static_cast<unsigned char>(bytes[25]) & 3U) == 0;  // neither colour nor palette
      return {.channels = grey ? 1 : 3, .height = height, .width = width};
    }
    at += 12 + length;
  }
  refuse(name, "a PNG file of " + std::to_string(bytes.size()) + " bytes without an end; it was cut off");
}

}  // namespace

Array read_picture(const std::filesystem::path& path, std::int64_t max_pixels) {
  return parse_picture(map_file(path), path.string(), max_pixels);
}

Array parse_picture(const Buffer& bytes, const std::string& name, std::int64_t max_pixels) {
  if (text_of(bytes).starts_with(png_signature)) return parse_png(bytes, name, max_pixels);
  if (text_of(bytes).starts_with(jpeg_signature)) return parse_jpeg(bytes, name, max_pixels);
  refuse_kind(bytes, name);
}

PictureInfo probe_picture(const std::filesystem::path& path, std::int64_t max_pixels) {
  return probe_picture(map_file(path), path.string(), max_pixels);
}

PictureInfo probe_picture(const Buffer& bytes, const std::string& name, std::int64_t max_pixels) {
  if (text_of(bytes).starts_with(png_signature)) return probe_png(bytes, name, max_pixels);
  if (text_of(bytes).starts_with(jpeg_signature)) return probe_jpeg(bytes, name, max_pixels);
  refuse_kind(bytes, name);
}

Array with_channels(const Array& picture, std::int64_t channels) {
  const Shape& shape = picture.shape;
  if (picture.dtype != DType::u8 || shape.rank() != 3 || (shape[0] != 1 && shape[0] != 3) ||
      (channels != 1 && channels != 3)) {
    throw Error("a picture of " + std::string(name_of(picture.dtype)) + " " + to_string(shape) + " can't be given " +
                std::to_string(channels) + " channels; u8 pictures have 1 or 3");
  }
  if (shape[0] == channels) return picture;
  Array result = Array::empty(DType::u8, {channels, shape[1], shape[2]});
  const auto plane = static_cast<std::size_t>(shape[1] * shape[2]);
  const auto from = picture.values<std::uint8_t>();
  const auto to = result.mutable_values<std::uint8_t>();
  if (channels == 3) {
    for (std::size_t c = 0; c < 3; ++c) std::memcpy(to.data() + c * plane, from.data(), plane);
    return result;
  }
  for (std::size_t i = 0; i < plane; ++i) {
    // 0.299, 0.587 and 0.114 in 65536ths, which add up to one.
    const std::uint32_t luma = 19595U * from[i] + 38470U * from[plane + i] + 7471U * from[2 * plane + i];
    to[i] = static_cast<std::uint8_t>((luma + 0x8000U) >> 16);
  }
  return result;
}

}  // namespace narae
