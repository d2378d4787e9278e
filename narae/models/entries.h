#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "narae/core/error.h"
#include "narae/models/registry.h"

// How models come into the registry: a list of entries for each family of networks.

namespace narae::models {

/// A model's description and what builds it from a spec with every option given.
struct Entry {
  ModelInfo info;
  std::shared_ptr<nn::Module> (*make)(const ModelSpec& resolved);
};

/// perceptron, softmax, mlp, lenet5.
[[nodiscard]] std::vector<Entry> basic_entries();
/// The convolutional networks that were made for photographs.
[[nodiscard]] std::vector<Entry> convolutional_entries();
/// Networks for text and other sequences.
[[nodiscard]] std::vector<Entry> sequence_entries();
/// Transformers that go on with a text.
[[nodiscard]] std::vector<Entry> decoder_entries();

/// The value of an option of a resolved spec.
template <class T>
[[nodiscard]] const T& option(const ModelSpec& spec, const std::string& name) {
  for (const auto& [key, value] : spec.options)
    if (key == name) return std::get<T>(value);
  throw Error("model '" + spec.name + "': option '" + name + "' was not resolved");
}

}  // namespace narae::models
