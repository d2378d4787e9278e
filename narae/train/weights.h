#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/nn/module.h"

namespace narae {

/// Parameters and buffers alone, under the names of the ecosystem, as a safetensors file; atomically.
NARAE_API void save_weights(const std::filesystem::path& path, const nn::Module& model);

/// Gives the model the weights of a safetensors file, or of all shards of a model through its
/// model.safetensors.index.json. Floating-point tensors are rounded to the model's type. Throws one Error naming the
/// file that lists everything missing, unexpected or misshapen, before anything is changed.
NARAE_API void load_weights(const std::filesystem::path& path, const nn::Module& model);

/// The same, but tensors that match one of the patterns `fresh` (--fresh, train.fresh; see nn::LoadOptions::except)
/// keep the values that they have and are not looked for in the file. Throws UsageError for a pattern that matches
/// nothing.
NARAE_API void load_weights(const std::filesystem::path& path, const nn::Module& model,
                            const std::vector<std::string>& fresh);

/// 16 hexadecimal digits: FNV-1a over names, types, shapes and bytes of parameters and buffers, in order. Equal for
/// equal bits.
[[nodiscard]] NARAE_API std::string weights_hash(const nn::Module& model);

}  // namespace narae
