#pragma once

#include <cmath>
#include <memory>
#include <string>

#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/models/registry.h"
#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "tests/nn/reference_values.h"

// The numbers by which tests/reference/make_zoo.py fills networks: functions of a tensor's name and an element's
// number.

namespace narae::testing {

inline const ReferenceFile& zoo_values() {
  static const ReferenceFile file("zoo.safetensors", "zoo");
  return file;
}

/// Random 64-bit word `i` of a name's sequence: SplitMix64 started at the hash of the name.
inline std::uint64_t word_of(std::uint64_t hash, std::uint64_t i) {
  std::uint64_t z = hash + (i + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// center + spread * (2 u - 1), u uniform in [0, 1) with 24 bits, rounded to float32.
inline Array numbers(const std::string& name, const Shape& shape, double center, double spread) {
  const std::uint64_t hash = hash_of(name);
  Array array = Array::empty(DType::f32, shape);
  const auto values = array.mutable_values<float>();
  parallel_for(array.count(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const double u = static_cast<double>(word_of(hash, i) >> 40) * 0x1p-24;
      values[i] = static_cast<float>(center + spread * (2 * u - 1));
    }
  });
  return array;
}

/// A parameter's value: weights keep the variance through ReLU, factors and biases lie around 1.
inline Array parameter_numbers(const std::string& name, const Shape& shape) {
  if (shape.rank() > 1) return numbers(name, shape, 0, std::sqrt(6.0 / nn::init::fans_of(shape).in));
  return numbers(name, shape, 1, 0.25);
}

/// Pictures (batch, channels, height, width) of variance 1.
inline Tensor input_numbers(const nlohmann::json& description) {
  const Shape shape(description["input"].get<std::vector<std::int64_t>>());
  return numbers("input." + std::to_string(description["seed"].get<int>()), shape, 0, std::sqrt(3.0));
}

inline void without_dropout(const nn::Module& module) {
  if (module.kind() == "Dropout") module.eval();
  for (const auto& [name, child] : module.children()) without_dropout(child);
}

inline OptionValue option_value(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return value.get<std::vector<std::int64_t>>();
  if (value.is_number_float()) return value.get<double>();
  return value.get<std::int64_t>();
}

/// The network of a case; its weights are undefined.
inline std::shared_ptr<nn::Module> undefined_network(const nlohmann::json& description, DType dtype = DType::f32) {
  models::ModelSpec spec{.name = description["model"],
                         .options = {},
                         .input = Shape(description["input"].get<std::vector<std::int64_t>>()),
                         .num_classes = description["classes"],
                         .vocabulary = description.value("vocabulary", std::int64_t{0})};
  spec.input = Shape(spec.input.dims().subspan(1));
  for (const auto& [name, value] : description["options"].items()) {
    spec.options.emplace_back(name, option_value(value));
  }
  const nn::init::Skip skip;
  const DType before = nn::default_dtype();
  nn::set_default_dtype(dtype);
  auto model = models::make_model(spec);
  nn::set_default_dtype(before);
  return model;
}

/// The same with those parameters and running statistics of 0, in training mode without dropout.
inline std::shared_ptr<nn::Module> reference_network(const nlohmann::json& description, DType dtype = DType::f32) {
  auto model = undefined_network(description, dtype);
  nn::StateDict state;
  for (const auto& [name, tensor] : model->named_parameters()) {
    state.emplace_back(name, cast(Tensor(parameter_numbers(name, tensor.shape())), tensor.dtype()).array());
  }
  for (const auto& [name, tensor] : model->named_buffers()) {
    state.emplace_back(name, Array::zeros(tensor.dtype(), tensor.shape()));
  }
  model->load_state_dict(state);
  model->train();
  without_dropout(*model);
  return model;
}

}  // namespace narae::testing
