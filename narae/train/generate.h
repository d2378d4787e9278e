#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/core/random.h"
#include "narae/text/utf8.h"
#include "narae/train/beam_search.h"
#include "narae/train/language_decoder.h"
#include "narae/train/sampling.h"
#include "narae/train/trained_model.h"

namespace narae {

/// The network of a model that goes on with texts. Throws Error for one that does not, or has no tokenizer.
[[nodiscard]] NARAE_API const nn::SequenceModule& language_model_of(const TrainedModel& model);

/// What a text goes on from.
struct Prompt {
  std::string text = {};
  std::string of_class = {};  ///< of a model of texts with classes: the one that is wanted; empty: any
};

/// A continuation that a search found.
struct FoundText {
  std::string text;
  double score = 0;  ///< see BeamAnswer
};

/// Goes on with a text, token by token, as LanguageDecoder does: what has been read is not read again. `<pad>`, `<bos>`
/// and `<unk>` are never chosen.
class NARAE_API TextGenerator {
 public:
  /// Reads the prompt. Without one, the text begins where one ended: behind `<bos>`, the token that ends texts or a
  /// line end, whichever of them the vocabulary knows first; a text with a class, behind the token of its class. Throws
  /// UsageError for an unknown class, Error for a network that is no language model, and for a prompt with
  /// characters or words that its vocabulary lacks where it has no `<unk>`.
  TextGenerator(const TrainedModel& model, const Prompt& prompt, const SamplingOptions& options);

  /// What is to be written next; nothing when the text has ended by `<eos>`. Words come with the blank between them. Of
  /// byte pairs it is what is whole by now: "" as long as the bytes of a character are not all there.
  [[nodiscard]] std::optional<std::string> next();
  /// What was held back, when no more tokens are wanted: U+FFFD for a character that was not finished.
  [[nodiscard]] std::string rest() { return bytes_.finish(); }

  /// The likeliest continuations of the prompt by beam search, best first, instead of `next`: of `options` beams,
  /// max_tokens and length_penalty; ends and forbidden tokens are the text's own, the repetition penalty the
  /// generator's.
  [[nodiscard]] std::vector<FoundText> search(BeamOptions options) const;

  /// Words or characters of the prompt that the vocabulary lacks: they were read as `<unk>`.
  [[nodiscard]] std::int64_t unknown() const { return unknown_; }

 private:
  [[nodiscard]] std::vector<float> logits() const;
  [[nodiscard]] std::string text_of(std::int64_t token);
  void read_on();

  const TrainedModel& model_;
  const nn::SequenceModule& network_;
  LanguageDecoder decoder_;
  SamplingOptions options_;
  RandomStream random_;
  TokenSequence unread_;             // read when another token is wanted: the prompt, then each token that was written
  TokenSequence seen_;               // for the repetition penalty
  std::vector<std::int64_t> never_;  // tokens that are not chosen
  text::Utf8Stream bytes_;           // of byte pairs
  std::int64_t unknown_ = 0;
  bool at_word_start_ = true;  // nothing to be kept apart from
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace narae
