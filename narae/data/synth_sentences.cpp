// synth:sentiment and synth:tags, sentences in which the order of the words decides.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "narae/data/synth_text.h"
#include "narae/data/synth_words.h"

namespace narae {
namespace {

using detail::chance;
using detail::one_of;
using std::string;
using Words = std::string_view;

// ---- Reviews.

constexpr std::array topics{Words{"the story"},  Words{"the acting"}, Words{"the music"},   Words{"the ending"},
                            Words{"the script"}, Words{"the cast"},   Words{"the picture"}, Words{"the first half"},
                            Words{"the humour"}, Words{"the hero"},   Words{"the sound"},   Words{"the pace"}};
constexpr std::array praise{Words{"good"},   Words{"great"},  Words{"moving"}, Words{"clever"}, Words{"funny"},
                            Words{"lovely"}, Words{"superb"}, Words{"fresh"},  Words{"fine"},   Words{"charming"}};
constexpr std::array blame{Words{"bad"},  Words{"awful"}, Words{"boring"}, Words{"stupid"}, Words{"dull"},
                           Words{"weak"}, Words{"poor"},  Words{"stale"},  Words{"messy"},  Words{"clumsy"}};
constexpr std::array degrees{Words{"very "}, Words{"really "}, Words{"so "}, Words{"quite "}};
constexpr std::array openings{Words{"i think "}, Words{"honestly , "}, Words{"to me "}, Words{"friends say "}};

// "the acting was not very good": praise or blame, half of them by way of the opposite.
string judgement(bool positive, RandomStream& random) {
  const bool negated = chance(0.5F, random);
  string text = string(one_of(topics, random)) + (negated ? " was not " : " was ");
  if (chance(0.3F, random)) text += one_of(degrees, random);
  return text + string(one_of(positive != negated ? praise : blame, random));
}

string review(bool positive, RandomStream& random) {
  const string opening = chance(0.3F, random) ? string(one_of(openings, random)) : "";
  const auto form = random.below(4);
  const string decides = judgement(positive, random);
  if (form == 0) return opening + decides + " .";
  const string other = judgement(!positive, random);
  if (form == 1) return opening + other + " but " + decides + " .";
  if (form == 2) return opening + "although " + other + " , " + decides + " .";
  return opening + decides + " although " + other + " .";
}

LabelledTexts reviews(Split split, std::int64_t count, std::uint64_t seed) {
  LabelledTexts result;
  for (std::int64_t i = 0; i < count; ++i) {
    RandomStream random = detail::random_of("synth/sentiment", split, seed, i);
    result.labels.push_back(i % 2);
    result.texts.push_back(review(i % 2 == 1, random));
  }
  return result;
}

// ---- Parts of speech.

enum Tag : std::int64_t {
  adjective,
  adverb,
  conjunction,
  determiner,
  noun,
  particle,
  preposition,
  pronoun,
  stop,
  verb
};

// Nouns and verbs alike.
constexpr std::array both{Words{"watch"}, Words{"play"},   Words{"plan"},  Words{"walk"},    Words{"order"},
                          Words{"paint"}, Words{"answer"}, Words{"work"},  Words{"promise"}, Words{"fish"},
                          Words{"guard"}, Words{"visit"},  Words{"light"}, Words{"cook"}};
// Adjectives of which some are nouns or verbs in other places.
constexpr std::array plain_adjectives{Words{"old"},   Words{"quick"}, Words{"light"}, Words{"open"},
                                      Words{"clean"}, Words{"warm"},  Words{"blue"},  Words{"calm"}};
constexpr std::array plain_nouns{Words{"river"}, Words{"child"}, Words{"baker"}, Words{"window"},
                                 Words{"story"}, Words{"horse"}, Words{"cold"},  Words{"open"}};
constexpr std::array plain_verbs{Words{"see"}, Words{"open"}, Words{"clean"}, Words{"bring"}, Words{"learn"}};
constexpr std::array adverbs{Words{"quickly"}, Words{"often"}, Words{"gladly"}, Words{"never"}, Words{"today"}};
constexpr std::array prepositions{Words{"in"}, Words{"near"}, Words{"behind"}, Words{"with"}, Words{"to"}};
constexpr std::array determiners{Words{"the"}, Words{"a"}, Words{"this"}, Words{"every"}, Words{"that"}};
constexpr std::array plural_pronouns{Words{"they"}, Words{"we"}, Words{"you"}, Words{"i"}};
constexpr std::array object_pronouns{Words{"them"}, Words{"us"}, Words{"that"}, Words{"this"}};

void add(TaggedSentence& sentence, Words word, Tag tag) {
  sentence.words.emplace_back(word);
  sentence.tags.push_back(tag);
}

void add_verb(TaggedSentence& sentence, RandomStream& random) {
  add(sentence, chance(0.7F, random) ? one_of(both, random) : one_of(plain_verbs, random), verb);
}

void add_noun_phrase(TaggedSentence& sentence, RandomStream& random) {
  if (chance(0.2F, random)) return add(sentence, one_of(object_pronouns, random), pronoun);
  add(sentence, one_of(determiners, random), determiner);
  while (chance(0.35F, random)) add(sentence, one_of(plain_adjectives, random), adjective);
  add(sentence, chance(0.7F, random) ? one_of(both, random) : one_of(plain_nouns, random), noun);
}

void add_clause(TaggedSentence& sentence, RandomStream& random) {
  add(sentence, one_of(plural_pronouns, random), pronoun);
  if (chance(0.3F, random)) add(sentence, one_of(adverbs, random), adverb);
  if (chance(0.3F, random)) {
    add(sentence, chance(0.5F, random) ? "want" : "hope", verb);
    add(sentence, "to", particle);
  }
  add_verb(sentence, random);
  add_noun_phrase(sentence, random);
  if (!chance(0.5F, random)) return;
  add(sentence, one_of(prepositions, random), preposition);
  add_noun_phrase(sentence, random);
}

std::vector<TaggedSentence> sentences(Split split, std::int64_t count, std::uint64_t seed) {
  std::vector<TaggedSentence> result(static_cast<std::size_t>(std::max<std::int64_t>(0, count)));
  for (std::size_t i = 0; i < result.size(); ++i) {
    RandomStream random = detail::random_of("synth/tags", split, seed, static_cast<std::int64_t>(i));
    add_clause(result[i], random);
    if (chance(0.3F, random)) {
      add(result[i], chance(0.5F, random) ? "and" : "but", conjunction);
      add_clause(result[i], random);
    }
    add(result[i], ".", stop);
  }
  return result;
}

}  // namespace

TextSplits synth_sentiment(std::int64_t train, std::int64_t test, std::uint64_t seed) {
  detail::require_sizes("synth:sentiment", train, test);
  return {.name = "synth:sentiment",
          .classes = {"negative", "positive"},
          .train = reviews(Split::train, train, seed),
          .validation = reviews(Split::validation, test, seed),
          .test = reviews(Split::test, test, seed),
          .usual = {.words = text::WordRule::blanks}};
}

TagSplits synth_tags(std::int64_t train, std::int64_t test, std::uint64_t seed) {
  detail::require_sizes("synth:tags", train, test);
  return {.name = "synth:tags",
          .tags = {"adjective", "adverb", "conjunction", "determiner", "noun", "particle", "preposition", "pronoun",
                   "stop", "verb"},
          .train = sentences(Split::train, train, seed),
          .validation = sentences(Split::validation, test, seed),
          .test = sentences(Split::test, test, seed)};
}

}  // namespace narae
