#pragma once

#include <cstdint>

#include "narae/nn/attention.h"
#include "narae/nn/dropout.h"
#include "narae/nn/norm.h"

namespace narae::nn {

enum class FeedForwardActivation : std::uint8_t { relu, gelu, gelu_tanh };

struct TransformerLayerOptions {
  std::int64_t feed_forward = 2048;  ///< width between the two linear layers
  double dropout = 0.1;              ///< of probabilities, between the linear layers and of each branch
  FeedForwardActivation activation = FeedForwardActivation::relu;
  bool norm_first = false;  ///< pre-norm: x + f(norm(x)); else post-norm: norm(x + f(x))
  double eps = 1e-5;        ///< of the layer norms
  bool bias = true;
  DType dtype = default_dtype();
};

/// Self-attention and two linear layers, each beside a shortcut with a layer norm (Vaswani et al. 2017; pre-norm: Xiong
/// et al. 2020). Parameters are named as PyTorch's: self_attn, linear1, linear2, norm1, norm2.
class NARAE_API TransformerEncoderLayer : public Module {
 public:
  TransformerEncoderLayer(std::int64_t width, std::int64_t heads, const TransformerLayerOptions& options = {});
  /// x: (batch, time, width).
  [[nodiscard]] Tensor operator()(const Tensor& x, const AttentionOptions& options) const;
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  using Module::operator();
  [[nodiscard]] const MultiHeadAttention& self_attention() const { return self_attn_; }

 private:
  [[nodiscard]] Tensor run(const Tensor& x, const AttentionOptions& options) const;

  TransformerLayerOptions options_;
  MultiHeadAttention self_attn_;
  Linear linear1_;
  Linear linear2_;
  LayerNorm norm1_;
  LayerNorm norm2_;
  Dropout dropout_;
};

/// Self-attention, attention to an encoder's output and two linear layers. Parameters are named as PyTorch's:
/// self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3.
class NARAE_API TransformerDecoderLayer : public Module {
 public:
  TransformerDecoderLayer(std::int64_t width, std::int64_t heads, const TransformerLayerOptions& options = {});
  /// x: (batch, time, width), memory: (batch, time of the encoder, width). `self` says what x sees of itself (causal,
  /// as a rule), `cross` what it sees of the memory.
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& memory,
                                  const AttentionOptions& self = {.causal = true},
                                  const AttentionOptions& cross = {}) const;
  /// The same with a memory that was projected before (`project`), and attention of x to itself as `self` says: with
  /// the keys and values of earlier calls, for example.
  [[nodiscard]] Tensor operator()(const Tensor& x, const Attend& self, const KeysAndValues& memory,
                                  const AttentionOptions& cross = {}) const;
  /// Keys and values of a memory (batch, time of the encoder, width).
  [[nodiscard]] KeysAndValues project(const Tensor& memory) const;
  [[nodiscard]] const MultiHeadAttention& self_attention() const { return self_attn_; }
  [[nodiscard]] const MultiHeadAttention& cross_attention() const { return multihead_attn_; }

 private:
  template <class Self, class Cross>
  [[nodiscard]] Tensor run(const Tensor& x, const Self& self, const Cross& cross) const;

  TransformerLayerOptions options_;
  MultiHeadAttention self_attn_;
  MultiHeadAttention multihead_attn_;
  Linear linear1_;
  Linear linear2_;
  LayerNorm norm1_;
  LayerNorm norm2_;
  LayerNorm norm3_;
  Dropout dropout_;
};

struct SwiGLUOptions {
  bool bias = false;
  DType dtype = default_dtype();
};

/// down_proj(silu(gate_proj(x)) up_proj(x)) (Shazeer 2020), with LLaMA's names: (..., width) through `hidden` numbers.
class NARAE_API SwiGLU : public Module {
 public:
  SwiGLU(std::int64_t width, std::int64_t hidden, const SwiGLUOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  Linear gate_proj_;
  Linear up_proj_;
  Linear down_proj_;
};

}  // namespace narae::nn
