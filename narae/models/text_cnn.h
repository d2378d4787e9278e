#pragma once

#include <cstdint>
#include <vector>

#include "narae/nn/conv.h"
#include "narae/nn/dropout.h"
#include "narae/nn/embedding.h"
#include "narae/nn/linear.h"
#include "narae/nn/sequence.h"

namespace narae::models {

struct TextCnnOptions {
  std::int64_t embedding = 128;
  std::int64_t filters = 100;                     ///< of each height
  std::vector<std::int64_t> heights = {3, 4, 5};  ///< tokens that a filter sees at once
  double dropout = 0.5;
};

/// The convolutional sentence classifier of Kim 2014, "Convolutional neural networks for sentence classification":
/// filters over windows of tokens, ReLU, the maximum over time, a linear layer. (batch, steps) tokens -> (batch,
/// classes). Parameters `embedding.weight`, `convs.I.weight` (filters, 1, height, embedding), `convs.I.bias`, `fc.*`.
class NARAE_API TextCnn : public nn::SequenceModule {
 public:
  TextCnn(std::int64_t vocabulary, std::int64_t classes, const TextCnnOptions& options = {});
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;

 private:
  nn::Embedding embedding_;
  std::vector<nn::Conv2d> convs_;
  nn::Dropout dropout_;
  nn::Linear fc_;
};

}  // namespace narae::models
