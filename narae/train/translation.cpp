#include "narae/train/translation.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/data/loader.h"
#include "narae/graph/eval.h"
#include "narae/train/beam_search.h"
#include "narae/train/language_decoder.h"

namespace narae {
namespace {

constexpr std::size_t batch_size = 64;  // sources that are answered side by side

// What no answer holds.
std::vector<std::int64_t> never_said(const text::Vocabulary& vocabulary) {
  std::vector<std::int64_t> tokens;
  for (const text::Special special : {text::Special::padding, text::Special::begin, text::Special::unknown}) {
    if (const auto id = vocabulary.find(special)) tokens.push_back(*id);
  }
  return tokens;
}

// Sources side by side, padded, and their lengths.
struct Sources {
  Array tokens;
  Array lengths;
};
Sources padded(std::span<const TokenSequence> sequences) {
  std::int64_t longest = 1;
  for (const TokenSequence& s : sequences) longest = std::max(longest, std::ssize(s));
  const std::int64_t steps = bucket_length(longest, std::numeric_limits<std::int64_t>::max());
  const std::int64_t batch = std::ssize(sequences);
  Sources sources{Array::zeros(DType::i64, {batch, steps}), Array::empty(DType::i64, {batch})};
  auto row = sources.tokens.mutable_values<std::int64_t>().begin();
  for (std::size_t i = 0; i < sequences.size(); ++i, row += steps) {
    std::copy(sequences[i].begin(), sequences[i].end(), row);
    sources.lengths.mutable_values<std::int64_t>()[i] = std::ssize(sequences[i]);
  }
  return sources;
}

class Search {
 public:
  Search(const nn::EncoderDecoder& network, const text::Tokenizer& tokenizer, const TranslationOptions& options)
      : network_(network), tokenizer_(tokenizer), options_(options), never_(never_said(tokenizer.vocabulary)) {
    if (options.beams < 1) throw UsageError(fmt::format("{} beams; give 1 or more", options.beams));
    if (options.beams == 1 && options.length_penalty != 1) {
      throw UsageError("the length penalty compares the answers of a search: give 2 beams or more");
    }
    if (options.max_tokens < 0)
      throw UsageError(fmt::format("answers of {} tokens; give 1 or more", options.max_tokens));
    const auto begin = tokenizer.vocabulary.find(text::Special::begin);
    const auto end = tokenizer.end_token();
    if (!begin || !end) throw Error("the tokenizer has no <bos> or no <eos> for answers to begin and end with");
    begin_ = *begin;
    end_ = *end;
  }

  [[nodiscard]] TokenSequence source_of(const std::string& text) const {
    const text::TokenIds ids = tokenizer_.encode(text);
    TokenSequence tokens(ids.begin(), ids.end());
    tokens.push_back(end_);
    return tokens;
  }

  // The likeliest token at each step, for sources of about one length.
  [[nodiscard]] std::vector<TokenSequence> greedy(std::span<const TokenSequence> sources) const {
    const auto decoder = decoder_of(sources);
    LanguageDecoder steps(*decoder);
    steps.begin(std::vector<TokenSequence>(sources.size(), {begin_}));
    std::vector<TokenSequence> answers(sources.size());
    std::vector<bool> ended(sources.size());
    std::vector<std::int64_t> next(sources.size());
    for (;;) {
      for (std::size_t n = 0; n < sources.size(); ++n) {
        // One that has ended goes on with <eos>, which nobody looks at.
        if (std::ssize(answers[n]) == most_tokens(sources[n])) ended[n] = true;
        next[n] = ended[n] ? end_ : likeliest(steps.logits(), n);
        ended[n] = next[n] == end_;
        if (!ended[n]) answers[n].push_back(next[n]);
      }
      if (std::all_of(ended.begin(), ended.end(), [](bool over) { return over; })) return answers;
      steps.go_on(next);
    }
  }

  [[nodiscard]] TokenSequence by_beams(const TokenSequence& source) const {
    const std::span<const TokenSequence> one(&source, 1);
    const auto decoder = decoder_of(one);
    const std::vector<BeamAnswer> answers = beam_search(*decoder, {begin_},
                                                        {.beams = options_.beams,
                                                         .max_tokens = most_tokens(source),
                                                         .length_penalty = options_.length_penalty,
                                                         .end = end_,
                                                         .never = never_});
    return answers.front().tokens;
  }

