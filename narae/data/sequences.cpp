#include "narae/data/sequences.h"

#include <algorithm>
#include <utility>

#include "narae/core/error.h"
#include "narae/data/loader.h"

namespace narae {
namespace {

// A text as parallel streams: contiguous parts, the first ones a token longer where they can't be equal.
struct Streams {
  text::TokenIds tokens;
  std::int64_t count;

  [[nodiscard]] std::int64_t begin(std::int64_t stream) const {
    const std::int64_t n = std::ssize(tokens);
    return stream * (n / count) + std::min(stream, n % count);
  }
  // Its k-th window of `steps` tokens, and the tokens that follow them.
  void write(std::int64_t stream, std::int64_t window, std::int64_t steps, std::span<const Slot> out) const {
    const std::int64_t end = begin(stream + 1);
    const std::int64_t first = begin(stream) + window * steps;
    const auto input = out[0].values<std::int64_t>();
    const auto next = out[1].values<std::int64_t>();
    for (std::int64_t i = 0; i < steps; ++i) {
      const bool inside = first + i + 1 < end;
      const auto at = static_cast<std::size_t>(first + i);
      input[static_cast<std::size_t>(i)] = inside ? tokens[at] : 0;
      next[static_cast<std::size_t>(i)] = inside ? tokens[at + 1] : no_label;
    }
  }
};

// Sequences of token numbers one after another, with a label each or a label a token.
struct Ragged {
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> begins{0};
  std::vector<std::int64_t> labels;

