#include "narae/data/image.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"

namespace narae {
namespace {

constexpr std::size_t signature_size = 8;
// Deflate can't shrink data by more than this factor (a 258-byte match takes at least two bits).
constexpr std::uint64_t max_deflate_ratio = 1032;

// libpng reports an error by calling `fail`, which must not return. It jumps back into `guarded`; frames in between
// are abandoned, so functions that run under it keep no object with a destructor.
struct Message {
  char text[160] = {};
};

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto* target = static_cast<Message*>(png_get_error_ptr(png));
  std::strncpy(target->text, message, sizeof(target->text) - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

// Calls step(argument); false when libpng reported an error.
template <class Argument>
bool guarded(png_structp png, void (*step)(Argument&), Argument& argument) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  step(argument);
  return true;
}

// ---- Reading -----------------------------------------------------------------------------------------------------

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const std::byte* data = nullptr;
  std::size_t size = 0;
  std::size_t position = 0;
  png_bytepp rows = nullptr;
  Message error;

  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void take_bytes(png_structp png, png_bytep target, std::size_t count) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader->size - reader->position) png_error(png, "the file ends too early");
  std::memcpy(target, reader->data + reader->position, count);
  reader->position += count;
}

void read_header(Reader& reader) {
  png_set_read_fn(reader.png, &reader, take_bytes);
  // Only what the pixels need is read: colour profiles, texts and the like are skipped unparsed.
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  // Not libpng's own limit of a million: check_size bounds the picture.
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(reader.png, reader.info);
}

void choose_conversions(Reader& reader) {
  const int type = png_get_color_type(reader.png, reader.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader.png);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_strip_16(reader.png);
  (void)png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
}

void read_pixels(Reader& reader) {
  png_read_image(reader.png, reader.rows);
  png_read_end(reader.png, nullptr);
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw Error(name + ": " + why);
}

void check(bool done, const Reader& reader, const std::string& name) {
  if (!done)
    refuse(name, std::string("broken PNG file at byte ") + std::to_string(reader.position) + " of " +
                     std::to_string(reader.size) + ": " + reader.error.text +
                     "; get an undamaged copy or save it again with a picture editor");
}

// Refuses a header that the rest of the file can't live up to, before memory is asked for.
void check_size(const Reader& reader, const std::string& name, std::int64_t max_pixels) {
  const std::uint64_t width = png_get_image_width(reader.png, reader.info);
  const std::uint64_t height = png_get_image_height(reader.png, reader.info);
  const std::string extents = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  if (width * height > static_cast<std::uint64_t>(max_pixels))
    refuse(name, "a picture of " + extents + ", more than the limit of " + std::to_string(max_pixels) +
                     " pixels; make it smaller first or raise data.max_pixels");
  const std::uint64_t bits =
      std::uint64_t{png_get_bit_depth(reader.png, reader.info)} * png_get_channels(reader.png, reader.info);
  if (width * height * bits / 8 / max_deflate_ratio > reader.size)
    refuse(name, "the header claims " + extents + ", but the file's " + std::to_string(reader.size) +
                     " bytes can't hold them; it is damaged or was cut off");
}

// Interleaved rows to planes.
Array to_planes(const png_byte* pixels, std::int64_t height, std::int64_t width, std::size_t channels) {
  Array image = Array::empty(DType::u8, {static_cast<std::int64_t>(channels), height, width});
  const auto count = static_cast<std::size_t>(height * width);
  const auto values = image.mutable_values<std::uint8_t>();
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < count; ++i) values[c * count + i] = pixels[i * channels + c];
  }
  return image;
}

// ---- Writing -----------------------------------------------------------------------------------------------------

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int color_type = PNG_COLOR_TYPE_GRAY;
  png_bytepp rows = nullptr;
  std::string bytes;
  Message error;

  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

void append_bytes(png_structp png, png_bytep source, std::size_t count) {
  auto* writer = static_cast<Writer*>(png_get_io_ptr(png));
  bool enough_memory = true;
  try {
    writer->bytes.append(reinterpret_cast<const char*>(source), count);
  } catch (const std::bad_alloc&) {
    enough_memory = false;  // jumping out of a handler would leak the exception
  }
  if (!enough_memory) png_error(png, "out of memory");
}

