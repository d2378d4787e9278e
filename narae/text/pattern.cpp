#include "narae/text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "narae/core/error.h"

namespace narae::text {
namespace {

// PCRE2 has Unicode's properties of the version that it was built with (10.42: 14.0). What is new in Unicode 16 is
// written out beside them, and naming the common ones first keeps plain text away from the slow search of properties.
constexpr std::string_view letters =
    R"(A-Za-z\p{L}\x{1C89}\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3}\x{10D4A}-\x{10D65})"
    R"(\x{10D6F}-\x{10D85}\x{10EC2}-\x{10EC4}\x{1123F}\x{11240}\x{11380}-\x{11389}\x{1138B}\x{1138E})"
    R"(\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3}\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10})"
    R"(\x{11F12}-\x{11F33}\x{1342F}\x{13441}-\x{13446}\x{13460}-\x{143FA}\x{16100}-\x{1611D})"
    R"(\x{16D40}-\x{16D6C}\x{18CFF}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A}\x{1E030}-\x{1E06D})"
    R"(\x{1E4D0}-\x{1E4EB}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})";
constexpr std::string_view numbers =
    R"(0-9\p{N}\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
    R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})";
// White_Space; PCRE2's \s has U+180E besides.
constexpr std::string_view blanks =
    R"(\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// Rewrites an expression for PCRE2, or refuses it: dialects of regular expressions differ in what is not named here.
class Translation {
 public:
  explicit Translation(std::string_view expression) : rest_(expression), whole_(expression) {}

  std::string result() {
    while (!rest_.empty()) step();
    if (in_class_) refuse("a class '[' that is not closed");
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error("the pattern has " + what + " at byte " + std::to_string(whole_.size() - rest_.size()) +
                ", which is not supported; known are literals, classes, \\p{L}, \\p{N}, \\s, \\S, (?:...), (?i:...), "
                "lookahead, * + ? and {m,n}");
  }

  void copy(std::size_t bytes) {
    out_ += rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
  }

  // Items of a class stand in one, inside brackets or in brackets of their own.
  void write_class(std::string_view items, std::size_t bytes) {
    if (!in_class_) out_ += '[';
    out_ += items;
    if (!in_class_) out_ += ']';
    rest_.remove_prefix(bytes);
  }

  void step() {
    const char c = rest_.front();
    if (c == '\\') {
      escape();
    } else if (in_class_) {
      inside_class();
    } else if (c == '[') {
      open_class();
    } else if (c == '(') {
      open_group();
    } else if (c == '^' || c == '$' || c == '.') {
      refuse(std::string("'") + c + "'");
    } else if (c == '{' && rest_.starts_with("{,")) {
      refuse("'{,'");
    } else if (c == '}' && rest_.starts_with("}+")) {
      refuse("'}+'");
    } else {
      copy(1);
    }
  }

  void escape() {
    constexpr std::string_view taken_as_they_are = "rnt\\|()[]{}^$.*+?-'\"/<>!=:,;#&~ ";
    const char next = rest_.size() > 1 ? rest_[1] : '\0';
    if (next == 's') {
      write_class(blanks, 2);
    } else if (next == 'S' && !in_class_) {
      write_class("^" + std::string(blanks), 2);
    } else if (rest_.starts_with("\\p{L}")) {
      write_class(letters, 5);
    } else if (rest_.starts_with("\\p{N}")) {
      write_class(numbers, 5);
    } else if (next != '\0' && taken_as_they_are.find(next) != std::string_view::npos) {
      copy(2);
    } else {
      refuse("'" + std::string(rest_.substr(0, 2)) + "'");
    }
  }

  void open_class() {
    copy(rest_.starts_with("[^") ? 2 : 1);
    if (rest_.starts_with("]")) refuse("an empty class");
    in_class_ = true;
  }

  void inside_class() {
    if (rest_.front() == '[' || rest_.starts_with("&&")) refuse("a class in a class");
    in_class_ = rest_.front() != ']';
    copy(1);
  }

  void open_group() {
    for (const std::string_view group : {"(?:", "(?i:", "(?=", "(?!"})
      if (rest_.starts_with(group)) return copy(group.size());
    if (rest_.starts_with("(?") || rest_.starts_with("(*")) refuse("'" + std::string(rest_.substr(0, 3)) + "'");
    copy(1);
  }

  std::string_view rest_;
  std::string_view whole_;
  std::string out_;
  bool in_class_ = false;
};

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

const pcre2_code* code_of(const std::shared_ptr<const void>& code) {
  return static_cast<const pcre2_code*>(code.get());
}

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

}  // namespace

Pattern::Pattern(std::string expression) : expression_(std::move(expression)) {
  const std::string translated = Translation(expression_).result();
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE, &error, &at, nullptr);
  if (code == nullptr) throw Error("the pattern '" + expression_ + "' is none: " + message_of(error));
  code_ = std::shared_ptr<const void>(code, [](pcre2_code* c) { pcre2_code_free(c); });
  std::uint32_t matches_empty = 0;
  pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
  if (matches_empty != 0) throw Error("the pattern '" + expression_ + "' matches where there is nothing");
  compiled_ = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
}

void Pattern::cut(std::string_view text, const PieceHandler& take) const {
  const pcre2_code* code = code_of(code_);
  const MatchData match(pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  if (!match) throw Error("out of memory for a match of '" + expression_ + "'");
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(match.get());
  const auto* bytes = reinterpret_cast<PCRE2_SPTR>(text.data());
  for (std::size_t at = 0; at < text.size();) {
    int result = PCRE2_ERROR_JIT_STACKLIMIT;
    if (compiled_) result = pcre2_jit_match(code, bytes, text.size(), at, 0, match.get(), nullptr);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
      result = pcre2_match(code, bytes, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match.get(), nullptr);
    }
    if (result == PCRE2_ERROR_NOMATCH) {
      take(text.substr(at));
      return;
    }
    if (result < 0) {
      throw Error("the pattern '" + expression_ + "' fails at byte " + std::to_string(at) + " of a text of " +
                  std::to_string(text.size()) + ": " + message_of(result));
    }
    if (found[0] > at) take(text.substr(at, found[0] - at));
    take(text.substr(found[0], found[1] - found[0]));
    at = found[1];
  }
}

}  // namespace narae::text
