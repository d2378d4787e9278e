#pragma once

#include <filesystem>
#include <string>

#include "narae/core/array.h"
#include "narae/core/export.h"

namespace narae {

/// Pictures with more pixels than this are refused, before anything is allocated for them, unless told otherwise.
inline constexpr std::int64_t max_image_pixels = std::int64_t{64} << 20;

/// The picture in a PNG file: u8 (channels, height, width), 1 channel for grey and 3 for RGB and palette files.
/// Transparency is dropped, of 16 bits the upper 8 are taken, interlacing is undone; stored values are taken as they
/// are (no gamma correction). Throws Error naming the file for anything that is not one sound PNG file, and for a
/// picture of more than `max_pixels` pixels.
[[nodiscard]] NARAE_API Array read_png(const std::filesystem::path& path, std::int64_t max_pixels = max_image_pixels);

/// The same for a PNG file in memory; `name` is what messages call it.
[[nodiscard]] NARAE_API Array parse_png(const Buffer& bytes, const std::string& name,
                                        std::int64_t max_pixels = max_image_pixels);

/// A picture, u8 (1, height, width) or (3, height, width), as the bytes of a PNG file. Throws Error for others.
[[nodiscard]] NARAE_API std::string encode_png(const Array& image);

/// Writes encode_png(image) to `path`; either the whole file appears there or what was there stays.
NARAE_API void write_png(const std::filesystem::path& path, const Array& image);

}  // namespace narae
