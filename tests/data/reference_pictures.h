#pragma once

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "narae/core/array.h"
#include "narae/io/safetensors.h"
#include "tests/house/places.h"

namespace narae::testing_files {

/// What Pillow makes of pictures, see tests/reference/make_pictures.py.
inline const std::map<std::string, Array>& reference_pictures() {
  static const std::map<std::string, Array> tensors =
      read_safetensors(test_places::source_dir() / "tests/reference/pictures.safetensors").tensors;
  return tensors;
}

/// The bytes of one of its PNG or JPEG files.
inline std::string reference_file(const std::string& name) {
  const Array& bytes = reference_pictures().at("file." + name);
  return {reinterpret_cast<const char*>(bytes.buffer.data()), bytes.bytes()};
}

/// No value differs by more than `most`.
inline void expect_close(const Array& got, const Array& expected, int most, const std::string& what) {
  ASSERT_EQ(got.shape, expected.shape) << what;
  const auto a = got.values<std::uint8_t>();
  const auto b = expected.values<std::uint8_t>();
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  EXPECT_LE(largest, most) << what;
}

}  // namespace narae::testing_files