void write_all(Writer& writer) {
  png_set_write_fn(writer.png, &writer, append_bytes, nullptr);
  // Not libpng's own limit of a million: the shape of the array is what bounds a side.
  png_set_user_limits(writer.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(writer.png, writer.info, writer.width, writer.height, 8, writer.color_type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  png_write_image(writer.png, writer.rows);
  png_write_end(writer.png, nullptr);
}

// Pointers to the rows of interleaved pixels, as libpng wants them.
std::vector<png_bytep> rows_of(png_bytep pixels, std::size_t height, std::size_t row_bytes) {
  std::vector<png_bytep> rows(height);
  for (std::size_t y = 0; y < height; ++y) rows[y] = pixels + y * row_bytes;
  return rows;
}

}  // namespace

Array read_png(const std::filesystem::path& path, std::int64_t max_pixels) {
  return parse_png(map_file(path), path.string(), max_pixels);
}

Array parse_png(const Buffer& bytes, const std::string& name, std::int64_t max_pixels) {
  if (bytes.size() < signature_size ||
      png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, signature_size) != 0)
    refuse(name, "not a PNG file (its first 8 bytes are not PNG's); convert the picture to PNG");
  Reader reader;
  reader.data = bytes.data();
  reader.size = bytes.size();
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader.error, fail, ignore_warning);
  reader.info = reader.png == nullptr ? nullptr : png_create_info_struct(reader.png);
  if (reader.info == nullptr) refuse(name, "libpng could not be started (out of memory?)");

  check(guarded(reader.png, read_header, reader), reader, name);
  check_size(reader, name, max_pixels);
  check(guarded(reader.png, choose_conversions, reader), reader, name);

  const std::size_t width = png_get_image_width(reader.png, reader.info);
  const std::size_t height = png_get_image_height(reader.png, reader.info);
  const std::size_t channels = png_get_channels(reader.png, reader.info);
  const std::size_t row_bytes = png_get_rowbytes(reader.png, reader.info);
  if (row_bytes != width * channels) refuse(name, "libpng did not reduce its pixels to 8 bits");
  const Buffer pixels = Buffer::allocate(row_bytes * height);
  auto* first = reinterpret_cast<png_bytep>(pixels.data());
  std::vector<png_bytep> rows = rows_of(first, height, row_bytes);
  reader.rows = rows.data();
  check(guarded(reader.png, read_pixels, reader), reader, name);
  return to_planes(first, static_cast<std::int64_t>(height), static_cast<std::int64_t>(width), channels);
}

std::string encode_png(const Array& image) {
  const Shape& shape = image.shape;
  const bool fits = image.dtype == DType::u8 && shape.rank() == 3 && (shape[0] == 1 || shape[0] == 3);
  if (!fits || shape[1] < 1 || shape[2] < 1 || shape[1] > max_image_pixels / shape[2])
    throw Error(
        "a PNG picture must be u8 of shape (1, height, width) or (3, height, width) with 1 to 64 Mpixel; this "
        "one is " +
        std::string(name_of(image.dtype)) + " " + to_string(shape));
  const auto channels = static_cast<std::size_t>(shape[0]);
  const auto height = static_cast<std::size_t>(shape[1]);
  const auto width = static_cast<std::size_t>(shape[2]);
  const std::size_t count = height * width;
  const auto values = image.values<std::uint8_t>();
  std::vector<png_byte> pixels(count * channels);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < count; ++i) pixels[i * channels + c] = values[c * count + i];
  std::vector<png_bytep> rows = rows_of(pixels.data(), height, width * channels);

  Writer writer;
  writer.width = static_cast<png_uint_32>(width);
  writer.height = static_cast<png_uint_32>(height);
  writer.color_type = channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY;
  writer.rows = rows.data();
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer.error, fail, ignore_warning);
  writer.info = writer.png == nullptr ? nullptr : png_create_info_struct(writer.png);
  if (writer.info == nullptr || !guarded(writer.png, write_all, writer))
    throw Error(std::string("a picture ") + to_string(shape) +
                " could not be encoded as PNG: " + (writer.info == nullptr ? "out of memory" : writer.error.text));
  return std::move(writer.bytes);
}

void write_png(const std::filesystem::path& path, const Array& image) {
  write_file(path, encode_png(image));
}

}  // namespace narae
