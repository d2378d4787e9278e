#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/nn/sequence.h"

// What decoder-only transformers have in common: the context, and the keys and values that are kept while a text is
// generated.

namespace narae::models {

/// Sizes of a decoder-only transformer.
struct DecoderOptions {
  std::int64_t width = 128;
  std::int64_t layers = 4;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 0;   ///< heads of keys and values; 0: as many as of queries
  std::int64_t hidden = 0;     ///< width of the feed-forward layer; 0: the form's usual one
  std::int64_t context = 128;  ///< tokens that it can see at once
  double dropout = 0;          ///< at the form's usual places
  bool tied = true;            ///< the head has the embedding's weight (Press and Wolf 2017)
  double eps = 1e-5;           ///< of the norms
  double rotary_base = 10000;  ///< of the LLaMA form (Su et al. 2021)
};

/// One call of a decoder: where its tokens stand, and what earlier calls kept of the tokens before them.
///
/// A state is first, keys and values of layer 0, keys and values of layer 1, ...: first i64 (batch), the tokens that
/// each sequence has behind it, and variables (batch, capacity, kv_heads, size), whose rows are written in place. Keys
/// and values behind the end of a sequence are there (of padding), but no query sees them before they are overwritten.
class DecoderCall {
 public:
  /// Throws Error for tokens that are not (batch, steps), more of them than the context or the state has room for, and
  /// a state that is none.
  DecoderCall(const nn::SequenceInput& input, const DecoderOptions& options);

  /// Of the tokens: (steps), or (batch, steps) with a state. Those of padding are cut to the context.
  [[nodiscard]] const Tensor& positions() const { return positions_; }
  /// Causal attention of one layer: (batch, steps, heads, size), with keys and values (batch, steps, kv_heads, size).
  [[nodiscard]] Tensor attend(std::int64_t layer, const Tensor& query, const Tensor& key, const Tensor& value,
                              double dropout) const;
  /// The state behind the tokens; none where none came in.
  [[nodiscard]] std::vector<Tensor> state() const;

 private:
  const nn::SequenceInput& input_;
  Tensor positions_;
};

/// A decoder-only transformer for tokens: (batch, steps) -> logits (batch, steps, vocabulary). Without a state, every
/// sequence begins with its first token and none is returned; `lengths` are not needed then, since no token sees those
/// behind it. To go on with a sequence, begin with `empty_state`.
class NARAE_API Decoder : public nn::SequenceModule {
 public:
  [[nodiscard]] std::int64_t context() const override { return options_.context; }
  [[nodiscard]] std::vector<Tensor> empty_state(std::int64_t batch, std::int64_t capacity) const override;
  [[nodiscard]] std::vector<Tensor> with_room(const std::vector<Tensor>& state, std::int64_t capacity) const override;
  [[nodiscard]] std::vector<Tensor> state_of_rows(const std::vector<Tensor>& state, const Tensor& rows) const override;

 protected:
  /// Throws UsageError for sizes that do not fit each other.
  Decoder(const std::string& kind, const DecoderOptions& options);
  [[nodiscard]] const DecoderOptions& options() const { return options_; }

 private:
  DecoderOptions options_;
  DType dtype_ = nn::default_dtype();
};

}  // namespace narae::models
