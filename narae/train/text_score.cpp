#include "narae/train/text_score.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/nn/sequence.h"
#include "narae/train/generate.h"
#include "narae/train/optimization.h"
#include "narae/train/task.h"

namespace narae {
namespace {

constexpr std::int64_t carried_piece = 256;  // tokens of a recurrent network's batch

// Tokens [begin, begin + steps) of a text as one row, and those that follow them as labels, as far as they are not
// known before `fresh` (-1 there, and behind the end).
struct Window {
  Array tokens;
  Array labels;
  std::int64_t counted = 0;
};

Window window_of(const std::vector<std::int64_t>& text, std::int64_t begin, std::int64_t steps, std::int64_t fresh) {
  Window window{.tokens = Array::zeros(DType::i64, {1, steps}), .labels = Array::empty(DType::i64, {1, steps})};
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t at = begin + i;
    const bool counts = at + 1 < std::ssize(text) && at + 1 >= fresh;
    if (at < std::ssize(text)) {
      window.tokens.mutable_values<std::int64_t>()[static_cast<std::size_t>(i)] = text[static_cast<std::size_t>(at)];
    }
    window.labels.mutable_values<std::int64_t>()[static_cast<std::size_t>(i)] =
        counts ? text[static_cast<std::size_t>(at + 1)] : -1;
    window.counted += counts ? 1 : 0;
  }
  return window;
}

}  // namespace

TextScore score_text(const TrainedModel& model, std::string_view text) {
  const nn::SequenceModule& network = language_model_of(model);
  const text::TokenIds ids = model.tokenizer->encode(text);
  const std::vector<std::int64_t> tokens(ids.begin(), ids.end());
  if (tokens.size() < 2) {
    throw Error("a text of " + std::to_string(tokens.size()) + " tokens: the first foretells nothing by itself");
  }
  const NoGrad no_grad;
  const Task& task = task_of("language_model");
  TrainRecipe recipe;
  recipe.loss = task.losses.front();
  const std::int64_t context = network.context();
  const std::int64_t steps = context > 0 ? context : std::min(carried_piece, std::ssize(tokens) - 1);
  const std::int64_t stride = context > 0 ? std::max<std::int64_t>(1, context / 2) : steps;
  std::vector<Tensor> state;
  double sum = 0;
  TextScore score;
  for (std::int64_t begin = 0, fresh = 1; fresh < std::ssize(tokens); begin += stride) {
    const Window window = window_of(tokens, begin, steps, fresh);
    nn::SequenceOutput output = network({.x = window.tokens, .lengths = {}, .state = std::move(state)});
    const Tensor loss = task_loss(task, recipe, output.logits, window.labels, false);
    std::vector<Tensor> wanted = output.state;
    wanted.push_back(loss);
    eval(wanted);
    state = std::move(output.state);
    sum += loss.item() * static_cast<double>(window.counted);
    score.tokens += window.counted;
    fresh = begin + steps + 1;
  }
  score.loss = sum / static_cast<double>(score.tokens);
  score.perplexity = std::exp(score.loss);
  score.bits_per_byte = sum / std::log(2.0) / static_cast<double>(text.size());
  return score;
}

}  // namespace narae
