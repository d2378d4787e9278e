#include "narae/nn/embedding.h"

#include "narae/nn/init.h"
#include "narae/ops/index.h"

namespace narae::nn {

Embedding::Embedding(std::int64_t entries, std::int64_t width, const EmbeddingOptions& options)
    : Module("Embedding", std::to_string(entries) + ", " + std::to_string(width)) {
  if (entries < 1 || width < 1) throw Error("Embedding: " + details() + ": entries and width must be at least 1");
  weight_ = register_parameter("weight", init::draw_normal(options.dtype, {entries, width}, 0, options.stddev));
}

Tensor Embedding::forward(const Tensor& indices) const {
  return embedding(weight_, indices);
}

}  // namespace narae::nn
