#include "narae/ops/attention.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "narae/graph/attention_attributes.h"
#include "narae/graph/module_path.h"
#include "narae/ops/attention_rules.h"
#include "narae/ops/cumulative.h"
#include "narae/ops/dropout.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/random.h"
#include "narae/ops/reduce.h"
#include "narae/ops/softmax.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using namespace attention_rules;
using Inputs = std::span<const Node* const>;

// (query, key, value, scale, ...) -> (y, the log-sum-exp of each row of scores)
Signature infer_attention(Inputs inputs, Attributes attributes, int k) {
  const auto a = attributes_as<AttentionAttributes>(attributes);
  const AttentionArguments in(a);
  const Rule rule("attention", inputs, in, in.count);
  const AttentionSizes s = rule.sizes();
  if (k == 0) return {rule.dtype(), {s.batch, s.queries, s.heads, s.value_size}};
  return {rule.dtype(), {s.batch, s.heads, s.queries}};
}

// (query, key, value, scale, ..., y, log-sum-exp, dy) -> the cotangents of query, key, value, and as far as they are
// wanted of mask, slopes, scale and dropout's rate; without elements otherwise.
Signature infer_attention_gradient(Inputs inputs, Attributes attributes, int k) {
  const auto a = attributes_as<AttentionAttributes>(attributes);
  const AttentionGradientArguments in(a);
  const Rule rule("attention_gradient", inputs, in, in.count);
  const AttentionSizes s = rule.sizes();
  const Shape y{s.batch, s.queries, s.heads, s.value_size};
  rule.require_shape(in.y, "y", y);
  rule.require_shape(in.log_sum, "the log-sum-exp", {s.batch, s.heads, s.queries});
  rule.require_shape(in.dy, "dy", y);
  const int places[] = {in.query, in.key, in.value, in.mask, in.slopes, in.scale, in.rate};
  const std::int64_t flags[] = {0, 0, 0, wants_mask, wants_slopes, wants_scale, wants_rate};
  const bool there = k < 3 || (a.wanted & flags[k]) != 0;
  return {rule.dtype(), there ? rule.shape(places[k]) : Shape{0}};
}

// The matrices of one use, (batch, heads, queries, keys). Head h of the queries lies beside the others of its group:
// (batch, kv_heads, group * queries, size) meets (batch, kv_heads, keys, size).
class Composition {
 public:
  Composition(std::span<const Tensor> inputs, Attributes attributes)
      : a_(attributes_as<AttentionAttributes>(attributes)),
        in_(a_),
        inputs_(inputs),
        s_(inputs[0].shape(), inputs[1].shape(), inputs[2].shape()) {}

  /// scale q k^T + mask - slopes * distance, `masked_score` where a query may not see the key.
  [[nodiscard]] Tensor scores() const {
    Tensor result = products() * argument(in_.scale);
    if (has_floating_mask()) result = result + argument(in_.mask);
    if (in_.slopes >= 0) result = result - reshape(argument(in_.slopes), {1, s_.heads, 1, 1}) * distance();
    const Tensor seen = allowed();
    return seen.defined() ? where(seen, result, masked_score) : result;
  }
  [[nodiscard]] Tensor probabilities() const {
    const Tensor p = softmax(scores(), -1);
    const Tensor seen = allowed();  // of a query that may see nothing, softmax makes equal shares
    return seen.defined() ? where(seen, p, 0.0) : p;
  }
  [[nodiscard]] Tensor dropped(const Tensor& p) const {
    if (in_.rate < 0) return p;
    return dropout(p, argument(in_.rate), argument(in_.seed), argument(in_.counter));
  }

  [[nodiscard]] Tensor products() const { return over_size(by_group(argument(in_.query)), by_head(argument(in_.key))); }
  /// dy v^T
  [[nodiscard]] Tensor value_products(const Tensor& dy) const {
    return over_size(by_group(dy), by_head(argument(in_.value)));
  }
  /// weights x for x: (batch, keys, kv_heads, width): (batch, queries, heads, width)
  [[nodiscard]] Tensor over_keys(const Tensor& weights, const Tensor& x) const {
    const Tensor y = matmul(grouped(weights), by_head(x));
    return transpose(reshape(y, {s_.batch, s_.heads, s_.queries, x.size(3)}), 1, 2);
  }
  /// weights^T x for x: (batch, queries, heads, width): (batch, keys, kv_heads, width)
  [[nodiscard]] Tensor over_queries(const Tensor& weights, const Tensor& x) const {
    return transpose(matmul(grouped(weights), by_group(x), {.transpose_a = true}), 1, 2);
  }
  [[nodiscard]] Tensor argument(int place) const { return inputs_[static_cast<std::size_t>(place)]; }
  [[nodiscard]] const AttentionArguments& at() const { return in_; }
  [[nodiscard]] const AttentionSizes& sizes() const { return s_; }