  [[nodiscard]] std::int64_t length(std::int64_t i) const {
    return begins[static_cast<std::size_t>(i) + 1] - begins[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] std::int64_t size() const { return std::ssize(begins) - 1; }
  [[nodiscard]] std::shared_ptr<const std::vector<std::int64_t>> lengths() const {
    auto all = std::make_shared<std::vector<std::int64_t>>();
    for (std::int64_t i = 0; i < size(); ++i) all->push_back(length(i));
    return all;
  }
  // At least 1.
  [[nodiscard]] std::int64_t longest() const {
    std::int64_t most = 1;
    for (std::int64_t i = 0; i < size(); ++i) most = std::max(most, length(i));
    return most;
  }

  void add(const text::TokenIds& ids) {
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    begins.push_back(std::ssize(tokens));
  }

  void write_tokens(std::int64_t i, const Slot& out, std::int64_t filler) const {
    const auto begin = static_cast<std::ptrdiff_t>(begins[static_cast<std::size_t>(i)]);
    const auto row = out.values<std::int64_t>();
    std::fill(std::copy_n(tokens.begin() + begin, length(i), row.begin()), row.end(), filler);
  }
  void write(std::int64_t i, bool labels_positions, std::span<const Slot> out) const {
    const auto begin = static_cast<std::size_t>(begins[static_cast<std::size_t>(i)]);
    const auto count = static_cast<std::size_t>(length(i));
    const auto label = out[1].values<std::int64_t>();
    write_tokens(i, out[0], 0);
    if (labels_positions) {
      std::fill(std::copy_n(labels.begin() + static_cast<std::ptrdiff_t>(begin), count, label.begin()), label.end(),
                no_label);
    } else {
      label[0] = labels[static_cast<std::size_t>(i)];
    }
  }
};

Dataset dataset_of(const std::string& name, std::vector<std::string> classes, Ragged sequences, bool labels_positions) {
  const auto shared = std::make_shared<const Ragged>(std::move(sequences));
  const std::int64_t longest = shared->longest();
  Dataset dataset = generated(
      name, {{"image", DType::i64, {longest}}, {"label", DType::i64, labels_positions ? Shape{longest} : Shape{}}},
      shared->size(), [shared, labels_positions](std::int64_t i, std::span<const Slot> out) {
        shared->write(i, labels_positions, out);
      });
  dataset.classes = std::move(classes);
  dataset.lengths = shared->lengths();
  if (!labels_positions) dataset.labels = {shared, &shared->labels};
  return dataset;
}

// Cuts `ids` as the options say and counts what became of it. `what` names the text for messages.
void fit_length(text::TokenIds& ids, const text::Vocabulary& vocabulary, const EncodeOptions& options,
                const std::string& what, EncodedTexts& result) {
  const auto unknown = vocabulary.find(text::Special::unknown);
  result.tokens += std::ssize(ids);
  if (unknown) result.unknown_tokens += std::count(ids.begin(), ids.end(), *unknown);
  if (options.max_length > 0 && std::ssize(ids) > options.max_length) {
    if (options.strict) {
      throw Error(what + " has " + std::to_string(ids.size()) + " tokens, more than " +
                  std::to_string(options.max_length) + "; allow more, or let long texts be cut");
    }
    ids.resize(static_cast<std::size_t>(options.max_length));
    ++result.cut;
  }
  if (!ids.empty()) return;
  const auto padding = vocabulary.find(text::Special::padding);
  if (!unknown && !padding) throw Error(what + " has no tokens, and the vocabulary neither <unk> nor <pad> for it");
  ids.push_back(unknown ? *unknown : *padding);
  ++result.empty;
}

void check(const EncodeOptions& options) {
  if (options.max_length < 0) {
    throw UsageError("texts of at most " + std::to_string(options.max_length) + " tokens; give at least 1, or 0");
  }
}

void require_different(const std::string& name, const text::TokenIds& tokens) {
  if (std::any_of(tokens.begin(), tokens.end(), [&](std::int32_t id) { return id != tokens[0]; })) return;
  throw Error("dataset " + name + ": the text is one token over and over; there is nothing to learn");
}

std::string name_of_text(const std::string& set, Split split, std::size_t i) {
  return "dataset " + set + ": " + std::string(name_of(split)) + " text " + std::to_string(i);
}

}  // namespace

Dataset single_windows(std::string name, text::TokenIds tokens, std::int64_t steps, std::int64_t stride) {
  if (steps < 1 || stride < 1) {
    throw Error("windows: " + std::to_string(steps) + " tokens every " + std::to_string(stride) + "; at least 1 each");
  }
  const std::int64_t last = std::ssize(tokens) - 1 - steps;  // the last place where a window can begin
  if (last < 0) {
    throw Error("dataset " + name + ": a text of " + std::to_string(tokens.size()) +
                " tokens is too short for a window of " + std::to_string(steps) + " and the token behind it");
  }
  require_different(name, tokens);
  const auto text = std::make_shared<const text::TokenIds>(std::move(tokens));
  return generated(std::move(name), {{"image", DType::i64, {steps}}, {"label", DType::i64, {steps}}},
                   (last + stride - 1) / stride + 1, [text, steps, stride, last](std::int64_t i, auto out) {
                     const auto begin = text->begin() + std::min(i * stride, last);
                     std::copy_n(begin, steps, out[0].template values<std::int64_t>().begin());
                     std::copy_n(begin + 1, steps, out[1].template values<std::int64_t>().begin());
                   });
}

Dataset language_windows(std::string name, text::TokenIds tokens, std::int64_t batch, std::int64_t steps) {
  if (batch < 1 || steps < 1) {
    throw Error("language windows: " + std::to_string(batch) + " streams of windows of " + std::to_string(steps) +
                " tokens; at least 1 each");
  }
  const std::int64_t n = std::ssize(tokens);
  if (n < 2 * batch) {
    throw Error("dataset " + name + ": a text of " + std::to_string(n) + " tokens is too short for " +
                std::to_string(batch) + " streams of two; a smaller batch or a longer text is wanted");
  }
  require_different(name, tokens);
  const auto streams = std::make_shared<const Streams>(Streams{std::move(tokens), batch});
  const std::int64_t windows = (streams->begin(1) - 1 + steps - 1) / steps;  // of the longest stream
  return generated(std::move(name), {{"image", DType::i64, {steps}}, {"label", DType::i64, {steps}}}, windows * batch,
                   [streams, steps](std::int64_t i, std::span<const Slot> out) {
                     streams->write(i % streams->count, i / streams->count, steps, out);
                   });
}

EncodedTexts encoded(const TextSplits& splits, Split split, const text::Tokenizer& tokenizer,
                     const EncodeOptions& options) {
  check(options);
  const LabelledTexts& part = splits.part(split);
  EncodedTexts result;
  Ragged sequences;
  for (std::size_t i = 0; i < part.texts.size(); ++i) {
    text::TokenIds ids = tokenizer.encode(part.texts[i]);
    fit_length(ids, tokenizer.vocabulary, options, name_of_text(splits.name, split, i), result);
    sequences.add(ids);
  }
  sequences.labels = part.labels;
  result.data = dataset_of(splits.name, splits.classes, std::move(sequences), false);
  return result;
}

EncodedTexts tagged(const TagSplits& splits, Split split, const text::Tokenizer& tokenizer,
                    const EncodeOptions& options) {
  check(options);
  EncodedTexts result;
  Ragged sequences;
  for (std::size_t i = 0; i < splits.part(split).size(); ++i) {
    const TaggedSentence& sentence = splits.part(split)[i];
    const std::string what = name_of_text(splits.name, split, i);
    if (sentence.words.size() != sentence.tags.size() || sentence.words.empty()) {
      throw Error(what + " has " + std::to_string(sentence.words.size()) + " words and " +
                  std::to_string(sentence.tags.size()) + " tags; as many are needed, at least one");
    }
    text::TokenIds ids = tokenizer.encode_words(sentence.words);
    fit_length(ids, tokenizer.vocabulary, options, what, result);
    sequences.add(ids);
    sequences.labels.insert(sequences.labels.end(), sentence.tags.begin(), sentence.tags.begin() + std::ssize(ids));
  }
  result.data = dataset_of(splits.name, splits.tags, std::move(sequences), true);
  return result;
}

EncodedTexts encoded_pairs(const PairSplits& splits, Split split, const text::Tokenizer& tokenizer,
                           const EncodeOptions& options) {
  check(options);
  const auto begin = tokenizer.vocabulary.find(text::Special::begin);
  const auto end = tokenizer.end_token();
  if (!begin || !end) {
    throw Error("the vocabulary has no <bos> or no <eos>: it is none that texts are turned into others with");
  }
  const TextPairs& part = splits.part(split);
  EncodedTexts result;
  const auto encode = [&](const std::vector<std::string>& texts, std::string_view side) {
    Ragged sequences;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      text::TokenIds ids = tokenizer.encode(texts[i]);
      ids.push_back(*end);
      fit_length(ids, tokenizer.vocabulary, options,
                 name_of_text(splits.name, split, i) + " (" + std::string(side) + ")", result);
      sequences.add(ids);
    }
    return sequences;
  };
  const auto sources = std::make_shared<const Ragged>(encode(part.sources, "source"));
  const auto targets = std::make_shared<const Ragged>(encode(part.targets, "target"));
  result.data =
      generated(splits.name, {{"image", DType::i64, {sources->longest()}}, {"label", DType::i64, {targets->longest()}}},
                sources->size(), [sources, targets](std::int64_t i, std::span<const Slot> out) {
                  sources->write_tokens(i, out[0], 0);
                  targets->write_tokens(i, out[1], no_label);
                });
  result.data.lengths = sources->lengths();
  result.data.label_lengths = targets->lengths();
  result.data.begin_token = *begin;
  return result;
}

text::Tokenizer training_tokenizer(const PairSplits& splits, const text::Tokenization& rule,
                                   const text::VocabularyOptions& options) {
  std::vector<std::string> texts = splits.train.sources;
  texts.insert(texts.end(), splits.train.targets.begin(), splits.train.targets.end());
  text::VocabularyOptions all = options;
  all.specials = {text::Special::padding, text::Special::unknown, text::Special::begin, text::Special::end};
  return text::learn_tokenizer(texts, rule, all);
}

text::Tokenizer training_tokenizer(const TextSplits& splits, const text::Tokenization& rule,
                                   const text::VocabularyOptions& options) {
  return text::learn_tokenizer(splits.train.texts, rule, options);
}

text::Tokenizer training_tokenizer(const TagSplits& splits, bool lowercase, const text::VocabularyOptions& options) {
  text::Tokenizer tokenizer{{.words = text::WordRule::blanks, .lowercase = lowercase}, {}};
  text::TokenCounts counts;
  for (const TaggedSentence& sentence : splits.train) {
    for (const std::string& word : sentence.words) ++counts[text::normalised(word, tokenizer.rule)];
  }
  tokenizer.vocabulary = text::Vocabulary::of(counts, options);
  return tokenizer;
}

}  // namespace narae
