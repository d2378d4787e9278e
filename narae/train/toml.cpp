#include "narae/train/toml.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "narae/core/error.h"

namespace narae::detail {
namespace {

constexpr int deepest = 16;  // tables within tables

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_bare(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

// Bytes of the well-formed UTF-8 sequence at the beginning of the text; 0 when there is none (RFC 3629, section 4).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF && follows(1)) return 2;
  if (first >= 0xE0 && first <= 0xEF && follows(1) && follows(2)) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4 && follows(1) && follows(2) && follows(3)) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool beyond = first == 0xF4 && byte(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

void append_utf8(std::string& text, std::uint32_t code) {
  const auto append = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    append(code);
  } else if (code < 0x800) {
    append(0xC0 | code >> 6);
    append(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    append(0xE0 | code >> 12);
    append(0x80 | (code >> 6 & 0x3F));
    append(0x80 | (code & 0x3F));
  } else {
    append(0xF0 | code >> 18);
    append(0x80 | (code >> 12 & 0x3F));
    append(0x80 | (code >> 6 & 0x3F));
    append(0x80 | (code & 0x3F));
  }
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  TomlFile document() {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    while (skip_lines(), !done()) {
      if (peek() == '[') {
        header();
      } else {
        entry(section_, 0);
      }
      end_of_line();
    }
    return std::move(result_);
  }

  OptionValue whole_value() {
    OptionValue result = value();
    if (!done()) fail("more than one value");
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const { fail_at(at_, reason); }
  [[noreturn]] void fail_at(const TomlPosition& at, const std::string& reason) const {
    throw UsageError(place(file_, at) + ": not a TOML recipe: " + reason);
  }

  [[nodiscard]] bool done() const { return next_ >= text_.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return next_ + ahead < text_.size() ? text_[next_ + ahead] : '\0';
  }
  // The next character, which may be of several bytes.
  std::string_view take() {
    const std::size_t length = sequence_length(text_.substr(next_));
    if (length == 0) fail("bytes that are not UTF-8");
    const std::string_view taken = text_.substr(next_, length);
    next_ += length;
    ++at_.column;
    return taken;
  }
  bool accept(char c) {
    if (done() || peek() != c) return false;
    take();
    return true;
  }
  void expect(char c, const char* where) {
    if (!accept(c)) fail(std::string("'") + c + "' is expected " + where);
  }

  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') take();
  }
  bool accept_newline() {
    if (peek() != '\n' && !(peek() == '\r' && peek(1) == '\n')) return false;
    next_ += peek() == '\n' ? 1 : 2;
    at_ = {at_.line + 1, 1};
    return true;
  }
  void skip_comment() {
    if (peek() != '#') return;
    while (!done() && peek() != '\n' && !(peek() == '\r' && peek(1) == '\n')) {
      if (is_control(peek())) fail("a control character in a comment");
      take();
    }
  }
  void skip_lines() {
    do {
      skip_blanks();
      skip_comment();
    } while (accept_newline());
  }
  void end_of_line() {
    skip_blanks();
    skip_comment();
    if (!done() && !accept_newline()) fail("the end of the line is expected here");
  }

  std::string key() {
    std::string result;
    do {
      skip_blanks();
      std::string part;
      if (peek() == '"' || peek() == '\'') {
        part = string();
      } else {
        while (!done() && is_bare(peek())) part += take();
      }
      if (part.empty() || !std::all_of(part.begin(), part.end(), is_bare)) {
        fail("a key of letters, digits, '-' and '_' is expected here");
      }
      result += (result.empty() ? "" : ".") + part;
      skip_blanks();
    } while (accept('.'));
    return result;
  }

  void open_section(const std::string& name, const TomlPosition& at) {
    if (!section_names_.insert(name).second) fail_at(at, "section " + name + " is there twice");
    result_.sections.push_back({name, at});
  }

  void header() {
    const TomlPosition at = at_;
    expect('[', "in front of a section");
    if (peek() == '[') fail("lists of sections, which recipes don't have");
    section_ = key();
    expect(']', "behind a section's name");
    open_section(section_, at);
  }

  void entry(const std::string& section, int depth) {
    const TomlPosition at = at_;
    const std::string name = (section.empty() ? "" : section + ".") + key();
    expect('=', "behind a key");
    skip_blanks();
    if (peek() == '{') {
      open_section(name, at);
      inline_table(name, depth + 1);
      return;
    }
    if (!keys_.insert(name).second) fail_at(at, "key " + name + " is there twice");
    result_.entries.push_back({name, value(), at});
  }

  void inline_table(const std::string& name, int depth) {
    if (depth > deepest) fail("tables within more than " + std::to_string(deepest) + " tables");
    expect('{', "in front of a table");
    skip_blanks();
    if (accept('}')) return;
    do {
      skip_blanks();
      entry(name, depth);
      skip_blanks();
    } while (accept(','));
    expect('}', "behind a table");
  }

  OptionValue value() {
    const char c = peek();
    if (c == '"' || c == '\'') return string();
    if (c == '[') return list();
    return plain();
  }

  std::string string() {
    const TomlPosition at = at_;
    const char quote = peek();
    if (peek(1) == quote && peek(2) == quote) fail("text of several lines, which recipes don't have");
    take();
    std::string result;
    while (peek() != quote || done()) {
      if (done() || peek() == '\n' || peek() == '\r') fail_at(at, "this text has no end");
      if (is_control(peek())) fail("a control character in a text");
      if (quote == '"' && accept('\\')) {
        escape(result);
      } else {
        result += take();
      }
    }
    take();
    return result;
  }

  void escape(std::string& result) {
    constexpr std::string_view letters = "btnfr\"\\";
    constexpr std::string_view meanings = "\b\t\n\f\r\"\\";
    const char c = peek();
    if (const std::size_t i = letters.find(c); !done() && i != std::string_view::npos) {
      result += meanings[i];
      take();
      return;
    }
    if (c != 'u' && c != 'U') fail("an unknown escape sequence");
    take();
    std::uint32_t code = 0;
    for (int digits = c == 'u' ? 4 : 8; digits > 0; --digits) {
      const char digit = peek();
      std::uint32_t number = 0;
      if (std::from_chars(&digit, &digit + 1, number, 16).ec != std::errc{})
        fail("a hexadecimal digit is expected here");
      code = code << 4 | number;
      take();
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) fail("this code is no character");
    append_utf8(result, code);
  }

  std::vector<std::int64_t> list() {
    std::vector<std::int64_t> result;
    expect('[', "in front of a list");
    while (skip_lines(), !accept(']')) {
      const TomlPosition at = at_;
      if (peek() == '[' || peek() == '{' || peek() == '"' || peek() == '\'')
        fail("lists of recipes hold integers only");
      const OptionValue element = plain();
      const auto* number = std::get_if<std::int64_t>(&element);
      if (number == nullptr) fail_at(at, "lists of recipes hold integers only");
      result.push_back(*number);
      skip_lines();
      if (!accept(',') && peek() != ']') fail("',' or ']' is expected in a list");
    }
    return result;
  }

  // true, false or a number.
  OptionValue plain() {
    const TomlPosition at = at_;
    std::string word;
    while (!done() && (is_bare(peek()) || peek() == '+' || peek() == '.' || peek() == ':')) word += take();
    if (word == "true" || word == "false") return word == "true";
    if (const auto number = number_of(word)) return *number;
    fail_at(at, word.empty() ? "a value is expected here"
                             : "'" + word.substr(0, 40) + "' is no value (text needs quotes, numbers are decimal)");
  }

  // [+-] digits [. digits] [e [+-] digits], single underscores between digits, no zeros in front; [+-] inf or nan.
  static std::optional<OptionValue> number_of(std::string word) {
    for (std::size_t i = 0; i < word.size(); ++i) {
      const bool between = i > 0 && i + 1 < word.size() && is_digit(word[i - 1]) && is_digit(word[i + 1]);
      if (word[i] == '_' && !between) return std::nullopt;
    }
    std::erase(word, '_');
    if (word.starts_with('+') && !word.starts_with("+-")) word.erase(0, 1);
    const char* at = word.data();
    const char* const end = at + word.size();
    const auto digits = [&] {
      const char* const begin = at;
      while (at < end && is_digit(*at)) ++at;
      return at - begin;
    };
    if (at < end && *at == '-') ++at;
    if (const std::string_view name(at, end); name == "inf" || name == "nan") return converted<double>(word);
    const bool zero = at < end && *at == '0';
    const auto whole = digits();
    if (whole == 0 || (zero && whole > 1)) return std::nullopt;
    if (at == end) return converted<std::int64_t>(word);
    if (*at == '.' && (++at, digits() == 0)) return std::nullopt;
    if (at < end && (*at == 'e' || *at == 'E')) {
      ++at;
      if (at < end && (*at == '+' || *at == '-')) ++at;
      if (digits() == 0) return std::nullopt;
    }
    return at == end ? converted<double>(word) : std::nullopt;
  }

  // Nothing when it does not fit the type.
  template <class T>
  static std::optional<OptionValue> converted(const std::string& word) {
    T number{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return number;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t next_ = 0;
  TomlPosition at_;
  std::string section_;
  std::set<std::string> keys_;
  std::set<std::string> section_names_;
  TomlFile result_;
};

}  // namespace

TomlFile parse_toml(std::string_view text, const std::string& file) {
  return Reader(text, file).document();
}

std::optional<OptionValue> parse_toml_value(std::string_view text) {
  const std::string file;
  try {
    return Reader(text, file).whole_value();
  } catch (const UsageError&) {
    return std::nullopt;
  }
}

std::string place(const std::string& file, const TomlPosition& at) {
  return file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

}  // namespace narae::detail
