// synth:text, a language to learn.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "narae/core/error.h"
#include "narae/data/synth_text.h"
#include "narae/data/synth_words.h"

namespace narae {
namespace {

using detail::chance;
using detail::one_of;
using std::string;
using Words = std::string_view;

struct Person {
  Words name;
  Words subject;
  Words object;
  Words possessive;
};

constexpr std::array people{Person{"Mina", "she", "her", "her"}, Person{"Joon", "he", "him", "his"},
                            Person{"Sora", "she", "her", "her"}, Person{"Tomas", "he", "him", "his"},
                            Person{"Ada", "she", "her", "her"},  Person{"Hugo", "he", "him", "his"},
                            Person{"Yuna", "she", "her", "her"}, Person{"Oskar", "he", "him", "his"},
                            Person{"Lena", "she", "her", "her"}, Person{"Minho", "he", "him", "his"}};

// The verb of the second column belongs to one, that of the first to several.
struct Verb {
  Words plural;
  Words singular;
};

constexpr std::array transitive{Verb{"find", "finds"},   Verb{"carry", "carries"}, Verb{"watch", "watches"},
                                Verb{"mend", "mends"},   Verb{"hide", "hides"},    Verb{"follow", "follows"},
                                Verb{"paint", "paints"}, Verb{"lose", "loses"},    Verb{"need", "needs"}};
constexpr std::array intransitive{Verb{"sleep", "sleeps"},  Verb{"wait", "waits"},   Verb{"sing", "sings"},
                                  Verb{"rest", "rests"},    Verb{"laugh", "laughs"}, Verb{"hurry", "hurries"},
                                  Verb{"wander", "wanders"}};
constexpr std::array adjectives{Words{"small"}, Words{"old"},     Words{"red"},    Words{"quiet"},
                                Words{"heavy"}, Words{"empty"},   Words{"golden"}, Words{"broken"},
                                Words{"warm"},  Words{"strange"}, Words{"long"},   Words{"wooden"}};
constexpr std::array things{Words{"boat"},  Words{"basket"}, Words{"lamp"},   Words{"coat"},   Words{"letter"},
                            Words{"drum"},  Words{"kite"},   Words{"ladder"}, Words{"bottle"}, Words{"garden"},
                            Words{"clock"}, Words{"bridge"}, Words{"mirror"}, Words{"map"}};
constexpr std::array animals{Words{"cat"}, Words{"crow"}, Words{"horse"}, Words{"fox"},
                             Words{"dog"}, Words{"hen"},  Words{"tiger"}, Words{"rabbit"}};
constexpr std::array places{Words{"in the village"},    Words{"behind the mill"}, Words{"under the bridge"},
                            Words{"by the river"},      Words{"at the market"},   Words{"on the hill"},
                            Words{"near the old wall"}, Words{"in the forest"}};
constexpr std::array times{Words{"In the morning"}, Words{"At night"},     Words{"Every winter"},
                           Words{"On market days"}, Words{"After supper"}, Words{"When it rains"}};
constexpr std::array speeches{Words{"Where is my "}, Words{"Give me the "}, Words{"Do not forget the "},
                              Words{"Who wants this "}, Words{"I will mend the "}};

string capital(string text) {
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

string article(Words next) {
  return Words("aeiou").find(next[0]) == Words::npos ? "a " : "an ";
}

// "the crow", "three old crows": a noun phrase and whether it stands for several.
struct Phrase {
  string text;
  bool plural;
};

template <std::size_t n>
Phrase phrase(const std::array<Words, n>& nouns, RandomStream& random) {
  constexpr std::array several{Words{"two "}, Words{"three "}, Words{"the "}, Words{"many "}};
  const bool plural = chance(0.3F, random);
  string noun(one_of(nouns, random));
  if (chance(0.5F, random)) noun = string(one_of(adjectives, random)) + " " + noun;
  if (!plural) return {(chance(0.5F, random) ? "the " : article(noun)) + noun, false};
  if (noun.ends_with("fox")) return {string(one_of(several, random)) + noun + "es", true};
  return {string(one_of(several, random)) + noun + "s", true};
}

string form_of(const Verb& verb, bool plural) {
  return string(plural ? verb.plural : verb.singular);
}

string sentence(const Person& person, bool first, RandomStream& random) {
  const string subject(first ? person.name : person.subject);
  switch (random.below(6)) {
    case 0:
      return capital(subject) + " " + form_of(one_of(transitive, random), false) + " " + phrase(things, random).text +
             " " + string(one_of(places, random)) + ".";
    case 1: {
      const Phrase animal = phrase(animals, random);
      return capital(animal.text) + " " + form_of(one_of(intransitive, random), animal.plural) + " " +
             string(one_of(places, random)) + ", and " + subject + " " + form_of(one_of(intransitive, random), false) +
             " too.";
    }
    case 2:
      return string(one_of(times, random)) + ", " + subject + " " + form_of(one_of(transitive, random), false) + " " +
             string(person.possessive) + " " + string(one_of(adjectives, random)) + " " +
             string(one_of(things, random)) + ".";
    case 3: {
      const Words speech = one_of(speeches, random);
      const bool asks = speech.starts_with("Wh");
      return "\"" + string(speech) + string(one_of(things, random)) + (asks ? "?\" asks " : ",\" says ") + subject +
             ".";
    }
    case 4: {
      const Phrase animal = phrase(animals, random);
      return capital(animal.text) + " " + form_of(one_of(transitive, random), animal.plural) + " " +
             string(first ? person.name : person.object) + " " + string(one_of(places, random)) + ".";
    }
    default:
      return capital(subject) + " " + form_of(one_of(intransitive, random), false) + " because " +
             string(person.possessive) + " " + string(one_of(things, random)) + " is " +
             string(one_of(adjectives, random)) + ".";
  }
}

// Three to seven sentences about one person, who is named in the first.
string paragraph(RandomStream& random) {
  const Person& person = one_of(people, random);
  const auto sentences = 3 + random.below(5);
  string text;
  for (std::uint64_t i = 0; i < sentences; ++i) {
    text += (i == 0 ? "" : " ") + sentence(person, i == 0, random);
  }
  return text + "\n\n";
}

string story(Split split, std::int64_t characters, std::uint64_t seed) {
  RandomStream random = detail::random_of("synth/text", split, seed, 0);
  string text;
  while (std::ssize(text) < characters) text += paragraph(random);
  text.pop_back();
  return text;
}

}  // namespace

text::Corpus synth_text(std::int64_t characters, std::uint64_t seed) {
  constexpr std::int64_t least = 1000;
  constexpr std::int64_t most = std::int64_t{1} << 28;
  if (characters < least || characters > most) {
    throw Error("synth:text: " + std::to_string(characters) + " characters; at least " + std::to_string(least) +
                " and at most " + std::to_string(most));
  }
  return {"synth:text", story(Split::train, characters, seed), story(Split::validation, characters / 10, seed),
          story(Split::test, characters / 10, seed)};
}

}  // namespace narae
