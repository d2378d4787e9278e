// synth:copy, synth:reverse, synth:sort and synth:add, texts that follow from others by a rule.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "narae/data/synth_text.h"
#include "narae/data/synth_words.h"

namespace narae {
namespace {

constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";

std::string draw_letters(std::int64_t length, RandomStream& random) {
  const auto shortest = static_cast<std::uint64_t>((length + 1) / 2);
  const std::uint64_t count = shortest + random.below(static_cast<std::uint64_t>(length) - shortest + 1);
  std::string text;
  for (std::uint64_t i = 0; i < count; ++i) text += letters[static_cast<std::size_t>(random.below(letters.size()))];
  return text;
}

std::pair<std::string, std::string> draw_pair(PairRule rule, std::int64_t length, RandomStream& random) {
  if (rule == PairRule::add) {
    const std::uint64_t a = detail::draw_number(length, random);
    const std::uint64_t b = detail::draw_number(length, random);
    return {fmt::format("{}+{}", a, b), std::to_string(a + b)};
  }
  const std::string source = draw_letters(length, random);
  std::string target = source;
  if (rule == PairRule::reverse) std::reverse(target.begin(), target.end());
  if (rule == PairRule::sort) std::sort(target.begin(), target.end());
  return {source, target};
}

}  // namespace

PairSplits synth_pairs(PairRule rule, std::int64_t train, std::int64_t test, std::int64_t length, std::uint64_t seed) {
  constexpr std::string_view names[] = {"synth:copy", "synth:reverse", "synth:sort", "synth:add"};
  const std::string name(names[static_cast<std::size_t>(rule)]);
  const std::int64_t longest = rule == PairRule::add ? 18 : 1 << 16;
  if (length < 1 || length > longest) throw Error(fmt::format("{}: a length of {}; 1 to {}", name, length, longest));
  return detail::drawn_pairs(name, train, test, seed,
                             [&](RandomStream& random) { return draw_pair(rule, length, random); });
}

}  // namespace narae
