#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"

// Text is UTF-8 throughout. A *character* is a Unicode code point: an emoji of several code points, or a letter with a
// combining mark that has no form of its own, counts as several. NFC keeps Hangul syllables and accented letters whole.
namespace narae::text {

/// Where the first byte lies that begins no valid sequence (overlong forms, surrogates and values above U+10FFFF
/// included); std::string_view::npos when there is none.
[[nodiscard]] NARAE_API std::size_t find_invalid_utf8(std::string_view text);

/// Throws Error when `text`, the content of the file `name` that begins in line `first_line`, is not UTF-8; the message
/// has the file, the line, the byte and what to do.
NARAE_API void require_utf8(std::string_view text, const std::string& name, std::size_t first_line = 1);

/// The code points of a text. Throws Error for invalid UTF-8.
[[nodiscard]] NARAE_API std::u32string decode_utf8(std::string_view text);
/// The opposite. Throws Error for a surrogate or a value above U+10FFFF.
[[nodiscard]] NARAE_API std::string encode_utf8(std::u32string_view characters);
/// The characters of a text, each as its bytes in `text`. Throws Error for invalid UTF-8.
[[nodiscard]] NARAE_API std::vector<std::string_view> characters_of(std::string_view text);
/// How many characters a text has. Throws Error for invalid UTF-8.
[[nodiscard]] NARAE_API std::size_t count_characters(std::string_view text);

/// Normalisation form C: composed letters where Unicode has them (Hangul jamo become syllables). Throws Error for
/// invalid UTF-8.
[[nodiscard]] NARAE_API std::string nfc(std::string_view text);
/// Each character in its simple lower-case form; those without case stay. Throws Error for invalid UTF-8.
[[nodiscard]] NARAE_API std::string lower_case(std::string_view text);

/// Text that comes in pieces of bytes, as a model writes it: whole characters are handed on, the bytes of one that is
/// not finished are held back. Bytes that can't become a character are U+FFFD, one for every longest beginning of a
/// valid sequence (Unicode 15, section 3.9).
class NARAE_API Utf8Stream {
 public:
  /// What can be said after these bytes.
  [[nodiscard]] std::string add(std::string_view bytes);
  /// What was held back, as U+FFFD, when no more bytes come.
  [[nodiscard]] std::string finish();

 private:
  std::string held_;
};

/// Any bytes as valid UTF-8: those that are none as U+FFFD.
[[nodiscard]] NARAE_API std::string repaired_utf8(std::string_view bytes);

/// ISO 8859-1 as UTF-8: every byte is the code point of that number.
[[nodiscard]] NARAE_API std::string from_latin1(std::string_view bytes);

}  // namespace narae::text
