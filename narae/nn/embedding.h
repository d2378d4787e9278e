#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

struct EmbeddingOptions {
  DType dtype = default_dtype();
  double stddev = 1;  ///< deviation of the first values
};

/// Rows of weight: (entries, width), looked up by integers of any shape: (...) -> (..., width). Normal at first.
class NARAE_API Embedding : public Module {
 public:
  Embedding(std::int64_t entries, std::int64_t width, const EmbeddingOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& indices) const override;
  [[nodiscard]] const Tensor& weight() const { return weight_; }

 private:
  Tensor weight_;
};

}  // namespace narae::nn
