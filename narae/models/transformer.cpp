#include "narae/models/transformer.h"

#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/models/decoder.h"
#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"

namespace narae::models {
namespace {

std::int64_t decoder_layers_of(const TransformerOptions& options) {
  return options.decoder_layers != 0 ? options.decoder_layers : options.layers;
}

TransformerOptions checked(const TransformerOptions& options) {
  if (options.width < 2 || options.layers < 1 || options.heads < 1 || options.context < 1) {
    throw UsageError("transformer: layers, heads and context must be at least 1, the width at least 2");
  }
  if (options.decoder_layers < 0 || options.hidden < 0) {
    throw UsageError("transformer: decoder_layers and hidden must be at least 0");
  }
  if (options.width % options.heads != 0) {
    throw UsageError("transformer: " + std::to_string(options.heads) + " heads do not divide the width " +
                     std::to_string(options.width));
  }
  if (options.width % 2 != 0) throw UsageError("transformer: sinusoidal positions need an even width");
  return options;
}

nn::TransformerLayerOptions layer_options(const TransformerOptions& options) {
  return {.feed_forward = options.hidden != 0 ? options.hidden : 4 * options.width,
          .dropout = options.dropout,
          .activation = options.activation,
          .norm_first = options.norm_first};
}

nn::Embedding embedding_of(std::int64_t vocabulary, const TransformerOptions& options) {
  return {vocabulary, options.width, {.stddev = 1 / std::sqrt(static_cast<double>(options.width))}};
}

nn::Linear generator_of(const nn::Embedding& embedding, const TransformerOptions& options) {
  if (options.tied) return nn::Linear(embedding.weight(), {.bias = false});
  nn::Linear head(options.width, embedding.weight().size(0), {.bias = false});
  nn::init::xavier_uniform(head.weight());
  return head;
}

void require_tokens(const Tensor& tokens, const char* what) {
  if (tokens.defined() && tokens.rank() == 2 && tokens.size(1) >= 1) return;
  throw Error(std::string("transformer: ") + what + " of shape " +
              (tokens.defined() ? to_string(tokens.shape()) : "(undefined)") + "; (batch, steps) is needed");
}

}  // namespace

Transformer::Encoder::Encoder(const TransformerOptions& options)
    : Module("TransformerEncoder"),
      layers_(register_module("layers", nn::ModuleList<nn::TransformerEncoderLayer>(
                                            options.layers, options.width, options.heads, layer_options(options)))),
      norm_(register_module("norm", nn::LayerNorm(options.width))) {}

Tensor Transformer::Encoder::operator()(const Tensor& x, const Tensor& lengths) const {
  const auto inside = scope();
  Tensor y = x;
  layers_.for_each([&](const auto& layer, std::int64_t) { y = layer(y, {.lengths = lengths}); });
  return norm_(y);
}

Transformer::Decoder::Decoder(const TransformerOptions& options)
    : Module("TransformerDecoder"),
      layers_(register_module("layers",
                              nn::ModuleList<nn::TransformerDecoderLayer>(decoder_layers_of(options), options.width,
                                                                          options.heads, layer_options(options)))),
      norm_(register_module("norm", nn::LayerNorm(options.width))) {}

template <class Self, class Memory>
Tensor Transformer::Decoder::operator()(const Tensor& x, const Self& self, const Memory& memory,
                                        const Tensor& lengths) const {
  const auto inside = scope();
  Tensor y = x;
  layers_.for_each([&](const auto& layer, std::int64_t k) { y = layer(y, self(k), memory(k), {.lengths = lengths}); });
  return norm_(y);
}

std::vector<nn::KeysAndValues> Transformer::Decoder::project(const Tensor& memory) const {
  const auto inside = scope();
  std::vector<nn::KeysAndValues> of_layers;
  layers_.for_each([&](const auto& layer, std::int64_t) { of_layers.push_back(layer.project(memory)); });
  return of_layers;
}

Transformer::Stacks::Stacks(const TransformerOptions& options)
    : Module("Transformer"),
      encoder_(register_module("encoder", Encoder(options))),
      decoder_(register_module("decoder", Decoder(options))) {}

Tensor Transformer::Stacks::encode(const Tensor& x, const Tensor& lengths) const {
  const auto inside = scope();
  return encoder_(x, lengths);
}

template <class Self, class Memory>
Tensor Transformer::Stacks::decode(const Tensor& x, const Self& self, const Memory& memory,
                                   const Tensor& lengths) const {
  const auto inside = scope();
  return decoder_(x, self, memory, lengths);
}

std::vector<nn::KeysAndValues> Transformer::Stacks::project(const Tensor& memory) const {
  const auto inside = scope();
  return decoder_.project(memory);
}

Transformer::Transformer(std::int64_t vocabulary, const TransformerOptions& options)
    : EncoderDecoder("TransformerModel"),
      options_(checked(options)),
      source_embedding_(
          register_module(options.tied ? "embedding" : "source_embedding", embedding_of(vocabulary, options))),
      target_embedding_(options.tied ? source_embedding_
                                     : register_module("target_embedding", embedding_of(vocabulary, options))),
      position_(register_module("position", nn::SinusoidalPosition())),
      dropout_(register_module("dropout", nn::Dropout(options.dropout))),
      transformer_(register_module("transformer", Stacks(options))),
      generator_(register_module("generator", generator_of(target_embedding_, options))) {
  for (const auto& [name, parameter] : transformer_.named_parameters()) {
    if (parameter.rank() == 2) nn::init::xavier_uniform(parameter);
    if (name.ends_with("bias")) nn::init::zeros(parameter);
  }
}

Tensor Transformer::embedded(const Tensor& tokens, const nn::Embedding& embedding, const Tensor& positions) const {
  const Tensor scaled = embedding(tokens) * std::sqrt(static_cast<double>(options_.width));
  return dropout_(position_(scaled, positions));
}

Tensor Transformer::encoded(const Tensor& source, const Tensor& lengths) const {
  require_tokens(source, "a source");
  return transformer_.encode(embedded(source, source_embedding_, nn::first_positions(source.size(1))), lengths);
}

nn::SequenceOutput Transformer::run(const nn::SequenceInput& input) const {
  if (!input.state.empty()) throw Error("transformer: it takes no state; decoder_for goes on with an answer");
  const Tensor& target = input.target.defined() ? input.target : input.x;
  require_tokens(target, "an answer");
  const Tensor memory = encoded(input.x, input.lengths);
  if (memory.size(0) != target.size(0)) {
    throw Error("transformer: " + std::to_string(memory.size(0)) + " sources and " + std::to_string(target.size(0)) +
                " answers; one a source is needed");
  }
  const auto causal = [](const Tensor& q, const Tensor& k, const Tensor& v, double dropout) {
    return attention(q, k, v, {.causal = true, .dropout = dropout});
  };
  const std::vector<nn::KeysAndValues> projected = transformer_.project(memory);
  const Tensor y = transformer_.decode(
      embedded(target, target_embedding_, nn::first_positions(target.size(1))),
      [&](std::int64_t) -> nn::Attend { return causal; },
      [&](std::int64_t layer) { return projected[static_cast<std::size_t>(layer)]; }, input.lengths);
  return {.logits = generator_(y)};
}

// Behind the state of a Decoder come the lengths of the sources and, layer by layer, keys and values of what the
// encoder made of them, which stay as they are.
class Transformer::Answer : public models::Decoder {
 public:
  Answer(const Transformer& model, const Tensor& source, const Tensor& lengths)
      : models::Decoder("TransformerAnswer", {.width = model.options_.width,
                                              .layers = decoder_layers_of(model.options_),
                                              .heads = model.options_.heads,
                                              .context = model.options_.context}),
        model_(model) {
    const NoGrad no_grad;
    const Tensor memory = model.encoded(source, lengths);
    memory_.push_back(lengths.defined() ? lengths
                                        : full({source.size(0)}, static_cast<double>(source.size(1)), DType::i64));
    for (const nn::KeysAndValues& projected : model.transformer_.project(memory)) {
      memory_.insert(memory_.end(), {projected.keys, projected.values});
    }
    narae::eval(memory_);
  }

  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override {
    nn::SequenceInput of_decoder = input;
    std::vector<Tensor> memory = memory_;
    if (!input.state.empty()) std::tie(of_decoder.state, memory) = parts_of(input.state);
    const DecoderCall call(of_decoder, options());
    const Tensor y = model_.transformer_.decode(
        model_.embedded(input.x, model_.target_embedding_, call.positions()),
        [&](std::int64_t layer) -> nn::Attend {
          return [&call, layer](const Tensor& q, const Tensor& k, const Tensor& v, double dropout) {
            return call.attend(layer, q, k, v, dropout);
          };
        },
        [&](std::int64_t layer) {
          const auto at = static_cast<std::size_t>(1 + 2 * layer);
          return nn::KeysAndValues{memory[at], memory[at + 1]};
        },
        memory[0]);
    return {.logits = model_.generator_(y), .state = with_memory(call.state(), memory)};
  }

