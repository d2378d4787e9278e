#pragma once

#include <string>

namespace narae::bench {

/// Learning 10,000 byte pairs from wikitext-2 (its validation and test parts below NARAE_DATA) and encoding it, against
/// Hugging Face's `tokenizers` in alternating rounds. Prints a line each, or why it can't.
void compare_byte_pairs(const std::string& python, const std::string& sources, int rounds, int threads);

}  // namespace narae::bench
