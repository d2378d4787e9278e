#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "narae/core/export.h"

// Byte-level tokens are spelled in printable characters, one for each byte, so that vocabularies can be JSON and merges
// can be lines with a blank between their parts: the table of GPT-2 (Radford et al. 2019). Printable bytes of Latin-1
// stand for themselves, the others for U+0100 and up in their order: a blank is U+0120, a line end U+010A.
namespace narae::text {

/// The character that a byte is spelled as.
[[nodiscard]] NARAE_API char32_t character_of_byte(unsigned char byte);
/// The byte that a character stands for, if there is one.
[[nodiscard]] NARAE_API std::optional<unsigned char> byte_of_character(char32_t character);

/// Any bytes, spelled.
[[nodiscard]] NARAE_API std::string to_byte_characters(std::string_view bytes);
/// The opposite; nothing when a character stands for no byte, or the text is not UTF-8.
[[nodiscard]] NARAE_API std::optional<std::string> from_byte_characters(std::string_view text);

}  // namespace narae::text
