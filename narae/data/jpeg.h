#pragma once

#include <string>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/data/image.h"

namespace narae {

/// What the header of a picture's file says.
struct PictureInfo {
  std::int64_t channels = 0;  ///< 1 for grey, 3 for colour
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The picture in a JPEG file in memory: u8 (channels, height, width), 1 channel for grey and 3 for everything else.
/// YCbCr, CMYK and YCCK become RGB (four inks are taken as Adobe's programs store them, inverted); an orientation in
/// the metadata is not applied. `name` is what messages call the file. Throws Error for anything that is not one sound
/// JPEG file of 8 bits - truncated and damaged pixel data too - and for more than `max_pixels` pixels, before anything
/// is allocated for them.
[[nodiscard]] NARAE_API Array parse_jpeg(const Buffer& bytes, const std::string& name,
                                         std::int64_t max_pixels = max_image_pixels);

/// Reads the header and looks for the end of the picture without decoding it. Throws Error for a file that can't be a
/// whole picture, and for one that parse_jpeg would refuse by its header.
[[nodiscard]] NARAE_API PictureInfo probe_jpeg(const Buffer& bytes, const std::string& name,
                                               std::int64_t max_pixels = max_image_pixels);

}  // namespace narae
