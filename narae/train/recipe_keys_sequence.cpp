#include "narae/train/recipe_keys.h"

namespace narae::detail {

std::vector<RecipeRow> sequence_rows() {
  const std::vector<std::string_view> texts = {"classify_text", "language_model", "translate", "tag"};
  const std::vector<std::string_view> cut_texts = {"classify_text", "language_model", "translate"};
  const std::vector<std::string_view> language = {"language_model"};
  const std::vector<std::string_view> series = {"forecast"};
  constexpr NumberRange extent{.low = 1, .high = 1 << 20};
  constexpr NumberRange count{.low = 0, .high = 1 << 30};
  return {
      {.key = "data.tokens",
       .field = [](Recipe& r) -> RecipeField { return &r.data.tokens; },
       .choices = {"usual", "char", "word", "blanks", "bpe"},
       .doc = "what a text is cut into: characters, words and punctuation marks, what stands between blanks, or byte "
              "pairs, the pieces of words that are learned from the training texts; usual: as texts of this kind "
              "usually are (characters for a language model)",
       .tasks = cut_texts},
      {.key = "data.lowercase",
       .field = [](Recipe& r) -> RecipeField { return &r.data.lowercase; },
       .doc = "capital letters count as small ones",
       .tasks = texts},
      {.key = "data.min_count",
       .field = [](Recipe& r) -> RecipeField { return &r.data.min_count; },
       .range = {.low = 1, .high = 1 << 30},
       .doc = "tokens that occur less often in the training texts are unknown ones; byte pairs are not merged",
       .tasks = texts},
      {.key = "data.max_vocabulary",
       .field = [](Recipe& r) -> RecipeField { return &r.data.max_vocabulary; },
       .range = count,
       .doc = "so many tokens are known, the most frequent ones; 0: all, or 10000 byte pairs",
       .tasks = texts},
      {.key = "data.vocabulary",
       .field = [](Recipe& r) -> RecipeField { return &r.data.vocabulary; },
       .doc = "tokenizer that is taken: vocabulary.json or tokenizer.json (of another run), GPT-2's vocab.json with "
              "merges.txt, or a folder with one of them; empty: the tokens of the training texts",
       .tasks = texts},
      {.key = "data.max_length",
       .field = [](Recipe& r) -> RecipeField { return &r.data.max_length; },
       .range = count,
       .doc = "tokens of a text that are read, its beginning; 0: all",
       .tasks = texts},
      {.key = "data.steps",
       .field = [](Recipe& r) -> RecipeField { return &r.data.steps; },
       .range = extent,
       .doc = "tokens of a running text that are learned from in one piece; a recurrent network carries its state on",
       .tasks = language},
      {.key = "data.stride",
       .field = [](Recipe& r) -> RecipeField { return &r.data.stride; },
       .range = {.low = 0, .high = 1 << 20},
       .doc =
           "tokens from the beginning of a window of a running text to that of the next; windows are learned from in "
           "random order and each by itself, several times an epoch where they overlap; 0: the text is read in order",
       .tasks = language},
      {.key = "data.line_ends",
       .field = [](Recipe& r) -> RecipeField { return &r.data.line_ends; },
       .doc = "of words: the end of a line is one, <eos>",
       .tasks = language},
      {.key = "data.test_fraction",
       .field = [](Recipe& r) -> RecipeField { return &r.data.test_fraction; },
       .range = {.low = 0, .high = 1, .without_high = true},
       .doc = "share that is held out for the test where the data have no test part of their own: texts at random, "
              "the end of a running text or a series",
       .tasks = {"classify_text", "language_model", "translate", "tag", "forecast"}},
      {.key = "data.source",
       .field = [](Recipe& r) -> RecipeField { return &r.data.source; },
       .doc =
           "of pairs of texts, the side that is read: a language as files end in it (en), a column's name or number; "
           "empty: en where there is such a side, else the first",
       .tasks = {"translate"}},
      {.key = "data.target",
       .field = [](Recipe& r) -> RecipeField { return &r.data.target; },
       .doc = "the column that is forecast, by name or number; empty: the last one; of pairs of texts, the side that "
              "the other is turned into; empty: the first of the others",
       .tasks = {"translate", "forecast"}},
      {.key = "data.window",
       .field = [](Recipe& r) -> RecipeField { return &r.data.window; },
       .range = extent,
       .doc = "rows of the series that are seen",
       .tasks = series},
      {.key = "data.horizon",
       .field = [](Recipe& r) -> RecipeField { return &r.data.horizon; },
       .range = extent,
       .doc = "rows that follow them and are forecast",
       .tasks = series},
      {.key = "data.season",
       .field = [](Recipe& r) -> RecipeField { return &r.data.season; },
       .range = {.low = 0, .high = 1 << 20},
       .doc = "rows of a season: the forecast is compared with the values one season before; 0: there is none",
       .tasks = series}};
}

}  // namespace narae::detail
