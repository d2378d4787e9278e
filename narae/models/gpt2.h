#pragma once

#include "narae/models/decoder.h"
#include "narae/nn/dropout.h"
#include "narae/nn/embedding.h"
#include "narae/nn/linear.h"
#include "narae/nn/module_list.h"
#include "narae/nn/norm.h"

namespace narae::models {

/// GPT-2 (Radford et al. 2019): token and position embeddings, pre-norm layers of causal attention and a feed-forward
/// layer with GELU (the tanh form), a last norm, and the embedding's weight as the head. Parameters have Hugging Face's
/// names and shapes: `transformer.wte.weight`, `transformer.h.0.attn.c_attn.weight` (inputs, outputs), ...,
/// `lm_head.weight`. First values: normal, deviation 0.02, and 0.02 / sqrt(2 layers) for the projections that end in a
/// shortcut; biases 0. Dropout of the embeddings, of the probabilities and of each branch.
class NARAE_API Gpt2 : public Decoder {
 public:
  /// Throws UsageError for sizes that do not fit, and for fewer heads of keys than of queries.
  Gpt2(std::int64_t vocabulary, const DecoderOptions& options);
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;

 private:
  /// x weight + bias, the weight as (inputs, outputs).
  class Conv1D : public nn::Module {
   public:
    Conv1D(std::int64_t inputs, std::int64_t outputs, double std);
    [[nodiscard]] Tensor forward(const Tensor& x) const override;

   private:
    Tensor weight_, bias_;
  };
  class Attention : public nn::Module {
   public:
    explicit Attention(const DecoderOptions& options);
    [[nodiscard]] Tensor operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const;

   private:
    std::int64_t heads_;
    double dropout_;
    Conv1D c_attn_, c_proj_;
  };
  class FeedForward : public nn::Module {
   public:
    explicit FeedForward(const DecoderOptions& options);
    [[nodiscard]] Tensor forward(const Tensor& x) const override;

   private:
    Conv1D c_fc_, c_proj_;
  };
  class Block : public nn::Module {
   public:
    explicit Block(const DecoderOptions& options);
    [[nodiscard]] Tensor operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const;

   private:
    nn::LayerNorm ln_1_;
    Attention attn_;
    nn::LayerNorm ln_2_;
    FeedForward mlp_;
    nn::Dropout dropout_;
  };
  /// Everything below the head.
  class Transformer : public nn::Module {
   public:
    Transformer(std::int64_t vocabulary, const DecoderOptions& options);
    [[nodiscard]] Tensor operator()(const Tensor& tokens, const DecoderCall& call) const;
    [[nodiscard]] const nn::Embedding& wte() const { return wte_; }

   private:
    nn::Embedding wte_, wpe_;
    nn::Dropout drop_;
    nn::ModuleList<Block> h_;
    nn::LayerNorm ln_f_;
  };

  Transformer transformer_;
  nn::Linear lm_head_;
};

}  // namespace narae::models
