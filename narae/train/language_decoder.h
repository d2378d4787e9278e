#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/nn/sequence.h"

namespace narae {

/// The tokens of one sequence.
using TokenSequence = std::vector<std::int64_t>;

struct LanguageDecoderOptions {
  /// Earlier tokens are not read again: their state is carried on (of a transformer, keys and values). False: every
  /// token costs a pass over the whole sequence, for comparison.
  bool cached = true;
};

/// Asks a language model, token by token, what comes next in each sequence of a batch. Prompts are read as one plan,
/// later tokens as another, whatever is cached: keys and values lie in memory for 64 tokens that is doubled when it is
/// full, and is written in place.
///
/// A sequence that outgrows the network's context (SequenceModule::context) goes on from its newer half: the older
/// tokens are forgotten and the others are read again. So does a prompt that is longer.
class NARAE_API LanguageDecoder {
 public:
  /// `network` has to be in evaluation mode and to outlive this.
  explicit LanguageDecoder(const nn::SequenceModule& network, const LanguageDecoderOptions& options = {})
      : network_(&network), options_(options) {}

  /// Begins with prompts, which may have different lengths: the logits of the tokens that come next, f32 (batch,
  /// vocabulary). Throws Error for no prompt, an empty one, and a token that is not in the vocabulary.
  const Array& begin(std::vector<TokenSequence> prompts);
  /// The same after one more token of each sequence.
  const Array& go_on(std::span<const std::int64_t> tokens);
  /// Goes on with those sequences alone, in that order; one may be taken several times. The logits follow them.
  void keep(std::span<const std::int64_t> rows);

  [[nodiscard]] const Array& logits() const { return logits_; }
  /// Tokens that the state has room for; 0: it has one size, or there is none.
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }

 private:
  void forget_older_halves();
  void read_all();
  void make_room();
  void ask(const Array& tokens, const Array& lengths, const Array& last);

  const nn::SequenceModule* network_;
  LanguageDecoderOptions options_;
  std::vector<TokenSequence> sequences_;
  std::vector<Tensor> state_;
  std::int64_t capacity_ = 0;
  Array logits_;
};

}  // namespace narae
