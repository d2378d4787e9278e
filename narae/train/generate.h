#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/core/random.h"
#include "narae/nn/sequence.h"
#include "narae/text/utf8.h"
#include "narae/train/trained_model.h"

namespace narae {

/// How a token is chosen by a language model's logits.
struct SamplingOptions {
  double temperature = 1;  ///< divides the logits; 0: the likeliest token is always taken (greedy)
  std::int64_t top_k = 0;  ///< only so many of the likeliest tokens; 0: all
  double top_p = 1;        ///< only the likeliest tokens that have this share of the probability together
  std::uint64_t seed = 0;
};

/// What a text goes on from.
struct Prompt {
  std::string text = {};
  std::string of_class = {};  ///< of a model of texts with classes: the one that is wanted; empty: any
};

/// Chooses a token: of the `top_k` likeliest those that reach `top_p` together (at least one), at random by
/// softmax(logits / temperature). Of equal logits the lower token comes first. `logits` of -infinity are never chosen.
/// Throws UsageError for options out of range, and Error for logits that are NaN.
[[nodiscard]] NARAE_API std::int64_t sample_token(std::span<const float> logits, const SamplingOptions& options,
                                                  RandomStream& random);

/// Goes on with a text, token by token, with the state of a recurrent language model carried along: every token costs
/// the same. `<pad>`, `<bos>` and `<unk>` are never chosen.
class NARAE_API TextGenerator {
 public:
  /// Reads the prompt. Without one, the text begins where one ended: behind `<bos>`, the token that ends texts or a
  /// line end, whichever of them the vocabulary knows first; a text with a class, behind the token of its class. Throws
  /// UsageError for an unknown class, Error for a network that is no recurrent language model, and for a prompt with
  /// characters or words that its vocabulary lacks where it has no `<unk>`.
  TextGenerator(const TrainedModel& model, const Prompt& prompt, const SamplingOptions& options);

  /// What is to be written next; nothing when the text has ended by `<eos>`. Words come with the blank between them. Of
  /// byte pairs it is what is whole by now: "" as long as the bytes of a character are not all there.
  [[nodiscard]] std::optional<std::string> next();
  /// What was held back, when no more tokens are wanted: U+FFFD for a character that was not finished.
  [[nodiscard]] std::string rest() { return bytes_.finish(); }

  /// Words or characters of the prompt that the vocabulary lacks: they were read as `<unk>`.
  [[nodiscard]] std::int64_t unknown() const { return unknown_; }

 private:
  void read(std::span<const std::int64_t> tokens);
  [[nodiscard]] std::string text_of(std::int64_t token);

  const TrainedModel& model_;
  const nn::SequenceModule& network_;
  SamplingOptions options_;
  RandomStream random_;
  std::vector<Tensor> state_;
  std::vector<float> logits_;        // of the token that comes next
  std::vector<std::int64_t> never_;  // tokens that are not chosen
  text::Utf8Stream bytes_;           // of byte pairs
  std::int64_t unknown_ = 0;
  bool at_word_start_ = true;  // nothing to be kept apart from
  bool ended_ = false;
};

}  // namespace narae
