#pragma once

#include <cstdint>
#include <string>

#include "narae/nn/embedding.h"
#include "narae/nn/linear.h"
#include "narae/nn/recurrent.h"
#include "narae/nn/sequence.h"

namespace narae::models {

struct RecurrentLanguageModelOptions {
  std::string cell = "lstm";  ///< see make_layers
  std::int64_t embedding = 128;
  std::int64_t hidden = 256;
  std::int64_t layers = 2;
  double dropout = 0;         ///< of the embedded tokens, between layers and before the decoder (Zaremba et al. 2014)
  bool drop_embedded = true;  ///< false: not of the embedded tokens
  bool variational = false;   ///< one mask for all positions of a sequence (Gal and Ghahramani 2016)
  bool tied = false;          ///< the decoder has the embedding's weight (Press and Wolf 2017); same widths only
  double range = 0;           ///< first values of all parameters from +- range; 0: each layer's own
};

/// The probability of the next token, given those before: embedding, recurrent layers, a linear layer.
/// (batch, steps) tokens -> logits (batch, steps, vocabulary). Parameters `encoder.weight`, `rnn.*`, `decoder.weight`
/// and `decoder.bias`.
class NARAE_API RecurrentLanguageModel : public nn::SequenceModule {
 public:
  /// Throws UsageError for tied weights of two widths.
  explicit RecurrentLanguageModel(std::int64_t vocabulary, const RecurrentLanguageModelOptions& options = {});
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;

 private:
  [[nodiscard]] Tensor dropped(const Tensor& x) const;

  double dropout_;
  bool drop_embedded_;
  bool variational_;
  nn::Embedding encoder_;
  nn::Recurrent rnn_;
  nn::Linear decoder_;
};

}  // namespace narae::models
