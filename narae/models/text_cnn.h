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
  double embedding_std = 1;                       ///< deviation of the first embeddings
  std::int64_t filters = 100;                     ///< of each height
  std::vector<std::int64_t> heights = {3, 4, 5};  ///< tokens that a filter sees at once
  double dropout = 0.5;
};

/// Filters over windows of tokens, as wide as the embedding: (batch, steps, width) -> (batch, windows, filters).
/// Parameters weight (filters, 1, height, width) and bias, as torch's Conv2d has them for pictures of one channel.
class NARAE_API WindowFilters : public nn::Conv2d {
 public:
  WindowFilters(std::int64_t filters, std::int64_t height, std::int64_t width)
      : nn::Conv2d(1, filters, Size2d(height, width)) {}
  [[nodiscard]] std::int64_t height() const { return weight().size(2); }
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
};

/// Filters of several heights, named by their numbers as in torch's ModuleList.
class NARAE_API WindowFilterList : public nn::Module {
 public:
  explicit WindowFilterList(const TextCnnOptions& options);
  /// What each filter finds at most in a text: (batch, steps, width), zero behind the ends -> (batch, all filters).
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& lengths) const;

 private:
  std::vector<WindowFilters> filters_;
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
  WindowFilterList convs_;
  nn::Dropout dropout_;
  nn::Linear fc_;
};

}  // namespace narae::models
