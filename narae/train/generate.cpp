#include "narae/train/generate.h"

#include <limits>
#include <utility>

#include "narae/core/error.h"
#include "narae/text/byte_level.h"

namespace narae {
namespace {

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

const nn::SequenceModule& language_model_of(const TrainedModel& model) {
  const auto* network = dynamic_cast<const nn::SequenceModule*>(model.network.get());
  const bool answers_tokens = model.tokenizer && model.config.model.num_classes == model.config.model.vocabulary;
  if (network != nullptr && !model.tokenizer && model.config.model.vocabulary > 0) {
    throw Error("the network came without a tokenizer: its texts can't be read");
  }
  if (network == nullptr || !answers_tokens || dynamic_cast<const nn::EncoderDecoder*>(network) != nullptr) {
    throw Error("the network '" + model.config.model.name + "' is no language model: it can't go on with a text");
  }
  return *network;
}

TextGenerator::TextGenerator(const TrainedModel& model, const Prompt& prompt, const SamplingOptions& options)
    : model_(model),
      network_(language_model_of(model)),
      decoder_(network_),
      options_(options),
      random_(options.seed, hash_of("generate")) {
  require_valid(options);
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
  // A network may have room for more tokens than the tokenizer has.
  for (std::int64_t id = vocabulary.size(); id < model.config.model.vocabulary; ++id) never_.push_back(id);
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
  seen_ = tokens;
  unread_ = std::move(tokens);
}

void TextGenerator::read_on() {
  if (begun_)
    decoder_.go_on(unread_);
  else
    decoder_.begin({unread_});
  begun_ = true;
}

std::vector<float> TextGenerator::logits() const {
  const auto values = decoder_.logits().values<float>();
  std::vector<float> logits(values.begin(), values.end());
  penalize_repetition(logits, seen_, options_.repetition_penalty);
  for (const std::int64_t token : never_) {
    logits[static_cast<std::size_t>(token)] = -std::numeric_limits<float>::infinity();
  }
  return logits;
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

std::vector<FoundText> TextGenerator::search(BeamOptions options) const {
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  if (!tokenizer.rule.line_ends) options.end = tokenizer.end_token();
  options.never = never_;
  options.repetition_penalty = options_.repetition_penalty;
  std::vector<FoundText> found;
  for (const BeamAnswer& answer : beam_search(network_, seen_, options)) {
    TextGenerator writer = *this;
    std::string text;
    for (const std::int64_t token : answer.tokens) text += writer.text_of(token);
    found.push_back({text + writer.rest(), answer.score});
  }
  return found;
}

std::optional<std::string> TextGenerator::next() {
  if (ended_) return std::nullopt;
  read_on();
  const std::int64_t token = sample_token(logits(), options_, random_);
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  ended_ = tokenizer.end_token() == token && !tokenizer.rule.line_ends;
  if (ended_) return std::nullopt;
  unread_ = {token};
  if (options_.repetition_penalty != 1) seen_.push_back(token);
  return text_of(token);
}

}  // namespace narae
