#include "narae/models/decoder.h"

#include <algorithm>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/nn/position.h"
#include "narae/ops/attention.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

// Keys and values of a layer within a state.
const Tensor& keys_of(const std::vector<Tensor>& state, std::int64_t layer) {
  return state[static_cast<std::size_t>(1 + 2 * layer)];
}
const Tensor& values_of(const std::vector<Tensor>& state, std::int64_t layer) {
  return state[static_cast<std::size_t>(2 + 2 * layer)];
}

std::int64_t capacity_of(const std::vector<Tensor>& state) {
  return state[1].size(1);
}

void require_state(const nn::SequenceInput& input, const DecoderOptions& options) {
  const auto parts = static_cast<std::size_t>(1 + 2 * options.layers);
  const bool fits = input.state.size() == parts && input.state[0].rank() == 1 && input.state[1].rank() == 4 &&
                    input.state[0].size(0) == input.x.size(0) && input.state[1].size(0) == input.x.size(0);
  if (!fits) {
    throw Error("the state has " + std::to_string(input.state.size()) + " parts of another network or batch; " +
                std::to_string(parts) + " for a batch of " + std::to_string(input.x.size(0)) +
                " are needed (begin with empty_state)");
  }
}

// Lengths that are known already tell how much room is needed.
void require_room(const nn::SequenceInput& input) {
  if (!input.state[0].node()->computed()) return;
  const std::vector<std::int64_t> first = input.state[0].to_vector<std::int64_t>();
  std::vector<std::int64_t> lengths(first.size(), input.x.size(1));
  if (input.lengths.defined() && input.lengths.node()->computed()) lengths = input.lengths.to_vector<std::int64_t>();
  for (std::size_t n = 0; n < std::min(first.size(), lengths.size()); ++n) {
    if (first[n] + lengths[n] <= capacity_of(input.state)) continue;
    throw Error("context overflow: sequence " + std::to_string(n) + " has " + std::to_string(first[n]) +
                " tokens behind it and " + std::to_string(lengths[n]) + " to come, the state has room for " +
                std::to_string(capacity_of(input.state)) + "; give it more room (with_room) or begin afresh");
  }
}

}  // namespace

DecoderCall::DecoderCall(const nn::SequenceInput& input, const DecoderOptions& options) : input_(input) {
  const Tensor& x = input.x;
  if (!x.defined() || x.rank() != 2) {
    throw Error("tokens of shape " + (x.defined() ? to_string(x.shape()) : "(undefined)") +
                "; (batch, steps) is needed");
  }
  if (x.size(1) < 1) throw Error("no token to begin with: an empty prompt has nothing that follows it");
  if (x.size(1) > options.context) {
    throw Error("context overflow: " + std::to_string(x.size(1)) + " tokens, the network sees " +
                std::to_string(options.context) + " at once (model.context)");
  }
  positions_ = nn::first_positions(x.size(1));
  if (input.state.empty()) return;
  require_state(input, options);
  require_room(input);
  positions_ = minimum(unsqueeze(input.state[0], 1) + positions_, static_cast<double>(options.context - 1));
}

Tensor DecoderCall::attend(std::int64_t layer, const Tensor& query, const Tensor& key, const Tensor& value,
                           double dropout) const {
  if (input_.state.empty()) return attention(query, key, value, {.causal = true, .dropout = dropout});
  const Tensor& first = input_.state[0];
  const Tensor keys = write_rows(keys_of(input_.state, layer), key, first);
  const Tensor values = write_rows(values_of(input_.state, layer), value, first);
  Tensor y = attention(query, keys, values, {.causal = true, .first = first, .dropout = dropout});
  assign_with(y, keys_of(input_.state, layer), keys);
  assign_with(y, values_of(input_.state, layer), values);
  return y;
}

std::vector<Tensor> DecoderCall::state() const {
  if (input_.state.empty()) return {};
  std::vector<Tensor> next = input_.state;
  const auto steps = scalar_integer(input_.x.size(1));
  next[0] = input_.lengths.defined() ? next[0] + input_.lengths : next[0] + steps;
  return next;
}

Decoder::Decoder(const std::string& kind, const DecoderOptions& options)
    : SequenceModule(kind, std::to_string(options.width) + ", " + std::to_string(options.layers) + " layers, " +
                               std::to_string(options.heads) + " heads, context " + std::to_string(options.context)),
      options_(options) {
  if (options_.kv_heads == 0) options_.kv_heads = options_.heads;
  if (options_.width < 1 || options_.layers < 1 || options_.heads < 1 || options_.context < 1) {
    throw UsageError("gpt: width, layers, heads and context must be at least 1");
  }
  if (options_.width % options_.heads != 0) {
    throw UsageError("gpt: " + std::to_string(options_.heads) + " heads do not divide the width " +
                     std::to_string(options_.width));
  }
  if (options_.heads % options_.kv_heads != 0) {
    throw UsageError("gpt: " + std::to_string(options_.kv_heads) + " heads of keys do not divide the " +
                     std::to_string(options_.heads) + " heads of queries");
  }
}

std::vector<Tensor> Decoder::empty_state(std::int64_t batch, std::int64_t capacity) const {
  if (batch < 1 || capacity < 1) {
    throw Error("empty_state: " + std::to_string(batch) + " sequences of " + std::to_string(capacity) +
                " tokens; at least 1 each");
  }
  const Shape shape{batch, capacity, options_.kv_heads, options_.width / options_.heads};
  std::vector<Tensor> state = {Array::zeros(DType::i64, {batch})};
  for (std::int64_t part = 0; part < 2 * options_.layers; ++part) {
    state.push_back(variable(Array::zeros(dtype_, shape), {.name = "cache", .trainable = false}));
  }
  return state;
}

std::vector<Tensor> Decoder::with_room(const std::vector<Tensor>& state, std::int64_t capacity) const {
  std::vector<Tensor> larger = Decoder::empty_state(state.at(0).size(0), capacity);
  const Tensor begin = larger[0];
  larger[0] = state[0];
  std::vector<Assignment> copies;
  for (std::size_t part = 1; part < state.size(); ++part) {
    copies.push_back({larger[part], write_rows(larger[part], state[part], begin)});
  }
  (void)update(copies);
  return larger;
}

std::vector<Tensor> Decoder::state_of_rows(const std::vector<Tensor>& state, const Tensor& rows) const {
  std::vector<Tensor> taken = Decoder::empty_state(rows.size(0), capacity_of(state));
  taken[0] = take(state.at(0), rows);
  std::vector<Assignment> copies;
  for (std::size_t part = 1; part < state.size(); ++part) copies.push_back({taken[part], take(state[part], rows)});
  (void)update(copies, {}, std::span(taken.data(), 1));
  return taken;
}

}  // namespace narae::models
