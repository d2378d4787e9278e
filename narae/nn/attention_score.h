#pragma once

#include <cstdint>
#include <string_view>

#include "narae/nn/module.h"

namespace narae::nn {

enum class ScoreKind : std::uint8_t {
  additive,  ///< v^T tanh(W_q q + W_k k) (Bahdanau, Cho and Bengio 2014)
  dot,       ///< q^T k (Luong, Pham and Manning 2015)
  general,   ///< q^T W k (Luong et al.)
  concat,    ///< v^T tanh(W [q; k]) (Luong et al.)
};

struct AttentionScoreOptions {
  std::int64_t units = 0;  ///< of additive and concat: width of the tanh; 0: as many as the query has
  DType dtype = default_dtype();
};

/// Attention of a recurrent decoder to an encoder's states: a score for each query and key, softmax, weighted sum of
/// the keys. Parameters, uniform in +- 1 / sqrt(inputs) at first, without biases: additive: query_weight (units, query
/// width), key_weight (units, key width), v (units); general: weight (query width, key width); concat: weight (units,
/// query width + key width), v (units).
class NARAE_API AttentionScore : public Module {
 public:
  /// Throws Error for widths below 1, and for dot unless query and key are equally wide.
  AttentionScore(ScoreKind kind, std::int64_t query_width, std::int64_t key_width,
                 const AttentionScoreOptions& options = {});

  /// query: (batch, queries, query width), keys: (batch, keys, key width): (batch, queries, keys).
  [[nodiscard]] Tensor scores(const Tensor& query, const Tensor& keys) const;

  struct Context {
    Tensor y;              ///< (batch, queries, key width)
    Tensor probabilities;  ///< (batch, queries, keys)
  };
  /// `lengths`, (batch) i64, at least 1: keys at and after them are not seen.
  [[nodiscard]] Context operator()(const Tensor& query, const Tensor& keys, const Tensor& lengths = {}) const;

 private:
  ScoreKind kind_;
  std::int64_t query_width_, key_width_;
  Tensor query_weight_, key_weight_, v_;
};

/// "additive", "dot", "general" or "concat"; throws UsageError for another name.
[[nodiscard]] NARAE_API ScoreKind score_kind(std::string_view name);

}  // namespace narae::nn
