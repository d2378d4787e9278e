#include "narae/train/language_decoder.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "narae/core/error.h"
#include "narae/data/loader.h"
#include "narae/graph/eval.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

constexpr std::int64_t first_capacity = 64;

std::int64_t longest_of(const std::vector<TokenSequence>& sequences) {
  std::int64_t longest = 0;
  for (const TokenSequence& sequence : sequences) longest = std::max(longest, std::ssize(sequence));
  return longest;
}

void require_known(const Array& tokens, std::int64_t vocabulary) {
  for (const std::int64_t token : tokens.values<std::int64_t>()) {
    if (token >= 0 && token < vocabulary) continue;
    throw Error("token " + std::to_string(token) + " is out of range: the network knows 0 to " +
                std::to_string(vocabulary - 1));
  }
}

}  // namespace

const Array& LanguageDecoder::begin(std::vector<TokenSequence> prompts) {
  if (prompts.empty()) throw Error("there is no prompt to go on with");
  for (std::size_t n = 0; n < prompts.size(); ++n) {
    if (prompts[n].empty()) {
      throw Error("prompt " + std::to_string(n) +
                  " is empty: at least one token is needed (the one that begins texts)");
    }
  }
  sequences_ = std::move(prompts);
  read_all();
  return logits_;
}

const Array& LanguageDecoder::go_on(std::span<const std::int64_t> tokens) {
  if (tokens.size() != sequences_.size()) {
    throw Error(std::to_string(tokens.size()) + " tokens for " + std::to_string(sequences_.size()) + " sequences");
  }
  for (std::size_t n = 0; n < tokens.size(); ++n) sequences_[n].push_back(tokens[n]);
  const std::int64_t context = network_->context();
  if (!options_.cached || (context > 0 && longest_of(sequences_) > context)) {
    read_all();
    return logits_;
  }
  make_room();
  Array x = Array::empty(DType::i64, {std::ssize(tokens), 1});
  std::copy(tokens.begin(), tokens.end(), x.mutable_values<std::int64_t>().begin());
  ask(x, {}, {});
  return logits_;
}

void LanguageDecoder::keep(std::span<const std::int64_t> rows) {
  const NoGrad no_grad;
  std::vector<TokenSequence> kept;
  for (const std::int64_t row : rows) {
    if (row < 0 || row >= std::ssize(sequences_)) throw Error("there is no sequence " + std::to_string(row));
    kept.push_back(sequences_[static_cast<std::size_t>(row)]);
  }
  if (kept.empty()) throw Error("no sequence would be left");
  const Tensor taken = Tensor::of(rows, {std::ssize(rows)});
  if (!state_.empty()) state_ = network_->state_of_rows(state_, taken);
  logits_ = take(logits_, taken).array();
  sequences_ = std::move(kept);
}

// Only those that are too long.
void LanguageDecoder::forget_older_halves() {
  const std::int64_t context = network_->context();
  for (TokenSequence& sequence : sequences_) {
    if (context == 0 || std::ssize(sequence) <= context) continue;
    sequence.erase(sequence.begin(), sequence.end() - (context + 1) / 2);
  }
}

void LanguageDecoder::read_all() {
  forget_older_halves();
  const std::int64_t batch = std::ssize(sequences_);
  const std::int64_t longest = longest_of(sequences_);
  const std::int64_t context = network_->context();
  const bool padded = batch > 1 || context > 0;
  const std::int64_t steps =
      padded ? bucket_length(longest, context > 0 ? context : longest + first_capacity) : longest;
  Array x = Array::zeros(DType::i64, {batch, steps});
  Array lengths = Array::empty(DType::i64, {batch});
  Array last = Array::empty(DType::i64, {batch});
  for (std::int64_t n = 0; n < batch; ++n) {
    const TokenSequence& sequence = sequences_[static_cast<std::size_t>(n)];
    std::copy(sequence.begin(), sequence.end(),
              x.mutable_values<std::int64_t>().subspan(static_cast<std::size_t>(n * steps)).begin());
    lengths.mutable_values<std::int64_t>()[static_cast<std::size_t>(n)] = std::ssize(sequence);
    last.mutable_values<std::int64_t>()[static_cast<std::size_t>(n)] = n * steps + std::ssize(sequence) - 1;
  }
  state_.clear();
  if (options_.cached && context > 0) {
    const auto room = std::bit_ceil(static_cast<std::uint64_t>(longest) + 1);
    capacity_ = std::min(context, std::max(first_capacity, static_cast<std::int64_t>(room)));
    state_ = network_->empty_state(batch, capacity_);
  }
  ask(x, padded ? lengths : Array{}, last);
}

void LanguageDecoder::make_room() {
  if (capacity_ == 0 || longest_of(sequences_) <= capacity_) return;
  const NoGrad no_grad;
  capacity_ = std::min(network_->context(), 2 * capacity_);
  state_ = network_->with_room(state_, capacity_);
}

// `last`: of each sequence, the place in (batch * steps) whose logits are wanted; empty: of one step each.
void LanguageDecoder::ask(const Array& tokens, const Array& lengths, const Array& last) {
  const NoGrad no_grad;
  nn::SequenceInput input{.x = tokens, .lengths = {}, .state = std::move(state_)};
  if (lengths.shape.rank() == 1) input.lengths = lengths;
  nn::SequenceOutput output = (*network_)(input);
  const std::int64_t vocabulary = output.logits.size(2);
  require_known(tokens, vocabulary);
  Tensor logits = reshape(output.logits, {tokens.shape.count(), vocabulary});
  if (last.shape.rank() == 1) logits = take(logits, last);
  logits = cast(logits, DType::f32);
  std::vector<Tensor> wanted = {logits};
  // Variables are written by the way.
  for (const Tensor& part : output.state) {
    if (options_.cached && !part.is_variable()) wanted.push_back(part);
  }
  output.logits = {};
  eval(wanted);
  logits_ = logits.array();
  state_.clear();
  if (options_.cached) state_ = std::move(output.state);
}

}  // namespace narae
