#pragma once

#include <cstdint>
#include <functional>

#include "narae/nn/linear.h"
#include "narae/nn/module.h"
#include "narae/ops/attention.h"

namespace narae::nn {

struct MultiHeadAttentionOptions {
  std::int64_t kv_heads = 0;     ///< heads of keys and values; 0: as many as of queries (Ainslie et al. 2023: fewer)
  std::int64_t key_width = 0;    ///< of the keys that come in; 0: the width
  std::int64_t value_width = 0;  ///< of the values that come in; 0: the width
  double dropout = 0;            ///< of the probabilities, while training
  bool bias = true;
  DType dtype = default_dtype();
};

/// What attention makes of queries, keys and values (batch, time, heads, size), with this dropout of the probabilities.
using Attend = std::function<Tensor(const Tensor& query, const Tensor& key, const Tensor& value, double dropout)>;

/// What may be attended to, once it went through its projections: (batch, time, kv_heads, size) each.
struct KeysAndValues {
  Tensor keys;
  Tensor values;
};

/// Attention of several heads between projections (Vaswani et al. 2017): out_proj(attention(q, k, v)). Parameters have
/// PyTorch's names: in_proj_weight (width + 2 kv_heads * size, width), the rows of queries, keys and values one below
/// the other, or q_proj_weight, k_proj_weight and v_proj_weight where key_width or value_width differ; in_proj_bias;
/// out_proj.weight and out_proj.bias. First values: Xavier uniform, biases 0.
class NARAE_API MultiHeadAttention : public Module {
 public:
  /// Throws Error unless heads divide the width and kv_heads the heads.
  MultiHeadAttention(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& options = {});

  /// query: (batch, queries, width), key: (batch, keys, key_width), value: (batch, keys, value_width); returns (batch,
  /// queries, width). What queries see: `options`, whose dropout must be 0, for the layer has its own.
  [[nodiscard]] Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                  const AttentionOptions& options = {}) const;
  /// x attends to itself and sees everything.
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  /// x attends to itself as `attend` says: with a cache of earlier keys and values, for example.
  [[nodiscard]] Tensor operator()(const Tensor& x, const Attend& attend) const;
  /// x attends to what was projected before, as an encoder's output is for all steps of a decoder.
  [[nodiscard]] Tensor operator()(const Tensor& x, const KeysAndValues& memory,
                                  const AttentionOptions& options = {}) const;
  /// The projections of a memory (batch, time, width).
  [[nodiscard]] KeysAndValues keys_and_values(const Tensor& memory) const;

  /// The probabilities of each head, (batch, heads, queries, keys), for drawing them.
  [[nodiscard]] Tensor probabilities(const Tensor& query, const Tensor& key,
                                     const AttentionOptions& options = {}) const;

  [[nodiscard]] std::int64_t width() const { return width_; }
  [[nodiscard]] std::int64_t heads() const { return heads_; }

 private:
  enum Part : std::uint8_t { queries = 0, keys = 1, values = 2 };
  [[nodiscard]] std::int64_t heads_of(Part part) const { return part == queries ? heads_ : kv_heads_; }
  // x through one of the projections, (batch, time, heads, size).
  [[nodiscard]] Tensor projected(const Tensor& x, Part part) const;
  [[nodiscard]] Tensor split_heads(const Tensor& y, Part part) const;
  void require_input(const Tensor& x, Part part) const;
  [[nodiscard]] KeysAndValues project_memory(const Tensor& key, const Tensor& value) const;
  [[nodiscard]] Tensor attend_to_itself(const Tensor& x, const Attend& attend) const;
  [[nodiscard]] Tensor attend_to(const Tensor& query, const KeysAndValues& memory,
                                 const AttentionOptions& options) const;
  [[nodiscard]] Tensor joined(const Tensor& y) const;
  // The dropout of the probabilities at this time; refuses one from outside.
  [[nodiscard]] double dropout_with(const AttentionOptions& options) const;
  [[nodiscard]] Tensor run(const Tensor& query, const Tensor& key, const Tensor& value,
                           const AttentionOptions& options) const;

  std::int64_t width_, heads_, kv_heads_, input_widths_[3];
  double dropout_;
  Tensor in_weight_;           // of all three, or
  Tensor separate_weight_[3];  // of each
  Tensor in_bias_;
  Linear out_;
};

/// Slopes for AttentionOptions::slopes (ALiBi: Press, Smith and Lewis 2022): 2^(-8 k / heads) for k = 1, 2, ... when
/// heads are a power of two; else those of the power below, and every second one of twice that power.
[[nodiscard]] NARAE_API Tensor alibi_slopes(std::int64_t heads, DType dtype = default_dtype());

}  // namespace narae::nn
