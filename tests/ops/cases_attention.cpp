#include <limits>

#include "narae/graph/attention_attributes.h"
#include "narae/ops/attention.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/ops/rotary.h"
#include "narae/ops/view.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

// One use of attention. Optional inputs stand behind query, key and value in the order of the fields.
struct Use {
  std::string label;
  std::int64_t batch, queries, keys, heads, kv_heads, size, value_size;
  bool causal = false;
  Shape mask = {};  // floating
  bool boolean_mask = false;
  std::vector<double> lengths = {};
  std::vector<double> first = {};
  bool slopes = false;
  std::int64_t window = 0;
  double dropout = 0;
};

std::vector<Use> uses() {
  constexpr double none = 0;
  return {
      {.label = "one key", .batch = 1, .queries = 1, .keys = 1, .heads = 1, .kv_heads = 1, .size = 1, .value_size = 1},
      {.label = "plain", .batch = 2, .queries = 3, .keys = 4, .heads = 2, .kv_heads = 2, .size = 3, .value_size = 2},
      {.label = "causal",
       .batch = 1,
       .queries = 4,
       .keys = 4,
       .heads = 2,
       .kv_heads = 2,
       .size = 2,
       .value_size = 2,
       .causal = true},
      {.label = "causal, more queries than keys",
       .batch = 1,
       .queries = 5,
       .keys = 3,
       .heads = 1,
       .kv_heads = 1,
       .size = 2,
       .value_size = 2,
       .causal = true},
      {.label = "causal from a position in a cache, grouped queries",
       .batch = 3,
       .queries = 2,
       .keys = 6,
       .heads = 4,
       .kv_heads = 2,
       .size = 3,
       .value_size = 2,
       .causal = true,
       .first = {0, 4, 2}},
      {.label = "lengths, also of nothing",
       .batch = 3,
       .queries = 2,
       .keys = 5,
       .heads = 2,
       .kv_heads = 1,
       .size = 2,
       .value_size = 3,
       .lengths = {5, none, 2}},
      {.label = "window",
       .batch = 2,
       .queries = 6,
       .keys = 6,
       .heads = 1,
       .kv_heads = 1,
       .size = 2,
       .value_size = 2,
       .lengths = {6, 3},
       .window = 2},
      {.label = "causal window with slopes",
       .batch = 2,
       .queries = 3,
       .keys = 7,
       .heads = 2,
       .kv_heads = 2,
       .size = 2,
       .value_size = 2,
       .causal = true,
       .first = {4, 1},
       .slopes = true,
       .window = 3},
      {.label = "mask of scores for each head",
       .batch = 2,
       .queries = 3,
       .keys = 4,
       .heads = 2,
       .kv_heads = 2,
       .size = 2,
       .value_size = 2,
       .mask = {1, 2, 3, 4}},
      {.label = "mask of scores for keys",
       .batch = 2,
       .queries = 3,
       .keys = 4,
       .heads = 2,
       .kv_heads = 2,
       .size = 2,
       .value_size = 2,
       .causal = true,
       .mask = {2, 1, 1, 4}},
      {.label = "mask of scores for queries",
       .batch = 2,
       .queries = 3,
       .keys = 4,
       .heads = 2,
       .kv_heads = 2,
       .size = 2,
       .value_size = 2,
       .mask = {2, 1, 3, 1},
       .dropout = 0.4},
      {.label = "boolean mask",
       .batch = 2,
       .queries = 3,
       .keys = 4,
       .heads = 2,
       .kv_heads = 1,
       .size = 2,
       .value_size = 2,
       .boolean_mask = true},
      {.label = "dropout",
       .batch = 2,
       .queries = 3,
       .keys = 5,
       .heads = 2,
       .kv_heads = 2,
       .size = 2,
       .value_size = 2,
       .causal = true,
       .dropout = 0.4},
      {.label = "several tiles, causal",
       .batch = 1,
       .queries = 150,
       .keys = 150,
       .heads = 2,
       .kv_heads = 1,
       .size = 20,
       .value_size = 17,
       .causal = true},
      {.label = "several tiles, everything",
       .batch = 2,
       .queries = 70,
       .keys = 131,
       .heads = 2,
       .kv_heads = 1,
       .size = 5,
       .value_size = 33,
       .causal = true,
       .mask = {1, 2, 70, 131},
       .lengths = {131, 90},
       .first = {61, 30},
       .slopes = true,
       .window = 50,
       .dropout = 0.25},
  };
}

// Recipes are written several times: each draws from the same place.
Tensor with_fixed_draws(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  const RandomState before = random_state();
  set_random_state({.seed = 11, .counter = 3});
  Tensor y = attention(q, k, v, options);
  set_random_state(before);
  return y;
}

