#include "narae/ops/random.h"

#include <mutex>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/rules.h"

namespace narae {
namespace {

using rules::OpName;

// Words: the type, then the extents. Inputs: seed and counter.
template <OpName name>
Signature infer_random(std::span<const Node* const> inputs, Attributes words, int) {
  const auto dtype = static_cast<DType>(words[0]);
  if (!is_floating(dtype)) {
    throw Error(std::string(name.text) + ": no random numbers of type " + std::string(name_of(dtype)) +
                "; cast those of f32");
  }
  rules::require_scalar(name.text, *inputs[0], DType::i64, 1);
  rules::require_scalar(name.text, *inputs[1], DType::i64, 2);
  return {dtype, Shape(words.subspan(1))};
}

const Op& random_uniform_op = define_op({.name = "random_uniform",
                                         .kind = OpClass::random,
                                         .arity = 2,
                                         .infer = infer_random<"random_uniform">,
                                         .stops_gradient = true});
const Op& random_normal_op = define_op({.name = "random_normal",
                                        .kind = OpClass::random,
                                        .arity = 2,
                                        .infer = infer_random<"random_normal">,
                                        .stops_gradient = true});

struct Generator {
  std::mutex mutex;
  RandomState state;
};

Generator& generator() {
  static auto* instance = new Generator;
  return *instance;
}

Tensor draw(const Op& op, const Shape& shape, DType dtype) {
  std::vector<std::int64_t> words = {static_cast<std::int64_t>(dtype)};
  words.insert(words.end(), shape.begin(), shape.end());
  const RandomKey key = next_random_key();
  return apply(op, {key.seed, key.counter}, words);
}

}  // namespace

void manual_seed(std::uint64_t seed) {
  set_random_state({.seed = seed, .counter = 0});
}

RandomState random_state() {
  Generator& g = generator();
  const std::lock_guard lock(g.mutex);
  return g.state;
}

void set_random_state(const RandomState& state) {
  Generator& g = generator();
  const std::lock_guard lock(g.mutex);
  g.state = state;
}

RandomKey next_random_key() {
  Generator& g = generator();
  RandomState at;
  {
    const std::lock_guard lock(g.mutex);
    at = g.state;
    ++g.state.counter;
  }
  return {scalar_integer(static_cast<std::int64_t>(at.seed)), scalar_integer(static_cast<std::int64_t>(at.counter))};
}

Tensor uniform(const Shape& shape, double low, double high, DType dtype) {
  return draw(random_uniform_op, shape, dtype) * (high - low) + low;
}

Tensor normal(const Shape& shape, double mean, double standard_deviation, DType dtype) {
  return draw(random_normal_op, shape, dtype) * standard_deviation + mean;
}

Tensor bernoulli(const Shape& shape, double p, DType dtype) {
  if (!(p >= 0 && p <= 1)) throw Error("bernoulli: p is " + std::to_string(p) + ", not a probability");
  return cast(less(draw(random_uniform_op, shape, DType::f32), p), dtype);
}

}  // namespace narae