  /// |position of the query - position of the key| as numbers, (batch or 1, 1, queries, keys).
  [[nodiscard]] Tensor distance() const { return cast(steps_apart(), inputs_[0].dtype()); }

 private:
  [[nodiscard]] static Tensor by_head(const Tensor& x) { return transpose(x, 1, 2); }
  [[nodiscard]] Tensor by_group(const Tensor& x) const {
    return reshape(transpose(x, 1, 2), {s_.batch, s_.kv_heads, s_.group() * s_.queries, x.size(3)});
  }
  [[nodiscard]] Tensor grouped(const Tensor& weights) const {
    return reshape(weights, {s_.batch, s_.kv_heads, s_.group() * s_.queries, s_.keys});
  }
  [[nodiscard]] Tensor over_size(const Tensor& left, const Tensor& right) const {
    return reshape(matmul(left, right, {.transpose_b = true}), {s_.batch, s_.heads, s_.queries, s_.keys});
  }
  [[nodiscard]] bool has_floating_mask() const { return in_.mask >= 0 && is_floating(argument(in_.mask).dtype()); }

  // 0, 1, ... along one of four axes; computed, for a composition may hold no numbers of its own.
  [[nodiscard]] static Tensor counted(int axis, std::int64_t count) {
    Shape shape{1, 1, 1, 1};
    shape.set(axis, count);
    return cumsum(ones(shape, DType::i64), axis) - 1.0;
  }
  [[nodiscard]] Tensor key_positions() const { return counted(3, s_.keys); }
  [[nodiscard]] Tensor query_positions() const {
    const Tensor i = counted(2, s_.queries);
    return in_.first < 0 ? i : i + reshape(argument(in_.first), {s_.batch, 1, 1, 1});
  }
  [[nodiscard]] Tensor steps_apart() const { return abs(query_positions() - key_positions()); }

  // Boolean, broadcast to the scores; undefined when every query sees all keys.
  [[nodiscard]] Tensor allowed() const {
    Tensor all;
    const auto require = [&](const Tensor& condition) {
      all = all.defined() ? logical_and(all, condition) : condition;
    };
    if (in_.lengths >= 0) require(less(key_positions(), reshape(argument(in_.lengths), {s_.batch, 1, 1, 1})));
    if (a_.causal != 0) require(less_equal(key_positions(), query_positions()));
    if (in_.window >= 0) require(less(steps_apart(), argument(in_.window)));
    if (in_.mask >= 0) {
      const Tensor mask = argument(in_.mask);
      require(has_floating_mask() ? greater(mask, -std::numeric_limits<double>::infinity()) : mask);
    }
    return all;
  }

  AttentionAttributes a_;
  AttentionArguments in_;
  std::span<const Tensor> inputs_;
  AttentionSizes s_;
};

std::vector<Tensor> compose_attention(std::span<const Tensor> inputs, Attributes attributes) {
  const Composition c(inputs, attributes);
  const Tensor y = c.over_keys(c.dropped(c.probabilities()), c.argument(c.at().value));
  return {y, logsumexp(c.scores(), -1)};
}

// x summed over the axes along which `shape` was broadcast.
Tensor summed_to(const Tensor& x, const Shape& shape) {
  Tensor result = x;
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] == 1 && x.size(i) != 1) result = sum(result, i, {.keep = true});
  return result;
}

// With probabilities P, those after dropout D and dD = dy v^T: dS = P (dP - sum(P dP)) for the scores S.
std::vector<Tensor> compose_attention_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<AttentionAttributes>(attributes);
  const AttentionGradientArguments in(a);
  const Composition c(inputs, attributes);
  const Tensor dy = c.argument(in.dy);
  const Tensor p = c.probabilities();
  const Tensor d = c.dropped(p);
  const Tensor of_dropped = c.value_products(dy);
  const Tensor dp = c.dropped(of_dropped);
  const Tensor ds = p * (dp - sum(p * dp, -1, {.keep = true}));
  const Tensor scaled = ds * c.argument(in.scale);
  std::vector<Tensor> results = {c.over_keys(scaled, c.argument(in.key)), c.over_queries(scaled, c.argument(in.query)),
                                 c.over_queries(d, dy)};
  const Tensor nothing = zeros({0}, dy.dtype());
  const auto wanted = [&](std::int64_t which) { return (a.wanted & which) != 0; };
  results.push_back(wanted(wants_mask) ? summed_to(ds, c.argument(in.mask).shape()) : nothing);
  results.push_back(wanted(wants_slopes) ? -sum(ds * c.distance(), {0, 2, 3}) : nothing);
  results.push_back(wanted(wants_scale) ? sum(ds * c.products()) : nothing);
  results.push_back(wanted(wants_rate) ? sum(d * of_dropped) / (1.0 - c.argument(in.rate)) : nothing);
  return results;
}

