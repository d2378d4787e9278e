#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "narae/graph/eval.h"
#include "narae/io/safetensors.h"
#include "tests/house/places.h"

namespace narae::testing {

/// A file of tests/reference with the JSON text that its metadata hold under `key`.
struct ReferenceFile {
  std::map<std::string, Array> tensors;
  nlohmann::json description;

  ReferenceFile(const std::string& name, const std::string& key) {
    const auto path = test_places::source_dir() / "tests" / "reference" / name;
    TensorFile file = read_safetensors(path);
    tensors = std::move(file.tensors);
    description = nlohmann::json::parse(file.metadata.at(key));
  }

  /// The tensors "<start>.<name>" by name.
  [[nodiscard]] std::map<std::string, Array> group(const std::string& start) const {
    std::map<std::string, Array> result;
    for (const auto& [name, array] : tensors)
      if (name.starts_with(start + ".")) result.emplace(name.substr(start.size() + 1), array);
    return result;
  }
};

/// What PyTorch computes, see tests/reference/make_values.py.
inline const ReferenceFile& reference_values() {
  static const ReferenceFile file("values.safetensors", "cases");
  return file;
}

/// |got - expected| <= atol + rtol |expected| for every element; both f64.
inline void expect_near(const Array& got, const Array& expected, double rtol, double atol, const std::string& what) {
  ASSERT_TRUE(got.shape == expected.shape)
      << what << ": " << to_string(got.shape) << " against " << to_string(expected.shape);
  ASSERT_EQ(got.dtype, DType::f64) << what;
  const auto a = got.values<double>();
  const auto b = expected.values<double>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool near = std::abs(a[i] - b[i]) <= atol + rtol * std::abs(b[i]);
    ASSERT_TRUE(near) << what << "[" << i << "]: " << a[i] << " against " << b[i];
  }
}

/// "name.key": what a tensor of a case is called in the file.
inline std::string key_of(std::string name, const std::string& key) {
  name += ".";
  name += key;
  return name;
}

/// |got - expected| / |expected|, Euclidean norms.
inline double relative_error(const Array& got, const Array& expected) {
  const std::vector<double> a = Tensor(got).to_vector<double>();
  const std::vector<double> b = Tensor(expected).to_vector<double>();
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / std::max(size, 1e-300));
}

/// Values of one case in float32: each as near to those of `file` as PyTorch's own in float32, four times, or 1e-5.
inline void expect_as_near_as_float32(const ReferenceFile& file, const std::string& name,
                                      const nlohmann::json& arguments, const std::map<std::string, Array>& values) {
  for (const auto& [key, array] : values) {
    const double theirs = arguments["float32"].at(key);
    EXPECT_LE(relative_error(array, file.tensors.at(key_of(name, key))), std::max(1e-5, 4 * theirs))
        << name << " " << key;
  }
}

}  // namespace narae::testing
