// synth:names, names of made-up peoples.
#include <array>
#include <string>
#include <string_view>

#include "narae/data/synth_text.h"
#include "narae/data/synth_words.h"

namespace narae {
namespace {

using detail::chance;
using detail::one_of;
using Sounds = std::array<std::string_view, 8>;

// A name is two or three times a beginning, a vowel and perhaps a closing sound, and then an ending.
struct People {
  std::string_view name;
  Sounds beginnings;
  Sounds vowels;
  float closed;  ///< share of syllables with a closing sound
  Sounds closings;
  Sounds endings;
};

constexpr std::array peoples{People{"Alder",
                                    {"th", "br", "w", "h", "ash", "el", "g", "st"},
                                    {"a", "e", "o", "ea", "i", "u", "ie", "oa"},
                                    0.7F,
                                    {"n", "r", "ld", "rn", "m", "d", "lt", "ck"},
                                    {"ton", "ford", "well", "by", "son", "ham", "ley", "wood"}},
                             People{"Bellan",
                                    {"b", "c", "l", "v", "r", "gi", "p", "m"},
                                    {"a", "e", "i", "o", "ia", "io", "u", "ei"},
                                    0.2F,
                                    {"l", "n", "r", "s", "ll", "nn", "tt", "rr"},
                                    {"ini", "etto", "ano", "ella", "acci", "one", "ari", "elli"}},
                             People{"Corvik",
                                    {"k", "v", "zh", "dr", "p", "s", "m", "gr"},
                                    {"a", "o", "e", "u", "i", "ya", "yu", "o"},
                                    0.5F,
                                    {"v", "sh", "k", "r", "l", "m", "n", "z"},
                                    {"ov", "enko", "sky", "ich", "in", "eva", "uk", "yev"}},
                             People{"Dosan",
                                    {"k", "s", "y", "ch", "h", "m", "j", "t"},
                                    {"a", "i", "u", "o", "e", "a", "i", "o"},
                                    0.05F,
                                    {"n", "n", "n", "n", "n", "n", "n", "n"},
                                    {"moto", "da", "shi", "ki", "mura", "no", "ta", "wa"}},
                             People{"Eiren",
                                    {"mac", "o", "fl", "d", "c", "r", "k", "sh"},
                                    {"a", "ea", "ei", "o", "ui", "ao", "i", "e"},
                                    0.5F,
                                    {"gh", "nn", "l", "r", "th", "d", "n", "ll"},
                                    {"aigh", "nan", "ley", "agh", "ern", "an", "ey", "oirt"}},
                             People{"Fuzhen",
                                    {"zh", "x", "q", "l", "w", "sh", "ch", "h"},
                                    {"a", "u", "ia", "ao", "ou", "uo", "ei", "i"},
                                    0.4F,
                                    {"ng", "n", "ng", "n", "ng", "n", "ng", "n"},
                                    {"", "", "ng", "n", "", "i", "o", ""}},
                             People{"Graxos",
                                    {"p", "k", "th", "d", "n", "x", "ph", "m"},
                                    {"a", "o", "i", "e", "ou", "y", "a", "o"},
                                    0.3F,
                                    {"s", "n", "r", "x", "l", "k", "s", "n"},
                                    {"opoulos", "idis", "akis", "ou", "as", "os", "iadis", "ellis"}},
                             People{"Hadim",
                                    {"kh", "b", "s", "r", "f", "m", "n", "h"},
                                    {"a", "i", "u", "aa", "ou", "a", "ee", "i"},
                                    0.4F,
                                    {"b", "m", "d", "r", "l", "f", "q", "s"},
                                    {"i", "awi", "oud", "een", "ah", "ari", "iya", "allah"}}};

std::string draw_name(const People& people, RandomStream& random) {
  std::string name;
  const auto syllables = 1 + random.below(2);
  for (std::uint64_t i = 0; i < syllables; ++i) {
    name += one_of(people.beginnings, random);
    name += one_of(people.vowels, random);
    if (chance(people.closed, random)) name += one_of(people.closings, random);
  }
  name += one_of(people.endings, random);
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

// Which part a name belongs to, whoever draws it: eight of ten names are for training.
Split part_of(const std::string& name) {
  const std::uint64_t place = philox(hash_of(name), 0, 0)[0] % 10;
  return place < 8 ? Split::train : place == 8 ? Split::validation : Split::test;
}

LabelledTexts names(Split split, std::int64_t count, std::uint64_t seed) {
  LabelledTexts result;
  for (std::int64_t i = 0; i < count; ++i) {
    RandomStream random = detail::random_of("synth/names", split, seed, i);
    const auto people = i % std::ssize(peoples);
    std::string name = draw_name(peoples[static_cast<std::size_t>(people)], random);
    while (part_of(name) != split) name = draw_name(peoples[static_cast<std::size_t>(people)], random);
    result.texts.push_back(std::move(name));
    result.labels.push_back(people);
  }
  return result;
}

}  // namespace

TextSplits synth_names(std::int64_t train, std::int64_t test, std::uint64_t seed) {
  detail::require_sizes("synth:names", train, test);
  TextSplits splits{.name = "synth:names",
                    .classes = {},
                    .train = names(Split::train, train, seed),
                    .validation = names(Split::validation, test, seed),
                    .test = names(Split::test, test, seed),
                    .usual = {.kind = text::TokenKind::character}};
  for (const People& people : peoples) splits.classes.emplace_back(people.name);
  return splits;
}

}  // namespace narae
