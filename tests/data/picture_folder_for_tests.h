#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "narae/core/array.h"
#include "narae/data/image.h"
#include "tests/data/files_for_tests.h"

namespace narae::testing_files {

/// A picture (channels, height, width) of one colour with a little texture, so that it survives JPEG and PNG.
inline Array flat_picture(const Shape& shape, int value) {
  Array picture = Array::empty(DType::u8, shape);
  const auto pixels = picture.mutable_values<std::uint8_t>();
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<std::uint8_t>(value + static_cast<int>(i % 3));
  return picture;
}

inline void write_picture(const std::filesystem::path& path, const Array& picture) {
  std::filesystem::create_directories(path.parent_path());
  write_png(path, picture);
}

/// `count` pictures a class in folder/<class>/: class k has the grey value 40 + 100 k.
inline void write_classes(const std::filesystem::path& folder, const std::vector<std::string>& classes, int count,
                          const Shape& shape = {3, 8, 8}) {
  for (std::size_t k = 0; k < classes.size(); ++k) {
    for (int i = 0; i < count; ++i) {
      write_picture(folder / classes[k] / ("p" + std::to_string(i) + ".png"),
                    flat_picture(shape, 40 + 100 * static_cast<int>(k) + i));
    }
  }
}

}  // namespace narae::testing_files
