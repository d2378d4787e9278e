#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// Which keys a query may see, and what is added to their scores. Query i of sequence n stands at position first[n] +
/// i, key j at position j. All tensors and numbers here are inputs at run time: changing them makes no new plan.
struct AttentionOptions {
  bool causal = false;  ///< keys at later positions than the query's are not seen
  /// Broadcast to (batch, heads, queries, keys). Boolean: true where the query may see the key. Floating: added to the
  /// score (a key of -inf is not seen), and gradients flow to it.
  Tensor mask = {};
  Tensor lengths = {};  ///< (batch) i64: keys at and after lengths[n] are not seen; undefined: all keys
  Tensor first = {};    ///< (batch) i64: position of the first query; undefined: 0
  /// (heads): slopes[h] times the distance between query and key is taken from the score (ALiBi: Press, Smith and Lewis
  /// 2022).
  Tensor slopes = {};
  std::int64_t window = 0;           ///< keys at this distance or farther are not seen; 0: no window
  std::optional<double> scale = {};  ///< of the products; 1 / sqrt(size) unless given
  double dropout = 0;                ///< of the probabilities; draws the next number of the process's generator
};

/// softmax(scale q k^T + bias) v for each head (Vaswani et al. 2017), as one operator that never stores the scores: its
/// memory grows linearly with queries and keys, forward and backward.
/// query: (batch, queries, heads, size), key: (batch, keys, kv_heads, size), value: (batch, keys, kv_heads,
/// value_size), of one floating type; returns (batch, queries, heads, value_size). kv_heads divides heads: head h reads
/// key and value head h / (heads / kv_heads) (grouped queries: Ainslie et al. 2023). A query that may see no key gets
/// zeros, and no gradient comes from it. Throws Error for shapes and types that do not fit, and for lengths and first
/// positions out of range when they have been computed; otherwise they are cut to the keys.
[[nodiscard]] NARAE_API Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                         const AttentionOptions& options = {});

/// The probabilities that `attention` weighs the values with, before dropout: (batch, heads, queries, keys). To look at
/// them: this stores what attention does not.
[[nodiscard]] NARAE_API Tensor attention_probabilities(const Tensor& query, const Tensor& key,
                                                       const AttentionOptions& options = {});

/// While it lives, every `attention` that its thread writes is noted down with its probabilities: what each head of a
/// network looks at. To be used for short sequences, since the probabilities are stored.
class NARAE_API AttentionRecord {
 public:
  struct Entry {
    std::string module;    ///< path of the module that asked: "transformer.h.0.attn"
    Tensor probabilities;  ///< (batch, heads, queries, keys)
  };

  AttentionRecord();
  ~AttentionRecord();
  AttentionRecord(const AttentionRecord&) = delete;
  AttentionRecord& operator=(const AttentionRecord&) = delete;

  /// In the order in which they were written.
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  void note(const Tensor& query, const Tensor& key, const AttentionOptions& options);

 private:
  AttentionRecord* outer_;
  std::vector<Entry> entries_;
};

}  // namespace narae
