#include "narae/train/generate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/ops/view.h"
#include "narae/text/byte_level.h"

namespace narae {
namespace {

void require(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    throw UsageError("a temperature of " + std::to_string(options.temperature) + "; give 0 (greedy) or more");
  }
  if (options.top_k < 0)
    throw UsageError("top-k of " + std::to_string(options.top_k) + "; give 1 or more, or 0 for all");
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw UsageError("top-p of " + std::to_string(options.top_p) + "; give a share above 0 and up to 1");
  }
}

const nn::SequenceModule& language_model(const TrainedModel& model) {
  const auto* network = dynamic_cast<const nn::SequenceModule*>(model.network.get());
  const bool answers_tokens = model.tokenizer && model.config.model.num_classes == model.config.model.vocabulary;
  if (network == nullptr || !answers_tokens) {
    throw Error("the network '" + model.config.model.name + "' is no language model: it can't go on with a text");
  }
  return *network;
}

// The tokens by falling logit, as many as may be chosen from.
std::vector<std::int64_t> likeliest(std::span<const float> logits, std::int64_t top_k) {
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto before = [&](std::int64_t a, std::int64_t b) {
    const float of_a = logits[static_cast<std::size_t>(a)];
    const float of_b = logits[static_cast<std::size_t>(b)];
    return of_a != of_b ? of_a > of_b : a < b;
  };
  const std::size_t count = top_k == 0 ? order.size() : std::min(order.size(), static_cast<std::size_t>(top_k));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), before);
  order.resize(count);
  return order;
}

// The classes whose tokens a vocabulary of single texts holds: those in angle brackets that mean nothing else. A
// running text may have such words of its own.
std::vector<std::string> classes_of(const text::Tokenizer& tokenizer) {
  const text::Vocabulary& vocabulary = tokenizer.vocabulary;
  std::vector<std::string> names;
  if (tokenizer.rule.line_ends || !vocabulary.find(text::Special::end)) return names;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) {
    if (tokenizer.bpe && !tokenizer.bpe->is_special(id)) continue;
    const std::string& token = vocabulary.token(id);
    if (token.size() > 2 && token.front() == '<' && token.back() == '>' && !vocabulary.is_special(id)) {
      names.push_back(token.substr(1, token.size() - 2));
    }
  }
  return names;
}

std::int64_t class_id(const text::Vocabulary& vocabulary, const std::string& name,
                      const std::vector<std::string>& classes) {
  if (const auto id = vocabulary.find(text::class_token(name))) return *id;
  throw UsageError("the run knows no class '" + name + "'" + did_you_mean(name, classes));
}

}  // namespace

std::int64_t sample_token(std::span<const float> logits, const SamplingOptions& options, RandomStream& random) {
  require(options);
  if (std::any_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); })) {
    throw Error("the network answers with NaN: its weights are spoiled");
  }
  const bool greedy = options.temperature == 0;
  const std::vector<std::int64_t> order = likeliest(logits, greedy ? 1 : options.top_k);
  if (greedy) return order.front();
  const double highest = logits[static_cast<std::size_t>(order.front())];
  std::vector<double> weights;
  for (const std::int64_t token : order) {
    weights.push_back(std::exp((logits[static_cast<std::size_t>(token)] - highest) / options.temperature));
  }
  // The first tokens that have the wanted share together.
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::size_t kept = 0;
  double sum = 0;
  while (kept < weights.size() && (kept == 0 || sum < options.top_p * all)) sum += weights[kept++];
  double at = static_cast<double>(random.uniform()) * sum;
  for (std::size_t i = 0; i + 1 < kept; ++i) {
    at -= weights[i];
    if (at < 0) return order[i];
  }
  return order[kept - 1];
}

TextGenerator::TextGenerator(const TrainedModel& model, const Prompt& prompt, const SamplingOptions& options)
    : model_(model), network_(language_model(model)), options_(options), random_(options.seed, hash_of("generate")) {
  require(options);
  const text::Tokenizer& tokenizer = *model.tokenizer;
  const text::Vocabulary& vocabulary = tokenizer.vocabulary;
  std::vector<std::int64_t> tokens;
  for (const std::int32_t id : tokenizer.encode(prompt.text)) {
    if (vocabulary.find(text::Special::unknown) == id) ++unknown_;
    tokens.push_back(id);
  }
  // A prompt is the beginning of a line, whether or not it has an end.
  const auto end = tokenizer.end_token();
  if (tokenizer.rule.line_ends && !tokens.empty() && !prompt.text.ends_with('\n')) tokens.pop_back();
  at_word_start_ = tokens.empty() || prompt.text.ends_with('\n') || prompt.text.ends_with(' ');
  const std::vector<std::string> classes = classes_of(tokenizer);
  for (const std::string& name : classes) never_.push_back(vocabulary.id(text::class_token(name)));
  for (const text::Special special : {text::Special::padding, text::Special::begin, text::Special::unknown}) {
    if (const auto id = vocabulary.find(special)) never_.push_back(*id);
  }
  if (!classes.empty()) {
    const std::string name = prompt.of_class.empty() ? classes[random_.below(classes.size())] : prompt.of_class;
    tokens.insert(tokens.begin(), class_id(vocabulary, name, classes));
  } else if (!prompt.of_class.empty()) {
    throw UsageError("the run has learned from texts without classes: '" + prompt.of_class + "' can't be asked for");
  }
  if (tokens.empty()) {
    const auto begin = vocabulary.find(text::Special::begin);
    const std::string line_end = tokenizer.bpe ? text::to_byte_characters("\n") : "\n";
    tokens.push_back(begin ? *begin : end ? *end : vocabulary.find(line_end).value_or(0));
  }
  read(tokens);
}

void TextGenerator::read(std::span<const std::int64_t> tokens) {
  const NoGrad no_grad;
  Array x = Array::empty(DType::i64, {1, std::ssize(tokens)});
  std::copy(tokens.begin(), tokens.end(), x.mutable_values<std::int64_t>().begin());
  nn::SequenceOutput output = network_({.x = x, .lengths = {}, .state = std::move(state_)});
  if (output.state.empty()) throw Error("the network carries no state: it can't go on with a text");
  const Tensor last = narrow(output.logits, 1, std::ssize(tokens) - 1, 1);
  std::vector<Tensor> wanted = output.state;
  wanted.push_back(last);
  eval(wanted);
  const Array values = last.array();
  logits_.assign(values.values<float>().begin(), values.values<float>().end());
  state_ = std::move(output.state);
  for (const std::int64_t token : never_) {
    logits_[static_cast<std::size_t>(token)] = -std::numeric_limits<float>::infinity();
  }
}

std::string TextGenerator::text_of(std::int64_t token) {
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  if (tokenizer.bpe) return tokenizer.bpe->is_special(token) ? "" : bytes_.add(tokenizer.bpe->bytes(token));
  std::string text = tokenizer.decode(std::span(&token, 1));
  if (tokenizer.rule.kind == text::TokenKind::character) return text;
  const bool apart = !at_word_start_ && text != "\n";
  at_word_start_ = text == "\n";
  return (apart ? " " : "") + text;
}

std::optional<std::string> TextGenerator::next() {
  if (ended_) return std::nullopt;
  const std::int64_t token = sample_token(logits_, options_, random_);
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  ended_ = tokenizer.end_token() == token && !tokenizer.rule.line_ends;
  if (ended_) return std::nullopt;
  read(std::span(&token, 1));
  return text_of(token);
}

}  // namespace narae