 private:
  [[nodiscard]] std::unique_ptr<nn::SequenceModule> decoder_of(std::span<const TokenSequence> sources) const {
    const Sources batch = padded(sources);
    return network_.decoder_for(batch.tokens, batch.lengths);
  }
  [[nodiscard]] std::int64_t most_tokens(const TokenSequence& source) const {
    const std::int64_t most = options_.max_tokens > 0 ? options_.max_tokens : 2 * std::ssize(source) + 16;
    return network_.context() > 0 ? std::clamp<std::int64_t>(network_.context() - 1, 1, most) : most;
  }
  [[nodiscard]] std::int64_t likeliest(const Array& logits, std::size_t row) const {
    const auto width = static_cast<std::size_t>(logits.shape[1]);
    const auto from = logits.values<float>().subspan(row * width, width);
    std::vector<float> values(from.begin(), from.end());
    for (const std::int64_t token : never_) {
      values[static_cast<std::size_t>(token)] = -std::numeric_limits<float>::infinity();
    }
    return std::max_element(values.begin(), values.end()) - values.begin();
  }

  const nn::EncoderDecoder& network_;
  const text::Tokenizer& tokenizer_;
  TranslationOptions options_;
  std::vector<std::int64_t> never_;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
};

std::string without_blanks_around(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \n");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \n") + 1 - begin);
}

}  // namespace

std::vector<std::string> translate(const nn::EncoderDecoder& network, const text::Tokenizer& tokenizer,
                                   std::span<const std::string> texts, const TranslationOptions& options) {
  const NoGrad no_grad;
  const Search search(network, tokenizer, options);
  std::vector<TokenSequence> sources;
  for (const std::string& text : texts) sources.push_back(search.source_of(text));
  // Those of like length go together.
  std::vector<std::size_t> order(sources.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sources[a].size() < sources[b].size(); });
  std::vector<std::string> answers(texts.size());
  const auto keep = [&](std::size_t place, const TokenSequence& tokens) {
    if (without_blanks_around(texts[order[place]]).empty()) return;  // nothing is said about nothing
    answers[order[place]] = without_blanks_around(tokenizer.decode(std::span<const std::int64_t>(tokens)));
  };
  if (options.beams > 1) {
    for (std::size_t i = 0; i < order.size(); ++i) keep(i, search.by_beams(sources[order[i]]));
    return answers;
  }
  for (std::size_t first = 0; first < order.size(); first += batch_size) {
    std::vector<TokenSequence> batch;
    for (std::size_t i = first; i < std::min(first + batch_size, order.size()); ++i) batch.push_back(sources[order[i]]);
    const std::vector<TokenSequence> found = search.greedy(batch);
    for (std::size_t i = 0; i < found.size(); ++i) keep(first + i, found[i]);
  }
  return answers;
}

const nn::EncoderDecoder& translator_of(const TrainedModel& model) {
  const auto* network = dynamic_cast<const nn::EncoderDecoder*>(model.network.get());
  if (network == nullptr || !model.tokenizer) {
    throw Error("the network '" + model.config.model.name + "' does not turn texts into others");
  }
  return *network;
}

TranslationReport translation_report(std::span<const std::string> answers, std::span<const std::string> references) {
  TranslationReport report{.samples = std::ssize(answers), .bleu = text::bleu(answers, references)};
  std::int64_t right = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) right += answers[i] == references[i] ? 1 : 0;
  if (!answers.empty()) report.exact = static_cast<double>(right) / static_cast<double>(answers.size());
  return report;
}

std::string to_text(const TranslationReport& report) {
  std::string exact = fmt::format("exact {:.2f} % of {}", 100 * report.exact, report.samples);
  if (!report.bleu.meaningful) return exact;
  return fmt::format("BLEU {:.2f} (13a, cased, brevity penalty {:.3f}), {}", report.bleu.bleu,
                     report.bleu.brevity_penalty, exact);
}

void write_translations(const std::filesystem::path& file, std::span<const std::string> sources,
                        std::span<const std::string> references, std::span<const std::string> answers) {
  std::string text = "source\treference\tanswer\n";
  const auto cell = [](std::string value) {
    std::replace_if(
        value.begin(), value.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    return value;
  };
  for (std::size_t i = 0; i < sources.size(); ++i) {
    text += cell(sources[i]) + "\t" + cell(references[i]) + "\t" + cell(answers[i]) + "\n";
  }
  write_file(file, text);
}

}  // namespace narae
