#include "narae/text/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>

#include "narae/core/error.h"

namespace narae::text {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Bytes of the character at the front; 0 when there is no valid one.
std::size_t next(std::string_view text, std::int32_t& character) {
  character = static_cast<unsigned char>(text.front());
  if (character < 0x80) return 1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size(), 4));
  const utf8proc_ssize_t taken = utf8proc_iterate(bytes, size, &character);
  return taken > 0 ? static_cast<std::size_t>(taken) : 0;
}

// Calls f(code point, bytes) for every character. Throws Error for invalid UTF-8.
template <class F>
void for_each_character(std::string_view text, F&& f) {
  for (std::size_t at = 0; at < text.size();) {
    std::int32_t character = 0;
    const std::size_t bytes = next(text.substr(at), character);
    if (bytes == 0) throw Error("text: byte " + std::to_string(at) + " begins no valid UTF-8 sequence");
    f(static_cast<char32_t>(character), text.substr(at, bytes));
    at += bytes;
  }
}

void append(std::string& text, char32_t character) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

// One line, so that the working memory (several times the text) stays small.
void append_nfc(std::string& result, std::string_view line) {
  if (is_ascii(line)) {
    result += line;
    return;
  }
  utf8proc_uint8_t* mapped = nullptr;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(line.data());
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const utf8proc_ssize_t size = utf8proc_map(bytes, static_cast<utf8proc_ssize_t>(line.size()), &mapped, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0) throw Error(std::string("text: can't be normalised: ") + utf8proc_errmsg(size));
  result.append(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
}

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// Bytes at the front that begin a valid sequence (at least one); `whole` when they are one, `open` when they end with
// the text and could become one.
struct Beginning {
  std::size_t bytes;
  bool whole, open;
};

Beginning beginning_of(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  const std::size_t wanted = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (wanted == 0) return {1, false, false};
  // No overlong forms, no surrogates, nothing above U+10FFFF: decided by the second byte.
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < wanted; ++i) {
    if (i == text.size()) return {i, false, true};
    if (at(i) < (i == 1 ? low : 0x80) || at(i) > (i == 1 ? high : 0xBF)) return {i, false, false};
  }
  return {wanted, true, false};
}

}  // namespace

std::string Utf8Stream::add(std::string_view bytes) {
  held_ += bytes;
  std::string text;
  std::size_t at = 0;
  while (at < held_.size()) {
    const Beginning beginning = beginning_of(std::string_view(held_).substr(at));
    if (beginning.open) break;
    text += beginning.whole ? std::string_view(held_).substr(at, beginning.bytes) : replacement;
    at += beginning.bytes;
  }
  held_.erase(0, at);
  return text;
}

std::string Utf8Stream::finish() {
  const bool open = !held_.empty();
  held_.clear();
  return std::string(open ? replacement : "");
}

std::string repaired_utf8(std::string_view bytes) {
  Utf8Stream stream;
  std::string text = stream.add(bytes);
  return text + stream.finish();
}

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    std::int32_t character = 0;
    const std::size_t bytes = next(text.substr(at), character);
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::string_view::npos;
}

void require_utf8(std::string_view text, const std::string& name, std::size_t first_line) {
  const std::size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return;
  const auto line = first_line + static_cast<std::size_t>(
                                     std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n'));
  throw Error(name + ":" + std::to_string(line) + ": byte " + std::to_string(bad) +
              " is not UTF-8; convert the file first, as with iconv -f LATIN1 -t UTF-8");
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for_each_character(text, [&](char32_t character, std::string_view) { result += character; });
  return result;
}

std::string encode_utf8(std::u32string_view characters) {
  std::string result;
  result.reserve(characters.size());
  for (const char32_t character : characters) {
    if (character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF)) {
      throw Error("text: " + std::to_string(static_cast<std::uint32_t>(character)) + " is no character");
    }
    append(result, character);
  }
  return result;
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> result;
  for_each_character(text, [&](char32_t, std::string_view bytes) { result.push_back(bytes); });
  return result;
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for_each_character(text, [&](char32_t, std::string_view) { ++count; });
  return count;
}

std::string nfc(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));  // nothing composes with a line end
    const std::size_t size = std::min(text.size(), line.size() + 1);
    append_nfc(result, text.substr(0, size));
    text.remove_prefix(size);
  }
  return result;
}

std::string lower_case(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for_each_character(text, [&](char32_t character, std::string_view) {
    append(result, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character))));
  });
  return result;
}

std::string from_latin1(std::string_view bytes) {
  std::string result;
  result.reserve(bytes.size());
  for (const char byte : bytes) append(result, static_cast<unsigned char>(byte));
  return result;
}

}  // namespace narae::text
