#include "narae/text/words.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "narae/core/error.h"
#include "narae/text/utf8.h"
#include "narae/text/vocabulary.h"

namespace narae::text {
namespace {

enum class Class { blank, letter, digit, ideograph, mark };

// Chinese and Japanese write them without blanks between words (Unicode's blocks of unified ideographs).
bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

Class class_of(char32_t c) {
  if (c < 0x80) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Class::letter;
    if (c >= '0' && c <= '9') return Class::digit;
    return c <= ' ' || c == 0x7F ? Class::blank : Class::mark;
  }
  if (is_ideograph(c)) return Class::ideograph;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return Class::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Class::digit;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
      return Class::blank;
    default:
      return Class::mark;
  }
}

// What a reader sees as one character: a letter with its marks, an emoji of several code points (UAX #29).
struct Cluster {
  std::string_view bytes;
  char32_t first;
  Class kind;
};

std::vector<Cluster> clusters_of(std::string_view text) {
  std::vector<Cluster> result;
  utf8proc_int32_t state = 0;
  char32_t last = 0;
  const std::u32string characters = decode_utf8(text);
  const char* at = text.data();
  for (const char32_t character : characters) {
    const std::size_t bytes = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    bool breaks = true;
    if (last < 0x80 && character < 0x80) {
      state = 0;  // nothing to remember: ASCII characters stand alone
    } else {
      breaks = utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last),
                                                static_cast<utf8proc_int32_t>(character), &state) ||
               result.empty();
    }
    if (breaks) {
      result.push_back({{at, bytes}, character, class_of(character)});
    } else {
      result.back().bytes = {result.back().bytes.data(), result.back().bytes.size() + bytes};
    }
    last = character;
    at += bytes;
  }
  return result;
}

bool in_word(Class kind) {
  return kind == Class::letter || kind == Class::digit;
}

// Whether cluster i, a mark, belongs to the word around it.
bool joins(const std::vector<Cluster>& clusters, std::size_t i) {
  if (i == 0 || i + 1 >= clusters.size()) return false;
  const auto both = [&](Class kind) { return clusters[i - 1].kind == kind && clusters[i + 1].kind == kind; };
  const char32_t c = clusters[i].first;
  return ((c == '\'' || c == U'\u2019') && both(Class::letter)) || ((c == '.' || c == ',') && both(Class::digit));
}

// The special token that is spelled out at the front of a text, or "".
std::string_view special_at(std::string_view text) {
  for (const Special special : {Special::padding, Special::unknown, Special::begin, Special::end}) {
    if (text.starts_with(name_of(special))) return name_of(special);
  }
  return "";
}

std::vector<std::string> basic_words(std::string_view text) {
  const std::vector<Cluster> clusters = clusters_of(text);
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const Cluster& cluster = clusters[i];
    if (in_word(cluster.kind) || (cluster.kind == Class::mark && !word.empty() && joins(clusters, i))) {
      word += cluster.bytes;
      continue;
    }
    finish();
    if (cluster.kind == Class::blank) continue;
    const auto at = static_cast<std::size_t>(cluster.bytes.data() - text.data());
    const std::string_view special = cluster.first == '<' ? special_at(text.substr(at)) : "";
    words.emplace_back(special.empty() ? cluster.bytes : special);
    if (!special.empty()) i += special.size() - 1;  // ASCII: a cluster a byte
  }
  finish();
  return words;
}

std::vector<std::string> words_between_blanks(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const std::string_view character : characters_of(text)) {
    const char32_t c = character.size() == 1 ? static_cast<char32_t>(character[0]) : decode_utf8(character)[0];
    const auto category = c < 0x80 ? UTF8PROC_CATEGORY_CN : utf8proc_category(static_cast<utf8proc_int32_t>(c));
    const bool blank = (c >= '\t' && c <= '\r') || c == ' ' || c == 0x85 || c == 0x200B ||
                       category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
                       category == UTF8PROC_CATEGORY_ZP;
    if (!blank) {
      word += character;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

constexpr std::array<std::string_view, 2> rule_names{"blanks", "basic"};

}  // namespace

std::string_view name_of(WordRule rule) {
  return rule_names[static_cast<std::size_t>(rule)];
}

WordRule word_rule_from(const std::string& name) {
  for (const WordRule rule : {WordRule::blanks, WordRule::basic})
    if (name == name_of(rule)) return rule;
  throw UsageError("word rule '" + name + "' is not one of blanks, basic" + did_you_mean(name, rule_names));
}

std::vector<std::string> words_of(std::string_view text, WordRule rule) {
  return rule == WordRule::blanks ? words_between_blanks(text) : basic_words(text);
}

}  // namespace narae::text
