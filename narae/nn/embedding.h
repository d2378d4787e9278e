#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

struct EmbeddingOptions {
  DType dtype = default_dtype();
};

/// Rows of weight: (entries, width), looked up by integers of any shape: (...) -> (..., width). Standard normal at
/// first.
class NARAE_API Embedding : public Module {
 public:
  Embedding(std::int64_t entries, std::int64_t width, const EmbeddingOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& indices) const override;
  [[nodiscard]] const Tensor& weight() const { return weight_; }

 private:
  Tensor weight_;
};

}  // namespace narae::nn
