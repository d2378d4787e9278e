#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/data/resize.h"
#include "narae/models/config.h"
#include "narae/nn/module.h"
#include "narae/text/tokenizer.h"

namespace narae {

/// A network with the weights of a run, in evaluation mode.
struct TrainedModel {
  models::ModelConfig config;
  std::shared_ptr<nn::Module> network;
  std::optional<text::Tokenizer> tokenizer = {};  ///< of a network for texts
};

/// Loads a run's network with its "best" or "last" weights. Throws Error naming what is missing in the folder.
[[nodiscard]] NARAE_API TrainedModel load_trained(const std::filesystem::path& run, const std::string& which = "best");

/// Writes the tokenizer of a run, as `vocabulary.json` or, of byte pairs, `tokenizer.json`; a file of the other kind is
/// removed. Throws Error as AtomicFile does.
NARAE_API void save_tokenizer_of(const std::filesystem::path& run, const text::Tokenizer& tokenizer);
/// The tokenizer of a run, or nothing for one that doesn't learn from texts. Throws Error for a damaged file.
[[nodiscard]] NARAE_API std::optional<text::Tokenizer> tokenizer_of(const std::filesystem::path& run);

/// Class probabilities f32 (n, classes) for texts. Throws Error for a network that takes no texts.
[[nodiscard]] NARAE_API Array predict_texts(const TrainedModel& model, std::span<const std::string> texts);

/// Turns a picture, u8 (1 or 3, height, width), into what the network takes: grey or RGB, brought to its size as
/// `options` say. Throws Error when the network takes no pictures.
[[nodiscard]] NARAE_API Array fitted_picture(const models::ModelConfig& config, const Array& picture,
                                             const FitOptions& options = {});

/// Class probabilities f32 (n, classes) for samples u8 or f32 (n, input...): normalised, one forward pass.
[[nodiscard]] NARAE_API Array predict(const TrainedModel& model, const Array& samples);

/// Reads points, one a line: coordinates with commas or blanks between them; lines that are empty or begin with '#' are
/// left out. Returns f32 (n, dimensions). Throws Error naming `source` and the line for anything else.
[[nodiscard]] NARAE_API Array parse_points(std::string_view text, std::int64_t dimensions, const std::string& source);

}  // namespace narae
