#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/nn/sequence.h"
#include "narae/text/bleu.h"
#include "narae/text/tokenizer.h"
#include "narae/train/trained_model.h"

namespace narae {

/// How an answer is looked for.
struct TranslationOptions {
  std::int64_t beams = 1;       ///< beginnings that are followed side by side; 1: the likeliest token at each step
  double length_penalty = 1;    ///< see BeamOptions
  std::int64_t max_tokens = 0;  ///< of an answer; 0: twice as many as its source has, and 16
};

/// The answers of a network that turns texts into others, in the order of the texts. The network is to be in evaluation
/// mode. Throws UsageError for options out of range, and Error for a tokenizer without `<bos>` and `<eos>` and a text
/// with an unknown token where there is no `<unk>`.
[[nodiscard]] NARAE_API std::vector<std::string> translate(const nn::EncoderDecoder& network,
                                                           const text::Tokenizer& tokenizer,
                                                           std::span<const std::string> texts,
                                                           const TranslationOptions& options = {});

/// The network of a model that turns texts into others. Throws Error for another one.
[[nodiscard]] NARAE_API const nn::EncoderDecoder& translator_of(const TrainedModel& model);

/// Answers beside what was to be said.
struct TranslationReport {
  std::int64_t samples = 0;
  text::BleuScore bleu;
  double exact = 0;  ///< share of the answers that are the reference to the letter
};
/// Throws Error when there are not as many references as answers.
[[nodiscard]] NARAE_API TranslationReport translation_report(std::span<const std::string> answers,
                                                             std::span<const std::string> references);
/// "BLEU 28.31 (13a, cased, brevity penalty 0.998), exact 12.30 % of 1000"; without BLEU where it says nothing.
[[nodiscard]] NARAE_API std::string to_text(const TranslationReport& report);

/// Writes source, reference and answer of each sample, three columns between tabs.
NARAE_API void write_translations(const std::filesystem::path& file, std::span<const std::string> sources,
                                  std::span<const std::string> references, std::span<const std::string> answers);

}  // namespace narae
