#include "narae/text/bleu.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "narae/core/error.h"

namespace narae::text {
namespace {

constexpr std::size_t longest_run = 4;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_stop(char c) {
  return c == '.' || c == ',';
}
// ASCII punctuation that always stands alone: all but ' - . and ,
bool stands_alone(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Every two neighbours that `is_pair` holds for, from left to right and none twice, become what `write` makes of them.
template <class IsPair, class Write>
std::string with_pairs(const std::string& text, const IsPair& is_pair, const Write& write) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && is_pair(text[i], text[i + 1])) {
      write(result, text[i], text[i + 1]);
      ++i;
    } else {
      result += text[i];
    }
  }
  return result;
}

// Length of the blank that a text begins with, of those that Python's str.split() knows; 0 for none.
std::size_t blank_at(std::string_view text) {
  const char c = text.front();
  if (c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f')) return 1;
  for (const std::string_view two : {"\u0085", "\u00a0"})
    if (text.starts_with(two)) return two.size();
  for (const std::string_view three :
       {"\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009",
        "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"}) {
    if (text.starts_with(three)) return three.size();
  }
  return 0;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  while (!text.empty()) {
    const std::size_t blank = blank_at(text);
    if (blank == 0) {
      if (!inside) words.emplace_back();
      words.back() += text.front();
    }
    inside = blank == 0;
    text.remove_prefix(std::max<std::size_t>(blank, 1));
  }
  return words;
}

using Counts = std::unordered_map<std::string, std::int64_t>;

// How often each run of `length` tokens occurs.
Counts runs_of(const std::vector<std::string>& tokens, std::size_t length) {
  Counts counts;
  for (std::size_t i = 0; i + length <= tokens.size(); ++i) {
    std::string run;
    for (std::size_t k = 0; k < length; ++k) run += tokens[i + k] + '\n';  // which is in no token
    ++counts[run];
  }
  return counts;
}

}  // namespace

std::vector<std::string> tokens_13a(std::string_view given) {
  std::string text(given);
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  replace_all(text, "\n", " ");
  for (const auto& [entity, character] :
       {std::pair{"&quot;", "\""}, std::pair{"&amp;", "&"}, std::pair{"&lt;", "<"}, std::pair{"&gt;", ">"}}) {
    replace_all(text, entity, character);
  }
  std::string apart = " ";
  for (const char c : text) {
    if (stands_alone(c)) {
      apart.append({' ', c, ' '});
    } else {
      apart += c;
    }
  }
  apart += ' ';
  apart = with_pairs(
      apart, [](char a, char b) { return !is_digit(a) && is_stop(b); },
      [](std::string& out, char a, char b) {
        out.append({a, ' ', b, ' '});
      });
  apart = with_pairs(
      apart, [](char a, char b) { return is_stop(a) && !is_digit(b); },
      [](std::string& out, char a, char b) {
        out.append({' ', a, ' ', b});
      });
  apart = with_pairs(
      apart, [](char a, char b) { return is_digit(a) && b == '-'; },
      [](std::string& out, char a, char b) {
        out.append({a, ' ', b, ' '});
      });
  return split(apart);
}

BleuScore bleu(std::span<const std::string> translations, std::span<const std::string> references) {
  if (translations.size() != references.size()) {
    throw Error("BLEU: " + std::to_string(translations.size()) + " translations and " +
                std::to_string(references.size()) + " references; one each is needed");
  }
  BleuScore score;
  std::array<std::int64_t, longest_run> right{};
  std::array<std::int64_t, longest_run> all{};
  for (std::size_t i = 0; i < translations.size(); ++i) {
    const std::vector<std::string> tokens = tokens_13a(translations[i]);
    const std::vector<std::string> reference = tokens_13a(references[i]);
    score.tokens += std::ssize(tokens);
    score.reference_tokens += std::ssize(reference);
    score.meaningful = score.meaningful || reference.size() >= longest_run;
    for (std::size_t n = 0; n < longest_run; ++n) {
      const Counts known = runs_of(reference, n + 1);
      for (const auto& [run, count] : runs_of(tokens, n + 1)) {
        const auto found = known.find(run);
        right[n] += std::min(count, found == known.end() ? 0 : found->second);
        all[n] += count;
      }
    }
  }
  if (score.tokens > 0) {
    const double excess = 1 - static_cast<double>(score.reference_tokens) / static_cast<double>(score.tokens);
    score.brevity_penalty = std::min(1.0, std::exp(excess));
  }
  if (right[0] == 0) return score;
  double halved = 1;
  double log_sum = 0;
  for (std::size_t n = 0; n < longest_run; ++n) {
    if (all[n] == 0) return score;  // no run is that long
    if (right[n] == 0) halved *= 2;
    score.precisions[n] =
        100 * (right[n] == 0 ? 1 / halved : static_cast<double>(right[n])) / static_cast<double>(all[n]);
    log_sum += std::log(score.precisions[n]);
  }
  score.bleu = score.brevity_penalty * std::exp(log_sum / static_cast<double>(longest_run));
  return score;
}

}  // namespace narae::text
