// synth:numbers, numbers in English words and in Korean: two languages that put the same together in different ways.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "narae/data/synth_text.h"
#include "narae/data/synth_words.h"

namespace narae {
namespace {

using std::string;
using Words = std::string_view;

constexpr std::array<Words, 20> small{"zero",     "one",     "two",     "three",     "four",     "five",    "six",
                                      "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                                      "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::array<Words, 10> tens{"",      "",      "twenty",  "thirty", "forty",
                                     "fifty", "sixty", "seventy", "eighty", "ninety"};

// 1 to 999: "two hundred six", "forty-one".
string english_below_thousand(std::uint64_t n) {
  string text;
  if (n >= 100) text = string(small[n / 100]) + " hundred";
  const std::uint64_t rest = n % 100;
  if (rest == 0) return text;
  if (!text.empty()) text += ' ';
  if (rest < 20) return text + string(small[rest]);
  text += tens[rest / 10];
  return rest % 10 == 0 ? text : text + "-" + string(small[rest % 10]);
}

string english(std::uint64_t n) {
  if (n == 0) return string(small[0]);
  string text;
  for (const auto& [unit, name] :
       {std::pair<std::uint64_t, Words>{1'000'000, " million"}, {1'000, " thousand"}, {1, ""}}) {
    const std::uint64_t count = n / unit % 1000;
    if (count == 0) continue;
    text += (text.empty() ? "" : " ") + english_below_thousand(count) + string(name);
  }
  return text;
}

constexpr std::array<Words, 10> digits{"영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"};

// 1 to 9999, without "one" before a unit: 천이백, 삼십.
string korean_below_ten_thousand(std::uint64_t n) {
  string text;
  for (const auto& [unit, name] : {std::pair<std::uint64_t, Words>{1000, "천"}, {100, "백"}, {10, "십"}, {1, ""}}) {
    const std::uint64_t digit = n / unit % 10;
    if (digit == 0) continue;
    if (digit > 1 || unit == 1) text += digits[digit];
    text += name;
  }
  return text;
}

string korean(std::uint64_t n) {
  if (n == 0) return string(digits[0]);
  string text;
  for (const auto& [unit, name] : {std::pair<std::uint64_t, Words>{100'000'000, "억"}, {10'000, "만"}, {1, ""}}) {
    const std::uint64_t count = n / unit % 10'000;
    if (count == 0) continue;
    if (!text.empty()) text += ' ';
    if (count > 1 || unit != 10'000) text += korean_below_ten_thousand(count);
    text += name;
  }
  return text;
}

}  // namespace

PairSplits synth_numbers(std::int64_t train, std::int64_t test, std::int64_t length, std::uint64_t seed) {
  if (length < 1 || length > 9) throw Error("synth:numbers: numbers of " + std::to_string(length) + " digits; 1 to 9");
  return detail::drawn_pairs("synth:numbers", train, test, seed, [&](RandomStream& random) {
    const std::uint64_t n = detail::draw_number(length, random);
    return std::pair(english(n), korean(n));
  });
}

}  // namespace narae
