#include "narae/data/jpeg.h"

#include <csetjmp>
#include <cstdio>

// jpeglib.h needs the types of stdio, jerror.h the settings of jpeglib.h.
#include <jpeglib.h>

#include <jerror.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "narae/core/error.h"

namespace narae {
namespace {

// Huffman codes have at least one bit a block of 64 pixels, and the first component at least a sixteenth of the blocks.
constexpr std::uint64_t max_pixels_per_byte = 64 * 8 * 16;
// A progressive file of a few kilobytes could ask for thousands of passes over a large picture; encoders make ten.
constexpr int max_scans = 500;

struct Reader {
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};
  jpeg_decompress_struct info{};
  const std::byte* data = nullptr;
  std::size_t size = 0;
  JSAMPLE* row = nullptr;  // one row of interleaved pixels
  std::uint8_t* planes = nullptr;

  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { jpeg_destroy_decompress(&info); }
};

// The library reports an error by calling `fail`, which must not return. It jumps back into `guarded`; frames in
// between are abandoned, so functions that run under it keep no object with a destructor.
[[noreturn]] void fail(j_common_ptr info) {
  auto* reader = static_cast<Reader*>(info->client_data);
  info->err->format_message(info, reader->message);
  std::longjmp(reader->jump, 1);
}

// Damage that the library would paint over. Other warnings are about headers that don't matter for the pixels.
bool means_damage(int code) {
  return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && means_damage(info->err->msg_code)) fail(info);
}

void ignore_output(j_common_ptr) {}

void limit_scans(j_common_ptr info) {
  auto* reader = static_cast<Reader*>(info->client_data);
  if (reader->info.input_scan_number <= max_scans) return;
  std::snprintf(reader->message, sizeof reader->message, "more than %d scans", max_scans);
  std::longjmp(reader->jump, 1);
}

// Calls step(reader); false when the library reported an error.
bool guarded(Reader& reader, void (*step)(Reader&)) {
  if (setjmp(reader.jump) != 0) return false;
  step(reader);
  return true;
}

void read_header(Reader& reader) {
  jpeg_create_decompress(&reader.info);
  reader.info.client_data = &reader;
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, reinterpret_cast<const unsigned char*>(reader.data), reader.size);
  (void)jpeg_read_header(&reader.info, TRUE);
}

void start(Reader& reader) {
  (void)jpeg_start_decompress(&reader.info);
}

// Adobe's four inks, stored inverted: each colour is its own ink times black, rounded.
void write_inks(const Reader& reader, std::size_t offset, std::size_t plane) {
  for (std::size_t x = 0; x < reader.info.output_width; ++x) {
    const JSAMPLE* pixel = reader.row + 4 * x;
    for (std::size_t c = 0; c < 3; ++c) {
      reader.planes[c * plane + offset + x] =
          static_cast<std::uint8_t>(pixel[3] - ((255U - pixel[c]) * pixel[3] + 127U) / 255U);
    }
  }
}

void read_pixels(Reader& reader) {
  const auto width = static_cast<std::size_t>(reader.info.output_width);
  const std::size_t plane = width * reader.info.output_height;
  const auto channels = static_cast<std::size_t>(reader.info.output_components);
  while (reader.info.output_scanline < reader.info.output_height) {
    const std::size_t offset = reader.info.output_scanline * width;
    (void)jpeg_read_scanlines(&reader.info, &reader.row, 1);
    if (channels == 4) {
      write_inks(reader, offset, plane);
      continue;
    }
    for (std::size_t c = 0; c < channels; ++c) {
      std::uint8_t* to = reader.planes + c * plane + offset;
      const JSAMPLE* from = reader.row + c;
      for (std::size_t x = 0; x < width; ++x) to[x] = from[x * channels];
    }
  }
  (void)jpeg_finish_decompress(&reader.info);
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw Error(name + ": " + why);
}

