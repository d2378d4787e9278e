#pragma once

#include <cstdint>
#include <string_view>

#include "narae/core/export.h"
#include "narae/train/trained_model.h"

namespace narae {

/// How well a language model foresees a text.
struct TextScore {
  std::int64_t tokens = 0;   ///< that were foretold: all but the first
  double loss = 0;           ///< mean of -log(probability) over them, in nats
  double perplexity = 0;     ///< exp(loss)
  double bits_per_byte = 0;  ///< of the text: comparable between tokenizers
};

/// Foretells every token of a text but the first by those before it. A recurrent network carries its state from the
/// first token to the last. One with a context reads windows that overlap by half: every token behind the first window
/// is foretold by at least half a context. Throws Error for a network that is no language model, and for a text of
/// fewer than two tokens.
[[nodiscard]] NARAE_API TextScore score_text(const TrainedModel& model, std::string_view text);

}  // namespace narae
