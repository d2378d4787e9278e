#pragma once

#include <filesystem>
#include <string>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/data/image.h"
#include "narae/data/jpeg.h"

namespace narae {

/// The picture in a PNG or JPEG file, told by its first bytes: u8 (channels, height, width), 1 channel for grey and 3
/// for colour. Throws Error naming the file for anything else (see parse_png and parse_jpeg).
[[nodiscard]] NARAE_API Array read_picture(const std::filesystem::path& path,
                                           std::int64_t max_pixels = max_image_pixels);

/// The same for a file in memory; `name` is what messages call it.
[[nodiscard]] NARAE_API Array parse_picture(const Buffer& bytes, const std::string& name,
                                            std::int64_t max_pixels = max_image_pixels);

/// Channels and size from the header, and whether the file has an end, without decoding its pixels: what is cut off or
/// no picture at all is found for a thousandth of the time. Throws Error as read_picture does for these.
[[nodiscard]] NARAE_API PictureInfo probe_picture(const std::filesystem::path& path,
                                                  std::int64_t max_pixels = max_image_pixels);
[[nodiscard]] NARAE_API PictureInfo probe_picture(const Buffer& bytes, const std::string& name,
                                                  std::int64_t max_pixels = max_image_pixels);

/// A picture, u8 (1 or 3, height, width), with 1 channel (Rec. 601 luma, rounded) or 3 (grey repeated). Throws Error
/// for other arrays and numbers of channels.
[[nodiscard]] NARAE_API Array with_channels(const Array& picture, std::int64_t channels);

}  // namespace narae
