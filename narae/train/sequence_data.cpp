#include "narae/train/sequence_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/data/catalog.h"
#include "narae/data/loader.h"
#include "narae/data/sequences.h"
#include "narae/data/text_sets.h"

namespace narae {
namespace {

PairSetOptions pair_set_options(const DataRecipe& recipe) {
  return {.source = recipe.source,
          .target = recipe.target,
          .validation_fraction = recipe.val_fraction,
          .test_fraction = recipe.test_fraction,
          .seed = static_cast<std::uint64_t>(recipe.split_seed)};
}

}  // namespace
}  // namespace narae

namespace narae::detail {
namespace {

TextSetOptions text_set_options(const Recipe& recipe) {
  return {.validation_fraction = recipe.data.val_fraction,
          .test_fraction = recipe.data.test_fraction,
          .seed = static_cast<std::uint64_t>(recipe.data.split_seed)};
}

EncodeOptions encode_options(const DataRecipe& recipe) {
  return {.max_length = recipe.max_length, .strict = recipe.strict};
}

text::VocabularyOptions vocabulary_options(const DataRecipe& recipe) {
  return {.min_count = recipe.min_count, .max_size = recipe.max_vocabulary};
}

// How the recipe's texts become tokens, where `usual` says how they usually do.
text::Tokenization rule_of(const DataRecipe& recipe, text::Tokenization usual) {
  if (recipe.tokens != "usual") {
    usual.kind = recipe.tokens == "char"  ? text::TokenKind::character
                 : recipe.tokens == "bpe" ? text::TokenKind::byte_pair
                                          : text::TokenKind::word;
    usual.words = recipe.tokens == "blanks" ? text::WordRule::blanks : text::WordRule::basic;
  }
  // Byte pairs keep capital letters apart; asked for outright, lower case is an error of theirs.
  const bool usually_lower = usual.lowercase && usual.kind != text::TokenKind::byte_pair;
  usual.lowercase = usually_lower || recipe.lowercase;
  return usual;
}

// The vocabulary that is given, or the one that `learn` makes of the training texts.
template <class Learn>
text::Tokenizer tokenizer_for(const DataRecipe& recipe, const text::Tokenizer* known, Learn learn) {
  if (known != nullptr) return *known;
  if (!recipe.vocabulary.empty()) return text::load_tokenizer(recipe.vocabulary);
  return learn();
}

Dataset take(EncodedTexts encoded, const text::Tokenizer& tokenizer, std::string_view part,
             std::vector<std::string>& remarks) {
  encoded.data.vocabulary = tokenizer.vocabulary.size();
  if (encoded.cut > 0) {
    const std::int64_t texts = encoded.data.size() * (encoded.data.label_lengths ? 2 : 1);
    remarks.push_back(
        fmt::format("{} of {} {} texts are longer than data.max_length and are cut", encoded.cut, texts, part));
  }
  if (encoded.empty > 0) remarks.push_back(fmt::format("{} {} texts are empty", encoded.empty, part));
  if (encoded.unknown_tokens > 0) {
    remarks.push_back(fmt::format("{} of {} {} tokens are unknown", encoded.unknown_tokens, encoded.tokens, part));
  }
  return std::move(encoded.data);
}

// The three parts of a set of texts; `encode` makes a dataset of one.
template <class Encode>
TaskData all_parts(text::Tokenizer tokenizer, Encode encode) {
  TaskData data;
  const auto part = [&](Split split) {
    return take(encode(split, tokenizer), tokenizer, name_of(split), data.remarks);
  };
  data.train = part(Split::train);
  data.judged = part(Split::validation);
  data.test = part(Split::test);
  data.tokenizer = std::move(tokenizer);
  return data;
}

TaskData open_labelled_texts(const Recipe& recipe, const text::Tokenizer* known) {
  const TextSplits texts = open_texts(recipe.data.name, text_set_options(recipe));
  return all_parts(tokenizer_for(recipe.data, known,
                                 [&] {
                                   return training_tokenizer(texts, rule_of(recipe.data, texts.usual),
                                                             vocabulary_options(recipe.data));
                                 }),
                   [&](Split split, const text::Tokenizer& tokenizer) {
                     return encoded(texts, split, tokenizer, encode_options(recipe.data));
                   });
}

TaskData open_tagged_sentences(const Recipe& recipe, const text::Tokenizer* known) {
  const TagSplits sentences = open_tags(recipe.data.name, text_set_options(recipe));
  return all_parts(
      tokenizer_for(
          recipe.data, known,
          [&] { return training_tokenizer(sentences, recipe.data.lowercase, vocabulary_options(recipe.data)); }),
      [&](Split split, const text::Tokenizer& tokenizer) {
        return tagged(sentences, split, tokenizer, encode_options(recipe.data));
      });
}

// A text is judged in few streams: each of them begins without knowing what came before.
std::int64_t judged_streams(std::int64_t tokens, std::int64_t most) {
  constexpr std::int64_t of_stream = 10'000;
  return std::clamp<std::int64_t>(tokens / of_stream, 1, most);
}

TaskData open_running_text(const Recipe& recipe, const text::Tokenizer* known) {
  if (recipe.data.max_length > 0) {
    throw UsageError("data.max_length is of single texts; '" + recipe.data.name +
                     "' is a running text, which is read in pieces of data.steps");
  }
  if (recipe.data.stride > recipe.data.steps) {
    throw UsageError(fmt::format("data.stride = {} would leave tokens out: windows have {} (data.steps)",
                                 recipe.data.stride, recipe.data.steps));
  }
  const text::Corpus corpus =
      open_corpus(recipe.data.name, {.validation = recipe.data.val_fraction, .test = recipe.data.test_fraction});
  text::Tokenization usual{.kind = text::TokenKind::character};
  text::Tokenization rule = rule_of(recipe.data, usual);
  rule.line_ends = rule.kind == text::TokenKind::word && recipe.data.line_ends;
  TaskData data;
  data.tokenizer = tokenizer_for(recipe.data, known, [&] {
    return text::corpus_tokenizer(corpus, rule, recipe.data.min_count, recipe.data.max_vocabulary);
  });
  const auto windows = [&](Split split, const std::string& text) {
    if (text.empty()) return Dataset{};
    text::TokenIds tokens = data.tokenizer->encode(text);
    const std::string name = fmt::format("{} ({})", corpus.name, name_of(split));
    if (split == Split::train && recipe.data.stride > 0) {
      Dataset part = single_windows(name, std::move(tokens), recipe.data.steps, recipe.data.stride);
      part.vocabulary = data.tokenizer->vocabulary.size();
      return part;
    }
    const std::int64_t batch = recipe.train.batch_size;
    const std::int64_t streams = split == Split::train ? batch : judged_streams(std::ssize(tokens), batch);
    Dataset part = language_windows(name, std::move(tokens), streams, recipe.data.steps);
    part.vocabulary = data.tokenizer->vocabulary.size();
    part.streams = streams;
    return part;
  };
  data.train = windows(Split::train, corpus.train);
  data.judged = windows(Split::validation, corpus.validation);
  data.test = windows(Split::test, corpus.test);
  return data;
}

// One to many: each text begins with the token of its class and ends with <eos>, unless it was cut.
EncodedTexts sentences(const TextSplits& texts, Split split, const text::Tokenizer& tokenizer,
                       std::int64_t max_length) {
  const LabelledTexts& part = texts.part(split);
  const auto unknown = tokenizer.vocabulary.find(text::Special::unknown);
  const auto end = tokenizer.vocabulary.find(text::Special::end);
  if (!end) throw Error("the vocabulary has no <eos>: it is none of a language model of texts with classes");
  EncodedTexts result;
  auto rows = std::make_shared<std::vector<text::TokenIds>>();
  auto lengths = std::make_shared<std::vector<std::int64_t>>();
  std::int64_t longest = 1;
  for (std::size_t i = 0; i < part.texts.size(); ++i) {
    const std::string& name = texts.classes[static_cast<std::size_t>(part.labels[i])];
    const text::TokenIds ids = tokenizer.encode(part.texts[i]);
    const bool cut = max_length > 0 && std::ssize(ids) > max_length;
    text::TokenIds row{static_cast<std::int32_t>(tokenizer.vocabulary.id(text::class_token(name)))};
    row.insert(row.end(), ids.begin(), cut ? ids.begin() + max_length : ids.end());
    if (!cut) row.push_back(static_cast<std::int32_t>(*end));
    result.tokens += std::ssize(ids);
    if (unknown) result.unknown_tokens += std::count(ids.begin(), ids.end(), *unknown);
    result.cut += cut ? 1 : 0;
    lengths->push_back(std::ssize(row) - 1);
    longest = std::max(longest, lengths->back());
    rows->push_back(std::move(row));
  }
  const auto write = [rows](std::int64_t i, std::span<const Slot> out) {
    const text::TokenIds& row = (*rows)[static_cast<std::size_t>(i)];
    const auto tokens = out[0].values<std::int64_t>();
    const auto next = out[1].values<std::int64_t>();
    std::fill(std::copy(row.begin(), row.end() - 1, tokens.begin()), tokens.end(), 0);
    std::fill(std::copy(row.begin() + 1, row.end(), next.begin()), next.end(), no_label);
  };
  const std::int64_t size = std::ssize(*rows);
  result.data =
      generated(texts.name, {{"image", DType::i64, {longest}}, {"label", DType::i64, {longest}}}, size, write);
  result.data.lengths = std::move(lengths);
  return result;
}

TaskData open_sentences(const Recipe& recipe, const text::Tokenizer* known) {
  if (recipe.data.stride > 0) {
    throw UsageError("data.stride is of a running text; '" + recipe.data.name + "' holds single texts");
  }
  const TextSplits texts = open_texts(recipe.data.name, text_set_options(recipe));
  const auto learn = [&] {
    text::VocabularyOptions options = vocabulary_options(recipe.data);
    options.specials.push_back(text::Special::end);
    text::Tokenizer tokenizer = training_tokenizer(texts, rule_of(recipe.data, texts.usual), options);
    std::vector<std::string> tokens;
    for (const std::string& name : texts.classes) tokens.push_back(text::class_token(name));
    return with_tokens(std::move(tokenizer), tokens);
  };
  return all_parts(tokenizer_for(recipe.data, known, learn), [&](Split split, const text::Tokenizer& tokenizer) {
    return sentences(texts, split, tokenizer, recipe.data.max_length);
  });
}

TaskData open_text_pairs(const Recipe& recipe, const text::Tokenizer* known) {
  PairSplits pairs = open_pairs(recipe.data.name, pair_set_options(recipe.data));
  const auto learn = [&] {
    return training_tokenizer(pairs, rule_of(recipe.data, pairs.usual), vocabulary_options(recipe.data));
  };
  TaskData data =
      all_parts(tokenizer_for(recipe.data, known, learn), [&](Split split, const text::Tokenizer& tokenizer) {
        return encoded_pairs(pairs, split, tokenizer, encode_options(recipe.data));
      });
  data.pairs = std::move(pairs);
  return data;
}

TaskData open_task_text(const Recipe& recipe, const text::Tokenizer* tokenizer) {
  if (recipe.task == "translate") return open_text_pairs(recipe, tokenizer);
  if (recipe.task == "classify_text") return open_labelled_texts(recipe, tokenizer);
  if (recipe.task == "tag") return open_tagged_sentences(recipe, tokenizer);
  if (data_kind(recipe.data.name) == DataKind::texts) return open_sentences(recipe, tokenizer);
  return open_running_text(recipe, tokenizer);
}

// Learned from a short text, byte pairs may be fewer than were asked for.
void remark_on_byte_pairs(const DataRecipe& recipe, TaskData& data) {
  if (!data.tokenizer->bpe || !recipe.vocabulary.empty()) return;
  const std::int64_t wanted = recipe.max_vocabulary == 0 ? text::usual_byte_pairs : recipe.max_vocabulary;
  const std::int64_t learned = data.tokenizer->bpe->size();
  if (learned < wanted) {
    data.remarks.push_back(fmt::format("the training texts give {} byte pairs instead of {}", learned, wanted));
  }
}

}  // namespace

TaskData open_text_data(const Recipe& recipe, const text::Tokenizer* tokenizer) {
  TaskData data = open_task_text(recipe, tokenizer);
  remark_on_byte_pairs(recipe.data, data);
  return data;
}

TaskData open_series_data(const Recipe& recipe) {
  TaskData data;
  data.windows = open_windows(recipe);
  data.train = data.windows->train;
  data.judged = data.windows->validation;
  data.test = data.windows->test;
  return data;
}

}  // namespace narae::detail

namespace narae {

TextPairs open_pair_texts(const Recipe& recipe, Split split) {
  if (recipe.task != "translate") throw UsageError("the task " + recipe.task + " has no pairs of texts");
  TextPairs part = open_pairs(recipe.data.name, pair_set_options(recipe.data)).part(split);
  if (part.size() == 0) {
    throw Error("dataset '" + recipe.data.name + "' has no samples of the part '" + std::string(name_of(split)) + "'");
  }
  return part;
}

ForecastWindows open_windows(const Recipe& recipe) {
  if (recipe.task != "forecast") throw UsageError("the task " + recipe.task + " has no series to forecast");
  return forecast_windows(open_series(recipe.data.name), {.target = recipe.data.target,
                                                          .window = recipe.data.window,
                                                          .horizon = recipe.data.horizon,
                                                          .validation_fraction = recipe.data.val_fraction,
                                                          .test_fraction = recipe.data.test_fraction});
}

}  // namespace narae
