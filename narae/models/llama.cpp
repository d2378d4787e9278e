#include "narae/models/llama.h"

#include "narae/core/error.h"
#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/rotary.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

constexpr double first_std = 0.02;

DecoderOptions checked(DecoderOptions options) {
  const std::int64_t size = options.heads > 0 ? options.width / options.heads : 0;
  if (size % 2 != 0) {
    throw UsageError("gpt: heads of size " + std::to_string(size) +
                     ": rotary positions turn pairs of numbers, so the size must be even");
  }
  if (options.kv_heads == 0) options.kv_heads = options.heads;
  if (options.hidden == 0) options.hidden = Llama::usual_hidden(options.width);
  return options;
}

nn::Linear without_bias(std::int64_t inputs, std::int64_t outputs) {
  return {inputs, outputs, {.bias = false}};
}

nn::Linear head_of(const nn::Embedding& embedding, bool tied) {
  if (tied) return nn::Linear(embedding.weight(), {.bias = false});
  return without_bias(embedding.weight().size(1), embedding.weight().size(0));
}

}  // namespace

std::int64_t Llama::usual_hidden(std::int64_t width) {
  return (width * 8 / 3 + 31) / 32 * 32;
}

Llama::Attention::Attention(const DecoderOptions& options)
    : Module("LlamaAttention", std::to_string(options.width) + ", " + std::to_string(options.heads) + " heads over " +
                                   std::to_string(options.kv_heads)),
      heads_(options.heads),
      kv_heads_(options.kv_heads),
      size_(options.width / options.heads),
      dropout_(options.dropout),
      base_(options.rotary_base),
      q_proj_(register_module("q_proj", without_bias(options.width, options.width))),
      k_proj_(register_module("k_proj", without_bias(options.width, kv_heads_ * size_))),
      v_proj_(register_module("v_proj", without_bias(options.width, kv_heads_ * size_))),
      o_proj_(register_module("o_proj", without_bias(options.width, options.width))) {}

Tensor Llama::Attention::operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const {
  const auto inside = scope();
  const auto split_heads = [&](const Tensor& y, std::int64_t heads) {
    return reshape(y, {x.size(0), x.size(1), heads, size_});
  };
  const RotaryOptions turn{.pairs = RotaryPairs::halves, .base = base_};
  const Tensor query = rotary(split_heads(q_proj_(x), heads_), call.positions(), turn);
  const Tensor key = rotary(split_heads(k_proj_(x), kv_heads_), call.positions(), turn);
  const Tensor value = split_heads(v_proj_(x), kv_heads_);
  return o_proj_(reshape(call.attend(layer, query, key, value, is_training() ? dropout_ : 0), x.shape()));
}

Llama::Block::Block(const DecoderOptions& options)
    : Module("LlamaDecoderLayer"),
      self_attn_(register_module("self_attn", Attention(options))),
      mlp_(register_module("mlp", nn::SwiGLU(options.width, options.hidden))),
      input_layernorm_(register_module("input_layernorm", nn::RMSNorm(options.width, {.eps = options.eps}))),
      post_attention_layernorm_(
          register_module("post_attention_layernorm", nn::RMSNorm(options.width, {.eps = options.eps}))) {}

Tensor Llama::Block::operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const {
  const auto inside = scope();
  const Tensor y = x + self_attn_(input_layernorm_(x), call, layer);
  return y + mlp_(post_attention_layernorm_(y));
}

Llama::Model::Model(std::int64_t vocabulary, const DecoderOptions& options)
    : Module("LlamaModel"),
      embed_tokens_(register_module("embed_tokens", nn::Embedding(vocabulary, options.width))),
      layers_(register_module("layers", nn::ModuleList<Block>(options.layers, options))),
      norm_(register_module("norm", nn::RMSNorm(options.width, {.eps = options.eps}))) {}

Tensor Llama::Model::operator()(const Tensor& tokens, const DecoderCall& call) const {
  const auto inside = scope();
  Tensor x = embed_tokens_(tokens);
  layers_.for_each([&](const Block& block, std::int64_t layer) { x = block(x, call, layer); });
  return norm_(x);
}

Llama::Llama(std::int64_t vocabulary, const DecoderOptions& options)
    : Decoder("LlamaForCausalLM", options),
      model_(register_module("model", Model(vocabulary, checked(options)))),
      lm_head_(register_module("lm_head", head_of(model_.embed_tokens(), options.tied))) {
  for (const Tensor& parameter : parameters()) {
    if (parameter.rank() == 2) nn::init::normal(parameter, 0, first_std);
  }
}

nn::SequenceOutput Llama::run(const nn::SequenceInput& input) const {
  const DecoderCall call(input, options());
  const Tensor logits = lm_head_(model_(input.x, call));
  return {.logits = logits, .state = call.state()};
}

}  // namespace narae::models