void attention_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& attention_op = define_op({.name = "attention",
                                    .kind = OpClass::fused,
                                    .arity = -1,
                                    .results = 2,
                                    .infer = infer_attention,
                                    .gradient = attention_gradient,
                                    .compose = compose_attention});
const Op& attention_gradient_op = define_op({.name = "attention_gradient",
                                             .kind = OpClass::fused,
                                             .arity = -1,
                                             .results = 7,
                                             .infer = infer_attention_gradient,
                                             .compose = compose_attention_gradient});

void attention_gradient(const GradientCase& at, std::span<Tensor> out) {
  auto a = attributes_as<AttentionAttributes>(at.attributes);
  const AttentionArguments in(a);
  if (at.cotangents[1].defined()) throw Error("attention: the log-sum-exp is for the gradient alone");
  const int places[] = {in.query, in.key, in.value, in.mask, in.slopes, in.scale, in.rate};
  const auto needs = [&](int place) { return place >= 0 && at.needs[static_cast<std::size_t>(place)]; };
  a.wanted = (needs(in.mask) ? wants_mask : 0) + (needs(in.slopes) ? wants_slopes : 0) +
             (needs(in.scale) ? wants_scale : 0) + (needs(in.rate) ? wants_rate : 0);
  std::vector<Tensor> inputs(at.inputs.begin(), at.inputs.end());
  // Detached: the gradient is a function of the arguments alone, and its own gradient needs no share of the results.
  inputs.insert(inputs.end(), {detach(at.results[0]), detach(at.results[1]), at.cotangents[0]});
  const Tensor all = apply(attention_gradient_op, inputs, words_of(a));
  for (int k = 0; k < 7; ++k)
    if (needs(places[k])) out[static_cast<std::size_t>(places[k])] = output(all, k);
}

// The operator's arguments as the options say.
struct Arguments {
  std::vector<Tensor> inputs;
  AttentionAttributes attributes{};

  Arguments(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionOptions& options) {
    require_query_and_key(query, key);
    require_options(query, key, options);
    const double scale = options.scale ? *options.scale : 1 / std::sqrt(static_cast<double>(query.size(3)));
    inputs = {query, key, value, scalar(scale, query.dtype())};
    attributes.causal = options.causal ? 1 : 0;
    add(attributes.mask, options.mask.defined() ? with_four_axes(options.mask) : Tensor());
    add(attributes.lengths, options.lengths);
    add(attributes.first, options.first);
    add(attributes.slopes, options.slopes);
    add(attributes.window, options.window > 0 ? scalar_integer(options.window) : Tensor());
  }
  void add_dropout(double p) {
    if (p == 0) return;
    const RandomKey random = next_random_key();
    attributes.dropout = 1;
    inputs.insert(inputs.end(), {scalar(p, inputs[0].dtype()), random.seed, random.counter});
  }

 private:
  void add(std::int64_t& flag, const Tensor& input) {
    if (!input.defined()) return;
    flag = 1;
    inputs.push_back(input);
  }
  [[nodiscard]] static Tensor with_four_axes(const Tensor& mask) {
    if (mask.rank() >= 4) return mask;
    Shape shape;
    for (int i = mask.rank(); i < 4; ++i) shape.push_back(1);
    for (const std::int64_t extent : mask.shape()) shape.push_back(extent);
    return reshape(mask, shape);
  }
};

thread_local AttentionRecord* attention_record = nullptr;

}  // namespace

AttentionRecord::AttentionRecord() : outer_(std::exchange(attention_record, this)) {}

AttentionRecord::~AttentionRecord() {
  attention_record = outer_;
}

void AttentionRecord::note(const Tensor& query, const Tensor& key, const AttentionOptions& options) {
  entries_.push_back({module_path(current_module()), attention_probabilities(query, key, options)});
}

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionOptions& options) {
  if (!value.defined()) throw Error("attention: value is undefined");
  if (attention_record != nullptr) attention_record->note(query, key, options);
  Arguments arguments(query, key, value, options);
  arguments.add_dropout(options.dropout);
  return output(apply(attention_op, arguments.inputs, words_of(arguments.attributes)), 0);
}

Tensor attention_probabilities(const Tensor& query, const Tensor& key, const AttentionOptions& options) {
  const Arguments arguments(query, key, key, options);
  std::vector<const Node*> nodes;  // the same errors as those of attention
  for (const Tensor& input : arguments.inputs) nodes.push_back(input.read());
  (void)infer_attention(nodes, words_of(arguments.attributes), 0);
  return Composition(arguments.inputs, words_of(arguments.attributes)).probabilities();
}

}  // namespace narae
