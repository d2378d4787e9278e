#pragma once

#include <string>
#include <string_view>

#include "narae/core/export.h"
#include "narae/models/registry.h"

// Descriptions of language models as Hugging Face's transformers write them: config.json with a "model_type".

namespace narae::models {

/// Whether a config.json is such a description rather than one of this library (ModelConfig). False for text that is no
/// JSON.
[[nodiscard]] NARAE_API bool is_huggingface_config(std::string_view json);

/// The network that a config.json of type gpt2 or llama describes, with every option given; `file` is what messages
/// call it. Throws Error naming the file and the key for other types, missing keys, and settings that this library has
/// no network for (other activations, scaled rotary positions, biases in LLaMA's layers, ...).
[[nodiscard]] NARAE_API ModelSpec parse_huggingface_config(std::string_view json, const std::string& file);

/// The opposite, for a `gpt`. Throws Error for other models.
[[nodiscard]] NARAE_API std::string to_huggingface_config(const ModelSpec& spec);

}  // namespace narae::models
