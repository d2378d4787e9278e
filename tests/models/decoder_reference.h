#pragma once

#include <memory>
#include <string>
#include <vector>

#include "narae/nn/sequence.h"
#include "tests/models/zoo_reference.h"

// The transformers of tests/reference/make_gpt.py.

namespace narae::testing {

inline const ReferenceFile& decoder_values() {
  static const ReferenceFile file("gpt.safetensors", "cases");
  return file;
}

/// The network of a case with its weights, in evaluation mode.
inline std::shared_ptr<nn::SequenceModule> decoder_of(const std::string& name) {
  nlohmann::json description = decoder_values().description[name];
  description["input"].insert(description["input"].begin(), 1);  // the batch
  auto network = std::dynamic_pointer_cast<nn::SequenceModule>(undefined_network(description));
  network->load_state_dict(decoder_values().group(name + ".param"));
  network->eval();
  return network;
}

inline std::vector<std::int64_t> integers(const std::string& name, const std::string& key) {
  return Tensor(decoder_values().tensors.at(key_of(name, key))).to_vector<std::int64_t>();
}

inline std::vector<std::string> decoder_cases() {
  std::vector<std::string> names;
  for (const auto& [name, description] : decoder_values().description.items()) names.push_back(name);
  return names;
}

}  // namespace narae::testing
