#pragma once

#include <filesystem>

#include "narae/core/export.h"
#include "narae/train/trained_model.h"

namespace narae {

/// Whether a folder is that of a language model as Hugging Face's transformers save it: its config.json has a
/// "model_type".
[[nodiscard]] NARAE_API bool is_pretrained_folder(const std::filesystem::path& folder);

/// A language model that transformers has saved: config.json, model.safetensors (or its shards with
/// model.safetensors.index.json) and, where it is there, the tokenizer (tokenizer.json, or vocab.json and merges.txt).
/// Names and shapes are taken as they are: what is missing, unexpected or misshapen is one Error. Throws Error naming
/// the file for anything else that is wrong.
[[nodiscard]] NARAE_API TrainedModel load_pretrained(const std::filesystem::path& folder);

/// Writes such a folder, which transformers reads: config.json, model.safetensors and the tokenizer's file where it has
/// byte pairs. Throws Error for a network that is no `gpt`.
NARAE_API void save_pretrained(const std::filesystem::path& folder, const TrainedModel& model);

}  // namespace narae
