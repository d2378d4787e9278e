#include "narae/models/gpt2.h"

#include <cmath>
#include <vector>

#include "narae/core/error.h"
#include "narae/nn/init.h"
#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

constexpr double first_std = 0.02;

// Of a projection whose result is added to the shortcut, to which 2 * layers of them add.
double residual_std(const DecoderOptions& options) {
  return first_std / std::sqrt(2 * static_cast<double>(options.layers));
}

DecoderOptions checked(const DecoderOptions& options) {
  if (options.kv_heads != 0 && options.kv_heads != options.heads) {
    throw UsageError("gpt: grouped queries (kv_heads) belong to the LLaMA form (form = llama)");
  }
  return options;
}

nn::Embedding embedding_of(std::int64_t entries, std::int64_t width) {
  nn::Embedding embedding(entries, width);
  nn::init::normal(embedding.weight(), 0, first_std);
  return embedding;
}

nn::Linear head_of(const nn::Embedding& wte, bool tied) {
  if (tied) return nn::Linear(wte.weight(), {.bias = false});
  nn::Linear head(wte.weight().size(1), wte.weight().size(0), {.bias = false});
  nn::init::normal(head.weight(), 0, first_std);
  return head;
}

}  // namespace

Gpt2::Conv1D::Conv1D(std::int64_t inputs, std::int64_t outputs, double std)
    : Module("Conv1D", std::to_string(inputs) + ", " + std::to_string(outputs)),
      weight_(register_parameter("weight", nn::init::draw_normal(nn::default_dtype(), {inputs, outputs}, 0, std))),
      bias_(register_parameter("bias", zeros({outputs}, nn::default_dtype()))) {}

Tensor Gpt2::Conv1D::forward(const Tensor& x) const {
  return matmul(x, weight_) + bias_;
}

Gpt2::Attention::Attention(const DecoderOptions& options)
    : Module("GPT2Attention", std::to_string(options.width) + ", " + std::to_string(options.heads) + " heads"),
      heads_(options.heads),
      dropout_(options.dropout),
      c_attn_(register_module("c_attn", Conv1D(options.width, 3 * options.width, first_std))),
      c_proj_(register_module("c_proj", Conv1D(options.width, options.width, residual_std(options)))) {}

Tensor Gpt2::Attention::operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const {
  const auto inside = scope();
  const Shape heads{x.size(0), x.size(1), heads_, x.size(2) / heads_};
  const std::vector<Tensor> qkv = split(c_attn_(x), 3, 2);
  const Tensor y = call.attend(layer, reshape(qkv[0], heads), reshape(qkv[1], heads), reshape(qkv[2], heads),
                               is_training() ? dropout_ : 0);
  return c_proj_(reshape(y, x.shape()));
}

Gpt2::FeedForward::FeedForward(const DecoderOptions& options)
    : Module("GPT2MLP"),
      c_fc_(register_module(
          "c_fc", Conv1D(options.width, options.hidden != 0 ? options.hidden : 4 * options.width, first_std))),
      c_proj_(register_module("c_proj", Conv1D(options.hidden != 0 ? options.hidden : 4 * options.width, options.width,
                                               residual_std(options)))) {}

Tensor Gpt2::FeedForward::forward(const Tensor& x) const {
  return c_proj_(gelu_tanh(c_fc_(x)));
}

Gpt2::Block::Block(const DecoderOptions& options)
    : Module("GPT2Block"),
      ln_1_(register_module("ln_1", nn::LayerNorm(options.width, {.eps = options.eps}))),
      attn_(register_module("attn", Attention(options))),
      ln_2_(register_module("ln_2", nn::LayerNorm(options.width, {.eps = options.eps}))),
      mlp_(register_module("mlp", FeedForward(options))),
      dropout_(register_module("dropout", nn::Dropout(options.dropout))) {}

Tensor Gpt2::Block::operator()(const Tensor& x, const DecoderCall& call, std::int64_t layer) const {
  const auto inside = scope();
  const Tensor y = x + dropout_(attn_(ln_1_(x), call, layer));
  return y + dropout_(mlp_(ln_2_(y)));
}

Gpt2::Transformer::Transformer(std::int64_t vocabulary, const DecoderOptions& options)
    : Module("GPT2Model"),
      wte_(register_module("wte", embedding_of(vocabulary, options.width))),
      wpe_(register_module("wpe", embedding_of(options.context, options.width))),
      drop_(register_module("drop", nn::Dropout(options.dropout))),
      h_(register_module("h", nn::ModuleList<Block>(options.layers, options))),
      ln_f_(register_module("ln_f", nn::LayerNorm(options.width, {.eps = options.eps}))) {}

Tensor Gpt2::Transformer::operator()(const Tensor& tokens, const DecoderCall& call) const {
  const auto inside = scope();
  Tensor x = drop_(wte_(tokens) + wpe_(call.positions()));
  h_.for_each([&](const Block& block, std::int64_t layer) { x = block(x, call, layer); });
  return ln_f_(x);
}

Gpt2::Gpt2(std::int64_t vocabulary, const DecoderOptions& options)
    : Decoder("GPT2LMHeadModel", checked(options)),
      transformer_(register_module("transformer", Transformer(vocabulary, options))),
      lm_head_(register_module("lm_head", head_of(transformer_.wte(), options.tied))) {}

nn::SequenceOutput Gpt2::run(const nn::SequenceInput& input) const {
  const DecoderCall call(input, options());
  const Tensor logits = lm_head_(transformer_(input.x, call));
  return {.logits = logits, .state = call.state()};
}

}  // namespace narae::models
