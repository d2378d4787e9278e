#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/text/bpe.h"

namespace narae::text {

struct BpeTraining {
  std::int64_t vocabulary_size = 10000;          ///< special tokens and the 256 bytes included
  std::int64_t min_count = 1;                    ///< pairs that occur less often are not merged
  std::vector<std::string> special_tokens = {};  ///< stand before all others, in this order
  PreTokenRule pre_tokens = {};
};

/// Learns merges from texts, line by line (a line end belongs to its line; nothing reaches over it): the most frequent
/// pair of tokens becomes a token, of equally frequent ones the pair whose tokens have the lowest numbers, until there
/// are `vocabulary_size` tokens or no pair is left. Numbers: special tokens, the bytes in the order of their
/// characters, then tokens as they were merged. The result does not depend on the number of threads. Throws Error for
/// invalid UTF-8, a vocabulary without room for bytes and special tokens, a special token that is empty, given twice or
/// a character that stands for a byte, and for what PreTokenizer throws.
[[nodiscard]] NARAE_API Bpe train_bpe(std::span<const std::string> texts, const BpeTraining& options = {});

}  // namespace narae::text