  [[nodiscard]] std::vector<Tensor> empty_state(std::int64_t batch, std::int64_t capacity) const override {
    if (batch != memory_[0].size(0)) {
      throw Error("transformer: " + std::to_string(batch) + " answers to " + std::to_string(memory_[0].size(0)) +
                  " sources; one each to begin with");
    }
    return with_memory(Decoder::empty_state(batch, capacity), memory_);
  }
  [[nodiscard]] std::vector<Tensor> with_room(const std::vector<Tensor>& state, std::int64_t capacity) const override {
    auto [own, memory] = parts_of(state);
    return with_memory(Decoder::with_room(own, capacity), memory);
  }
  [[nodiscard]] std::vector<Tensor> state_of_rows(const std::vector<Tensor>& state, const Tensor& rows) const override {
    auto [own, memory] = parts_of(state);
    for (Tensor& part : memory) part = take(part, rows);
    return with_memory(Decoder::state_of_rows(own, rows), memory);
  }

 private:
  [[nodiscard]] static std::vector<Tensor> with_memory(std::vector<Tensor> own, const std::vector<Tensor>& memory) {
    if (!own.empty()) own.insert(own.end(), memory.begin(), memory.end());
    return own;
  }
  [[nodiscard]] std::pair<std::vector<Tensor>, std::vector<Tensor>> parts_of(const std::vector<Tensor>& state) const {
    if (state.size() <= memory_.size()) {
      throw Error("transformer: a state of " + std::to_string(state.size()) +
                  " parts belongs to another network (begin with empty_state)");
    }
    const auto middle = state.end() - std::ssize(memory_);
    return {{state.begin(), middle}, {middle, state.end()}};
  }

  Transformer model_;
  std::vector<Tensor> memory_;
};

std::unique_ptr<nn::SequenceModule> Transformer::decoder_for(const Tensor& source, const Tensor& lengths) const {
  const auto inside = scope();
  return std::make_unique<Answer>(*this, source, lengths);
}

}  // namespace narae::models
