#include "narae/nn/attention_score.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "narae/graph/attention_attributes.h"
#include "narae/nn/init.h"
#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/softmax.h"
#include "narae/ops/view.h"

namespace narae::nn {
namespace {

constexpr std::array<std::pair<std::string_view, ScoreKind>, 4> kinds = {{{"additive", ScoreKind::additive},
                                                                          {"dot", ScoreKind::dot},
                                                                          {"general", ScoreKind::general},
                                                                          {"concat", ScoreKind::concat}}};

std::string details_of(ScoreKind kind, std::int64_t query_width, std::int64_t key_width) {
  return std::string(kinds[static_cast<std::size_t>(kind)].first) + ", " + std::to_string(query_width) + ", " +
         std::to_string(key_width);
}

Array drawn(DType dtype, const Shape& shape) {
  const double bound = 1 / std::sqrt(static_cast<double>(shape[-1]));
  return init::draw_uniform(dtype, shape, -bound, bound);
}

}  // namespace

AttentionScore::AttentionScore(ScoreKind kind, std::int64_t query_width, std::int64_t key_width,
                               const AttentionScoreOptions& options)
    : Module("AttentionScore", details_of(kind, query_width, key_width)),
      kind_(kind),
      query_width_(query_width),
      key_width_(key_width) {
  if (query_width < 1 || key_width < 1 || options.units < 0) {
    throw Error("AttentionScore: " + details() + ": widths must be at least 1");
  }
  if (kind == ScoreKind::dot && query_width != key_width) {
    throw Error("AttentionScore: " + details() + ": a product needs equal widths; `general` does not");
  }
  const std::int64_t units = options.units != 0 ? options.units : query_width;
  if (kind == ScoreKind::additive) {
    query_weight_ = register_parameter("query_weight", drawn(options.dtype, {units, query_width}));
    key_weight_ = register_parameter("key_weight", drawn(options.dtype, {units, key_width}));
  }
  if (kind == ScoreKind::general)
    query_weight_ = register_parameter("weight", drawn(options.dtype, {query_width, key_width}));
  if (kind == ScoreKind::concat) {
    query_weight_ = register_parameter("weight", drawn(options.dtype, {units, query_width + key_width}));
  }
  if (kind == ScoreKind::additive || kind == ScoreKind::concat)
    v_ = register_parameter("v", drawn(options.dtype, {units}));
}

Tensor AttentionScore::scores(const Tensor& query, const Tensor& keys) const {
  const bool fits = query.defined() && keys.defined() && query.rank() == 3 && keys.rank() == 3 &&
                    query.size(0) == keys.size(0) && query.size(2) == query_width_ && keys.size(2) == key_width_;
  if (!fits) {
    throw Error("AttentionScore: " + details() + ": the query has shape " +
                (query.defined() ? to_string(query.shape()) : "(undefined)") + ", the keys " +
                (keys.defined() ? to_string(keys.shape()) : "(undefined)") +
                "; (batch, queries, query width) and (batch, keys, key width) are needed");
  }
  switch (kind_) {
    case ScoreKind::dot:
      return matmul(query, keys, {.transpose_b = true});
    case ScoreKind::general:
      return matmul(matmul(query, query_weight_), keys, {.transpose_b = true});
    case ScoreKind::additive:
    case ScoreKind::concat:
      break;
  }
  // W [q; k] = W_q q + W_k k: each is one product, not one for each pair.
  const bool joined = kind_ == ScoreKind::concat;
  const Tensor w_q = joined ? narrow(query_weight_, 1, 0, query_width_) : query_weight_;
  const Tensor w_k = joined ? narrow(query_weight_, 1, query_width_, key_width_) : key_weight_;
  const Tensor hidden = tanh(unsqueeze(linear(query, w_q), 2) + unsqueeze(linear(keys, w_k), 1));
  return matmul(hidden, v_);
}

AttentionScore::Context AttentionScore::operator()(const Tensor& query, const Tensor& keys,
                                                   const Tensor& lengths) const {
  const auto inside = scope();
  Tensor s = scores(query, keys);
  if (lengths.defined()) {
    if (lengths.dtype() != DType::i64 || !(lengths.shape() == Shape{keys.size(0)})) {
      throw Error("AttentionScore: the lengths are " + std::string(name_of(lengths.dtype())) + " " +
                  to_string(lengths.shape()) + "; i64 " + to_string(Shape{keys.size(0)}) + " is needed");
    }
    const Tensor places = reshape(arange(0, static_cast<double>(keys.size(1)), 1, DType::i64), {1, 1, keys.size(1)});
    s = where(less(places, reshape(lengths, {lengths.size(0), 1, 1})), s, masked_score);
  }
  const Tensor p = softmax(s, -1);
  return {matmul(p, keys), p};
}

ScoreKind score_kind(std::string_view name) {
  for (const auto& [known, kind] : kinds)
    if (known == name) return kind;
  throw UsageError("no attention score '" + std::string(name) + "'; there are additive, dot, general and concat");
}

}  // namespace narae::nn
