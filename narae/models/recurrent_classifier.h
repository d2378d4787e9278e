#pragma once

#include <cstdint>
#include <string>

#include "narae/nn/dropout.h"
#include "narae/nn/embedding.h"
#include "narae/nn/linear.h"
#include "narae/nn/recurrent.h"
#include "narae/nn/sequence.h"

namespace narae::models {

struct RecurrentClassifierOptions {
  std::string cell = "lstm";  ///< see make_layers
  std::int64_t embedding = 128;
  double embedding_std = 1;   ///< deviation of the first embeddings
  std::int64_t hidden = 128;  ///< in each direction
  std::int64_t layers = 1;
  bool bidirectional = true;
  std::string pooling = "max";  ///< over time: "last" (the final states), "max", "mean"
  double dropout = 0.5;         ///< of the embedded tokens, between layers and before the head
};

/// Many to one: a class for each sequence of tokens. (batch, steps) -> (batch, classes). Parameters
/// `embedding.weight`, `rnn.*`, `fc.*`.
class NARAE_API RecurrentClassifier : public nn::SequenceModule {
 public:
  RecurrentClassifier(std::int64_t vocabulary, std::int64_t classes, const RecurrentClassifierOptions& options = {});
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;

 private:
  std::string pooling_;
  bool bidirectional_;
  nn::Embedding embedding_;
  nn::Dropout dropout_;
  nn::Recurrent rnn_;
  nn::Linear fc_;
};

/// Many to many: a class for each token, with what stands before and behind it in view. (batch, steps) -> (batch,
/// steps, classes). Parameters as the classifier's; `pooling` has no effect.
class NARAE_API RecurrentTagger : public nn::SequenceModule {
 public:
  RecurrentTagger(std::int64_t vocabulary, std::int64_t classes, const RecurrentClassifierOptions& options = {});
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;

 private:
  nn::Embedding embedding_;
  nn::Dropout dropout_;
  nn::Recurrent rnn_;
  nn::Linear fc_;
};

}  // namespace narae::models
