#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"

namespace narae::text {

/// How much of some translations stands in the references, in runs of one to four tokens.
struct BleuScore {
  double bleu = 0;                     ///< 0 to 100; 0 where no translation has four tokens
  std::array<double, 4> precisions{};  ///< of runs of 1, 2, 3 and 4 tokens, in per cent
  double brevity_penalty = 0;          ///< min(1, exp(1 - reference tokens / tokens))
  std::int64_t tokens = 0;             ///< of the translations
  std::int64_t reference_tokens = 0;
  /// Whether a reference has a run of four tokens: without one, BLEU says nothing.
  bool meaningful = false;
};

/// How this BLEU is computed, in sacreBLEU's words.
inline constexpr std::string_view bleu_signature = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp";

/// BLEU of a corpus (Papineni et al. 2002) as sacreBLEU 2 computes it (Post 2018), one reference each
/// (bleu_signature). Texts are given as people write them. Throws Error when there are not
/// as many references as translations.
[[nodiscard]] NARAE_API BleuScore bleu(std::span<const std::string> translations,
                                       std::span<const std::string> references);

/// The tokens of mteval-v13a: punctuation apart from words, full stops and commas only where they are in no number.
[[nodiscard]] NARAE_API std::vector<std::string> tokens_13a(std::string_view text);

}  // namespace narae::text