OperatorCase case_of(const Use& u) {
  OperatorCase c{.ops = {"attention", "attention_gradient"},
                 .label = u.label,
                 .inputs = {{.shape = {u.batch, u.queries, u.heads, u.size}},
                            {.shape = {u.batch, u.keys, u.kv_heads, u.size}},
                            {.shape = {u.batch, u.keys, u.kv_heads, u.value_size}}},
                 .function = [u](Inputs in) {
                   std::size_t next = 3;
                   AttentionOptions o{.causal = u.causal, .window = u.window, .dropout = u.dropout};
                   if (u.mask.rank() > 0 || u.boolean_mask) o.mask = in[next++];
                   if (!u.lengths.empty()) o.lengths = in[next++];
                   if (!u.first.empty()) o.first = in[next++];
                   if (u.slopes) o.slopes = in[next++];
                   return Results{with_fixed_draws(in[0], in[1], in[2], o)};
                 }};
  if (u.mask.rank() > 0) c.inputs.push_back({.shape = u.mask});
  // The second query of each sequence sees nothing.
  if (u.boolean_mask)
    c.inputs.push_back(
        {.shape = {u.queries, u.keys}, .dtype = DType::boolean, .values = {1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1}});
  if (!u.lengths.empty()) c.inputs.push_back({.shape = {u.batch}, .dtype = DType::i64, .values = u.lengths});
  if (!u.first.empty()) c.inputs.push_back({.shape = {u.batch}, .dtype = DType::i64, .values = u.first});
  if (u.slopes) c.inputs.push_back({.shape = {u.heads}, .low = 0.1, .high = 1});
  return c;
}

}  // namespace

std::vector<OperatorCase> attention_cases() {
  std::vector<OperatorCase> cases;
  for (const Use& u : uses()) cases.push_back(case_of(u));
  // The numbers among the arguments have gradients as well.
  cases.push_back({.ops = {"attention", "attention_gradient"},
                   .label = "scale and dropout's rate",
                   .inputs = {{.shape = {1, 2, 2, 3}},
                              {.shape = {1, 4, 2, 3}},
                              {.shape = {1, 4, 2, 2}},
                              {.values = {0.6}},
                              {.values = {0.3}},
                              {.dtype = DType::i64, .values = {7}},
                              {.dtype = DType::i64, .values = {3}}},
                   .function = [](Inputs in) {
                     AttentionAttributes a{};
                     a.dropout = 1;
                     return Results{output(apply(*find_op("attention"), in, words_of(a)), 0)};
                   }});
  cases.push_back({.ops = {"attention"},
                   .label = "keys masked by -inf",
                   .inputs = {{.shape = {1, 2, 1, 3}}, {.shape = {1, 3, 1, 3}}, {.shape = {1, 3, 1, 2}}},
                   .function = [](Inputs in) {
                     constexpr float inf = std::numeric_limits<float>::infinity();
                     const Tensor mask = Tensor::of({0.5F, -inf, 0, -inf, -inf, -inf}, {2, 3});
                     return Results{attention(in[0], in[1], in[2], {.mask = cast(mask, in[0].dtype())})};
                   }});
  cases.push_back({.ops = {"attention"},
                   .label = "one tensor three times",
                   .inputs = {{.shape = {2, 3, 2, 2}}},
                   .function = [](Inputs in) { return Results{attention(in[0], in[0], in[0], {.causal = true})}; }});
  for (const RotaryPairs pairs : {RotaryPairs::halves, RotaryPairs::neighbours}) {
    const std::string name = pairs == RotaryPairs::halves ? "halves" : "neighbours";
    for (const std::int64_t batch : {1, 2})
      cases.push_back({.ops = {"rotate_pairs"},
                       .label = name + ", angles of " + std::to_string(batch),
                       .inputs = {{.shape = {2, 3, 2, 6}}, {.shape = {batch, 3, 3}}, {.shape = {batch, 3, 3}}},
                       .function = [pairs](Inputs in) { return Results{rotate_pairs(in[0], in[1], in[2], pairs)}; }});
    cases.push_back(
        {.ops = {"rotate_pairs"},
         .label = name + ", a part of each head",
         .inputs = {{.shape = {2, 3, 2, 6}}, {.shape = {2, 3}, .dtype = DType::i64, .values = {0, 1, 2, 7, 8, 9}}},
         .function = [pairs](Inputs in) {
           return Results{rotary(in[0], in[1], {.pairs = pairs, .base = 100, .width = 4})};
         }});
  }
  return cases;
}

}  // namespace narae::test
