#include "narae/text/byte_level.h"

#include <array>

#include "narae/text/utf8.h"

namespace narae::text {
namespace {

constexpr char32_t first_substitute = 0x100;

constexpr bool is_printable(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> character_table = [] {
  std::array<char32_t, 256> table{};
  char32_t next = first_substitute;
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = is_printable(byte) ? byte : next++;
  return table;
}();

// By character; -1 for those below the last one that stand for no byte.
constexpr std::array<int, 324> byte_table = [] {
  std::array<int, 324> table{};
  table.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte) table[character_table[byte]] = static_cast<int>(byte);
  return table;
}();

}  // namespace

char32_t character_of_byte(unsigned char byte) {
  return character_table[byte];
}

std::optional<unsigned char> byte_of_character(char32_t character) {
  if (character >= byte_table.size() || byte_table[character] < 0) return std::nullopt;
  return static_cast<unsigned char>(byte_table[character]);
}

std::string to_byte_characters(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const char32_t character = character_table[static_cast<unsigned char>(c)];  // below U+0800: two bytes at most
    if (character < 0x80) {
      text += static_cast<char>(character);
    } else {
      text += static_cast<char>(0xC0U | (character >> 6U));
      text += static_cast<char>(0x80U | (character & 0x3FU));
    }
  }
  return text;
}

std::optional<std::string> from_byte_characters(std::string_view text) {
  if (find_invalid_utf8(text) != std::string_view::npos) return std::nullopt;
  std::string bytes;
  for (const char32_t character : decode_utf8(text)) {
    const auto byte = byte_of_character(character);
    if (!byte) return std::nullopt;
    bytes += static_cast<char>(*byte);
  }
  return bytes;
}

}  // namespace narae::text
