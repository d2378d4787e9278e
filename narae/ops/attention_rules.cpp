#include "narae/ops/attention_rules.h"

#include <cmath>
#include <string>

namespace narae::attention_rules {
namespace {

std::string describe(const Node& x) {
  return std::string(name_of(x.dtype)) + " " + to_string(x.shape);
}

// Values that are known already are checked; others would have to be computed first.
void require_range(const char* name, const Tensor& x, std::int64_t most, const std::string& why) {
  if (!x.defined() || x.dtype() != DType::i64 || !x.read()->computed()) return;
  std::int64_t n = 0;
  for (const std::int64_t value : x.to_vector<std::int64_t>()) {
    if (value < 0 || value > most) {
      throw Error("attention: " + std::string(name) + " of sequence " + std::to_string(n) + " is " +
                  std::to_string(value) + "; 0 to " + std::to_string(most) + " is possible with " + why);
    }
    ++n;
  }
}

}  // namespace

Rule::Rule(const char* op, std::span<const Node* const> inputs, const AttentionArguments& in, int count)
    : op_(op), inputs_(inputs) {
  if (inputs.size() != static_cast<std::size_t>(count)) {
    throw Error(std::string(op) + ": " + std::to_string(inputs.size()) + " arguments; " + std::to_string(count) +
                " are needed");
  }
  require_types(in);
  require_heads();
  const AttentionSizes s = sizes();
  require_shape(in.scale, "the scale", {});
  require_mask(in.mask);
  require_shape(in.lengths, "the lengths", {s.batch});
  require_shape(in.first, "the first positions", {s.batch});
  require_shape(in.slopes, "the slopes", {s.heads});
  require_shape(in.window, "the window", {});
  require_shape(in.rate, "the dropout's rate", {});
  require_shape(in.seed, "the seed", {});
  require_shape(in.counter, "the counter", {});
}

void Rule::require_type(int i, const char* name, DType wanted) const {
  if (i < 0 || node(i).dtype == wanted) return;
  throw Error(std::string(op_) + ": " + name + ", " + describe(node(i)) + ", must be " + std::string(name_of(wanted)) +
              "; cast it first");
}

void Rule::require_types(const AttentionArguments& in) const {
  if (!is_floating(dtype())) {
    throw Error(std::string(op_) + ": query is " + describe(node(0)) + "; f32 or f64 is needed, cast it first");
  }
  require_type(in.key, "key", dtype());
  require_type(in.value, "value", dtype());
  require_type(in.scale, "the scale", dtype());
  require_type(in.slopes, "the slopes", dtype());
  require_type(in.rate, "the dropout's rate", dtype());
  require_type(in.window, "the window", DType::i64);
  require_type(in.seed, "the seed", DType::i64);
  require_type(in.counter, "the counter", DType::i64);
  require_type(in.lengths, "the lengths", DType::i64);
  require_type(in.first, "the first positions", DType::i64);
  if (in.mask >= 0 && node(in.mask).dtype != DType::boolean)
    require_type(in.mask, "the mask, unless it is boolean", dtype());
}

void Rule::require_heads() const {
  const Shape& q = shape(0);
  const Shape& k = shape(1);
  const Shape& v = shape(2);
  const auto fail = [&](const std::string& why) {
    throw Error(std::string(op_) + ": query is " + describe(node(0)) + ", key " + describe(node(1)) + ", value " +
                describe(node(2)) + ": " + why);
  };
  if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4 || q.count() == 0 || k.count() == 0 || v.count() == 0) {
    fail("(batch, time, heads, size) with at least one element is needed for each");
  }
  if (q[0] != k[0] || q[0] != v[0]) fail("the batches differ");
  if (q[3] != k[3]) fail("query and key have different sizes of a head");
  if (k[1] != v[1] || k[2] != v[2]) fail("key and value differ in length or heads");
  if (q[2] % k[2] != 0) {
    fail("the " + std::to_string(k[2]) + " heads of the keys do not divide the " + std::to_string(q[2]) +
         " of the queries");
  }
}

void Rule::require_mask(int i) const {
  if (i < 0) return;
  const AttentionSizes s = sizes();
  const Shape wanted{s.batch, s.heads, s.queries, s.keys};
  bool fits = shape(i).rank() == 4;
  for (int axis = 0; fits && axis < 4; ++axis) fits = shape(i)[axis] == wanted[axis] || shape(i)[axis] == 1;
  if (fits) return;
  throw Error(std::string(op_) + ": the mask has shape " + to_string(shape(i)) + ", which can't be broadcast to " +
              "(batch, heads, queries, keys) = " + to_string(wanted));
}

void Rule::require_shape(int i, const char* name, const Shape& wanted) const {
  if (i < 0 || shape(i) == wanted) return;
  throw Error(std::string(op_) + ": " + name + " has shape " + to_string(shape(i)) + ", query " + to_string(shape(0)) +
              ", key " + to_string(shape(1)) + "; " + to_string(wanted) + " is needed");
}

void require_query_and_key(const Tensor& query, const Tensor& key) {
  if (!query.defined()) throw Error("attention: query is undefined");
  if (!key.defined()) throw Error("attention: key is undefined");
  for (const Tensor* x : {&query, &key}) {
    if (x->rank() == 4) continue;
    throw Error("attention: " + std::string(x == &query ? "query" : "key") + " has shape " + to_string(x->shape()) +
                "; (batch, time, heads, size) is needed");
  }
}

void require_options(const Tensor& query, const Tensor& key, const AttentionOptions& options) {
  const std::int64_t queries = query.size(1);
  const std::int64_t keys = key.size(1);
  if (options.window < 0) {
    throw Error("attention: the window of " + std::to_string(options.window) + " must be at least 1, or 0 for none");
  }
  if (!(options.dropout >= 0 && options.dropout <= 1)) {
    throw Error("attention: the dropout rate " + std::to_string(options.dropout) + " is not between 0 and 1");
  }
  if (options.scale && !std::isfinite(*options.scale)) throw Error("attention: the scale is not finite");
  require_range("the length", options.lengths, keys, std::to_string(keys) + " keys");
  if (!options.first.defined()) return;
  if (!options.causal && options.window == 0 && !options.slopes.defined()) {
    throw Error("attention: the first positions say nothing without causal, window or slopes; leave them out");
  }
  if (queries > keys) {
    throw Error("attention: " + std::to_string(queries) + " queries with first positions stand beyond the " +
                std::to_string(keys) + " keys");
  }
  require_range("the first position", options.first, keys - queries,
                std::to_string(queries) + " queries and " + std::to_string(keys) + " keys");
}

}  // namespace narae::attention_rules
