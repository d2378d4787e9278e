#pragma once

#include "narae/models/decoder.h"
#include "narae/nn/embedding.h"
#include "narae/nn/linear.h"
#include "narae/nn/module_list.h"
#include "narae/nn/norm.h"
#include "narae/nn/transformer.h"

namespace narae::models {

/// LLaMA (Touvron et al. 2023): as GPT-2, but rotary positions (Su et al. 2021), RMS norm, SwiGLU, grouped queries
/// (Ainslie et al. 2023) and no biases. Parameters have Hugging Face's names: `model.embed_tokens.weight`,
/// `model.layers.0.self_attn.q_proj.weight`, ..., `lm_head.weight`. First values: normal, deviation 0.02. Dropout of
/// the probabilities alone.
class NARAE_API Llama : public Decoder {
 public:
  /// Throws UsageError for sizes that do not fit, and heads of an odd size.
  Llama(std::int64_t vocabulary, const DecoderOptions& options);
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;

  /// Of the feed-forward layer unless given: 8/3 of the width, rounded up to a multiple of 32.
  [[nodiscard]] static std::int64_t usual_hidden(std::int64_t width);

 private:
  class Attention : public nn::Module {
   public:
    explicit Attention(const DecoderOptions& options);
    [[nodiscard]] Tensor operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const;

   private:
    std::int64_t heads_, kv_heads_, size_;
    double dropout_, base_;
    nn::Linear q_proj_, k_proj_, v_proj_, o_proj_;
  };
  class Block : public nn::Module {
   public:
    explicit Block(const DecoderOptions& options);
    [[nodiscard]] Tensor operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const;

   private:
    Attention self_attn_;
    nn::SwiGLU mlp_;
    nn::RMSNorm input_layernorm_, post_attention_layernorm_;
  };
  /// Everything below the head.
  class Model : public nn::Module {
   public:
    Model(std::int64_t vocabulary, const DecoderOptions& options);
    [[nodiscard]] Tensor operator()(const Tensor& tokens, const DecoderCall& call) const;
    [[nodiscard]] const nn::Embedding& embed_tokens() const { return embed_tokens_; }

   private:
    nn::Embedding embed_tokens_;
    nn::ModuleList<Block> layers_;
    nn::RMSNorm norm_;
  };

  Model model_;
  nn::Linear lm_head_;
};

}  // namespace narae::models