void check(bool done, const Reader& reader, const std::string& name) {
  if (done) return;
  const std::size_t left = reader.info.src == nullptr ? 0 : std::min(reader.info.src->bytes_in_buffer, reader.size);
  refuse(name, "broken JPEG file at byte " + std::to_string(reader.size - left) + " of " + std::to_string(reader.size) +
                   ": " + reader.message + "; get an undamaged copy or save it again with a picture editor");
}

// Refuses what can't be decoded or what the file can't hold, before memory is asked for.
void check_header(const Reader& reader, const std::string& name, std::int64_t max_pixels) {
  const std::uint64_t width = reader.info.image_width;
  const std::uint64_t height = reader.info.image_height;
  const std::string extents = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  if (width * height > static_cast<std::uint64_t>(max_pixels))
    refuse(name, "a picture of " + extents + ", more than the limit of " + std::to_string(max_pixels) +
                     " pixels; make it smaller first or raise data.max_pixels");
  if (reader.info.arith_code == FALSE && width * height / max_pixels_per_byte > reader.size)
    refuse(name, "the header claims " + extents + ", but the file's " + std::to_string(reader.size) +
                     " bytes can't hold them; it is damaged or was cut off");
  if (reader.info.num_components != 1 && reader.info.num_components != 3 && reader.info.num_components != 4)
    refuse(name, std::to_string(reader.info.num_components) + " colour components; 1, 3 or 4 are supported");
}

void open(Reader& reader, const Buffer& bytes, const std::string& name, std::int64_t max_pixels) {
  if (bytes.size() < 2 || bytes.data()[0] != std::byte{0xFF} || bytes.data()[1] != std::byte{0xD8})
    refuse(name, "not a JPEG file (it does not begin with the bytes FF D8)");
  reader.data = bytes.data();
  reader.size = bytes.size();
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.info.client_data = &reader;
  reader.errors.error_exit = fail;
  reader.errors.emit_message = on_message;
  reader.errors.output_message = ignore_output;
  reader.progress.progress_monitor = limit_scans;
  check(guarded(reader, read_header), reader, name);
  check_header(reader, name, max_pixels);
}

J_COLOR_SPACE output_space(const jpeg_decompress_struct& info) {
  if (info.num_components == 1) return JCS_GRAYSCALE;
  return info.num_components == 3 ? JCS_RGB : JCS_CMYK;
}

std::int64_t channels_of(const jpeg_decompress_struct& info) {
  return info.num_components == 1 ? 1 : 3;
}

}  // namespace

Array parse_jpeg(const Buffer& bytes, const std::string& name, std::int64_t max_pixels) {
  Reader reader;
  open(reader, bytes, name, max_pixels);
  reader.info.out_color_space = output_space(reader.info);
  check(guarded(reader, start), reader, name);
  Array image =
      Array::empty(DType::u8, {channels_of(reader.info), reader.info.output_height, reader.info.output_width});
  std::vector<JSAMPLE> row(std::size_t{reader.info.output_width} *
                           static_cast<std::size_t>(reader.info.output_components));
  reader.row = row.data();
  reader.planes = image.mutable_values<std::uint8_t>().data();
  check(guarded(reader, read_pixels), reader, name);
  return image;
}

PictureInfo probe_jpeg(const Buffer& bytes, const std::string& name, std::int64_t max_pixels) {
  Reader reader;
  open(reader, bytes, name, max_pixels);
  // Within the pixels a byte FF is never followed by D9: it ends the picture, also where other data follow it.
  const std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t begin = bytes.size() - std::min(reader.info.src->bytes_in_buffer, bytes.size());
  const std::size_t end = rest.rfind("\xFF\xD9");
  if (end == std::string_view::npos || end < begin)
    refuse(name, "a JPEG file of " + std::to_string(bytes.size()) + " bytes without an end; it was cut off");
  return {.channels = channels_of(reader.info),
          .height = static_cast<std::int64_t>(reader.info.image_height),
          .width = static_cast<std::int64_t>(reader.info.image_width)};
}

}  // namespace narae
