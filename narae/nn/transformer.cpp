#include "narae/nn/transformer.h"

#include <string>

#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"

namespace narae::nn {
namespace {

std::string details_of(std::int64_t width, std::int64_t heads, const TransformerLayerOptions& o) {
  return std::to_string(width) + ", " + std::to_string(heads) + " heads, " + std::to_string(o.feed_forward) +
         (o.norm_first ? ", norm first" : "");
}

MultiHeadAttention attention_of(std::int64_t width, std::int64_t heads, const TransformerLayerOptions& o) {
  return {width, heads, {.dropout = o.dropout, .bias = o.bias, .dtype = o.dtype}};
}
LayerNorm norm_of(std::int64_t width, const TransformerLayerOptions& o) {
  return LayerNorm(width, {.eps = o.eps, .bias = o.bias, .dtype = o.dtype});
}
LinearOptions linear_of(const TransformerLayerOptions& o) {
  return {.bias = o.bias, .dtype = o.dtype};
}

Tensor activated(const Tensor& x, FeedForwardActivation activation) {
  switch (activation) {
    case FeedForwardActivation::gelu:
      return gelu(x);
    case FeedForwardActivation::gelu_tanh:
      return gelu_tanh(x);
    case FeedForwardActivation::relu:
      break;
  }
  return relu(x);
}

// One branch beside its shortcut.
template <class F>
Tensor beside_shortcut(const Tensor& x, const LayerNorm& norm, bool norm_first, const F& branch) {
  return norm_first ? x + branch(norm(x)) : norm(x + branch(x));
}

}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(std::int64_t width, std::int64_t heads,
                                                 const TransformerLayerOptions& options)
    : Module("TransformerEncoderLayer", details_of(width, heads, options)),
      options_(options),
      self_attn_(register_module("self_attn", attention_of(width, heads, options))),
      linear1_(register_module("linear1", Linear(width, options.feed_forward, linear_of(options)))),
      linear2_(register_module("linear2", Linear(options.feed_forward, width, linear_of(options)))),
      norm1_(register_module("norm1", norm_of(width, options))),
      norm2_(register_module("norm2", norm_of(width, options))),
      dropout_(register_module("dropout", Dropout(options.dropout))) {}

Tensor TransformerEncoderLayer::run(const Tensor& x, const AttentionOptions& options) const {
  const Tensor y = beside_shortcut(x, norm1_, options_.norm_first,
                                   [&](const Tensor& z) { return dropout_(self_attn_(z, z, z, options)); });
  return beside_shortcut(y, norm2_, options_.norm_first, [&](const Tensor& z) {
    return dropout_(linear2_(dropout_(activated(linear1_(z), options_.activation))));
  });
}

Tensor TransformerEncoderLayer::operator()(const Tensor& x, const AttentionOptions& options) const {
  const auto inside = scope();
  return run(x, options);
}

Tensor TransformerEncoderLayer::forward(const Tensor& x) const {
  return run(x, {});
}

TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t width, std::int64_t heads,
                                                 const TransformerLayerOptions& options)
    : Module("TransformerDecoderLayer", details_of(width, heads, options)),
      options_(options),
      self_attn_(register_module("self_attn", attention_of(width, heads, options))),
      multihead_attn_(register_module("multihead_attn", attention_of(width, heads, options))),
      linear1_(register_module("linear1", Linear(width, options.feed_forward, linear_of(options)))),
      linear2_(register_module("linear2", Linear(options.feed_forward, width, linear_of(options)))),
      norm1_(register_module("norm1", norm_of(width, options))),
      norm2_(register_module("norm2", norm_of(width, options))),
      norm3_(register_module("norm3", norm_of(width, options))),
      dropout_(register_module("dropout", Dropout(options.dropout))) {}

// The three branches; `self` and `cross` are the first two.
template <class Self, class Cross>
Tensor TransformerDecoderLayer::run(const Tensor& x, const Self& self, const Cross& cross) const {
  const Tensor y = beside_shortcut(x, norm1_, options_.norm_first, [&](const Tensor& z) { return dropout_(self(z)); });
  const Tensor w = beside_shortcut(y, norm2_, options_.norm_first, [&](const Tensor& z) { return dropout_(cross(z)); });
  return beside_shortcut(w, norm3_, options_.norm_first, [&](const Tensor& z) {
    return dropout_(linear2_(dropout_(activated(linear1_(z), options_.activation))));
  });
}

Tensor TransformerDecoderLayer::operator()(const Tensor& x, const Tensor& memory, const AttentionOptions& self,
                                           const AttentionOptions& cross) const {
  const auto inside = scope();
  return run(
      x, [&](const Tensor& z) { return self_attn_(z, z, z, self); },
      [&](const Tensor& z) { return multihead_attn_(z, memory, memory, cross); });
}

Tensor TransformerDecoderLayer::operator()(const Tensor& x, const Attend& self, const KeysAndValues& memory,
                                           const AttentionOptions& cross) const {
  const auto inside = scope();
  return run(
      x, [&](const Tensor& z) { return self_attn_(z, self); },
      [&](const Tensor& z) { return multihead_attn_(z, memory, cross); });
}

KeysAndValues TransformerDecoderLayer::project(const Tensor& memory) const {
  const auto inside = scope();
  return multihead_attn_.keys_and_values(memory);
}

SwiGLU::SwiGLU(std::int64_t width, std::int64_t hidden, const SwiGLUOptions& options)
    : Module("SwiGLU", std::to_string(width) + ", " + std::to_string(hidden)),
      gate_proj_(register_module("gate_proj", Linear(width, hidden, {.bias = options.bias, .dtype = options.dtype}))),
      up_proj_(register_module("up_proj", Linear(width, hidden, {.bias = options.bias, .dtype = options.dtype}))),
      down_proj_(register_module("down_proj", Linear(hidden, width, {.bias = options.bias, .dtype = options.dtype}))) {}

Tensor SwiGLU::forward(const Tensor& x) const {
  return down_proj_(silu(gate_proj_(x)) * up_proj_(x));
}

}  // namespace narae::nn
