#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "narae/nn/embedding.h"
#include "narae/nn/linear.h"
#include "narae/nn/module_list.h"
#include "narae/nn/position.h"
#include "narae/nn/sequence.h"
#include "narae/nn/transformer.h"

namespace narae::models {

/// Sizes of an encoder-decoder transformer; the defaults are the base model of Vaswani et al. 2017.
struct TransformerOptions {
  std::int64_t width = 512;
  std::int64_t layers = 6;          ///< of the encoder
  std::int64_t decoder_layers = 0;  ///< 0: as many
  std::int64_t heads = 8;
  std::int64_t hidden = 0;      ///< width of the feed-forward layers; 0: 4 widths
  std::int64_t context = 1024;  ///< tokens that an answer may have when it is written
  double dropout = 0.1;         ///< of embedded tokens, probabilities, hidden units and branches
  bool norm_first = false;      ///< pre-norm layers
  nn::FeedForwardActivation activation = nn::FeedForwardActivation::relu;
  bool tied = true;  ///< embeddings of both sides and the head have one weight (Press and Wolf 2017)
};

/// The transformer (Vaswani et al., "Attention is all you need", 2017): tokens, times sqrt(width), plus sinusoidal
/// positions; encoder layers; decoder layers, causal, that also attend to the encoder's output; a last norm behind both
/// (as torch.nn.Transformer has it), and a head without bias. Parameters: embedding.weight, or source_embedding.weight
/// and target_embedding.weight when they are not tied; as torch.nn.Transformer's,
/// transformer.encoder.layers.0.self_attn .in_proj_weight, ...; generator.weight. First values: embeddings normal with
/// deviation width^-1/2, matrices Xavier uniform, biases 0.
class NARAE_API Transformer : public nn::EncoderDecoder {
 public:
  /// Throws UsageError for sizes that do not fit each other.
  Transformer(std::int64_t vocabulary, const TransformerOptions& options);

  /// x: sources, i64 (batch, steps); without `target`, x is both (to count and look at the network). Throws Error for a
  /// state, and for tokens that are not (batch, steps) of one batch.
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;
  [[nodiscard]] std::unique_ptr<nn::SequenceModule> decoder_for(const Tensor& source,
                                                                const Tensor& lengths) const override;
  [[nodiscard]] std::int64_t context() const override { return options_.context; }

 private:
  class Answer;  // the decoder beside a batch of encoded sources

  class Encoder : public nn::Module {
   public:
    explicit Encoder(const TransformerOptions& options);
    [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& lengths) const;

   private:
    nn::ModuleList<nn::TransformerEncoderLayer> layers_;
    nn::LayerNorm norm_;
  };
  /// `self(layer)` says how a layer attends to itself, `memory(layer)` what else it attends to.
  class Decoder : public nn::Module {
   public:
    explicit Decoder(const TransformerOptions& options);
    template <class Self, class Memory>
    [[nodiscard]] Tensor operator()(const Tensor& x, const Self& self, const Memory& memory,
                                    const Tensor& lengths) const;
    [[nodiscard]] std::vector<nn::KeysAndValues> project(const Tensor& memory) const;

   private:
    nn::ModuleList<nn::TransformerDecoderLayer> layers_;
    nn::LayerNorm norm_;
  };
  class Stacks : public nn::Module {
   public:
    explicit Stacks(const TransformerOptions& options);
    [[nodiscard]] Tensor encode(const Tensor& x, const Tensor& lengths) const;
    template <class Self, class Memory>
    [[nodiscard]] Tensor decode(const Tensor& x, const Self& self, const Memory& memory, const Tensor& lengths) const;
    /// Keys and values of each decoder layer for what the encoder made of the sources.
    [[nodiscard]] std::vector<nn::KeysAndValues> project(const Tensor& memory) const;

   private:
    Encoder encoder_;
    Decoder decoder_;
  };

  [[nodiscard]] Tensor embedded(const Tensor& tokens, const nn::Embedding& embedding, const Tensor& positions) const;
  [[nodiscard]] Tensor encoded(const Tensor& source, const Tensor& lengths) const;

  TransformerOptions options_;
  nn::Embedding source_embedding_;
  nn::Embedding target_embedding_;
  nn::SinusoidalPosition position_;
  nn::Dropout dropout_;
  Stacks transformer_;
  nn::Linear generator_;
};

}  // namespace narae::models
