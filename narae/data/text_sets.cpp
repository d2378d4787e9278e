#include "narae/data/text_sets.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "narae/core/error.h"
#include "narae/data/text_set_files.h"

namespace narae {
namespace {

using detail::TextRow;
using detail::TextSource;
using Names = std::vector<std::string>;

// What the numbers of well-known sets mean.
struct KnownClasses {
  std::string_view set;  ///< the beginning of its name
  std::array<std::string_view, 6> names;
};

constexpr std::array known_classes{
    KnownClasses{"sst", {"negative", "positive"}}, KnownClasses{"imdb", {"negative", "positive"}},
    KnownClasses{"nsmc", {"negative", "positive"}},
    KnownClasses{"trec", {"description", "entity", "abbreviation", "human", "location", "number"}},
    KnownClasses{"subj", {"subjective", "objective"}}};

std::int64_t number_of(const std::string& label) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), number);
  return error == std::errc{} && end == label.data() + label.size() ? number : -1;
}

// The labels of the training texts, numbers by their value, other names by their bytes.
Names labels_in(const std::vector<TextRow>& rows) {
  std::set<std::string> found;
  for (const TextRow& row : rows) found.insert(row.label);
  Names labels(found.begin(), found.end());
  const bool numbers = std::all_of(labels.begin(), labels.end(), [](const auto& l) { return number_of(l) >= 0; });
  if (numbers) {
    std::sort(labels.begin(), labels.end(),
              [](const auto& a, const auto& b) { return std::pair(number_of(a), a) < std::pair(number_of(b), b); });
  }
  return labels;
}

// What the classes are called: as the source or a well-known set says, or like their labels.
Names class_names(const std::string& set, const Names& labels, const TextSource& source) {
  Names names = labels;
  for (std::string& name : names) {
    const std::int64_t number = number_of(name);
    if (number >= 1 && number <= std::ssize(source.classes))
      name = source.classes[static_cast<std::size_t>(number - 1)];
  }
  if (names != labels) return names;
  for (const KnownClasses& known : known_classes) {
    const auto count = std::find(known.names.begin(), known.names.end(), "") - known.names.begin();
    bool fits = set.starts_with(known.set) && count == std::ssize(labels);
    for (std::size_t i = 0; fits && i < labels.size(); ++i) fits = labels[i] == std::to_string(i);
    if (fits) names.assign(known.names.begin(), known.names.begin() + count);
  }
  return names;
}

LabelledTexts labelled(std::vector<TextRow> rows, const Names& labels, const std::string& set) {
  std::map<std::string_view, std::int64_t> numbers;
  for (const std::string& label : labels) numbers.emplace(label, std::ssize(numbers));
  LabelledTexts result;
  for (TextRow& row : rows) {
    const auto known = numbers.find(row.label);
    if (known == numbers.end()) {
      throw Error("texts " + set + ": no training text has the label '" + row.label + "' of '" +
                  row.text.substr(0, 60) + "'");
    }
    result.texts.push_back(std::move(row.text));
    result.labels.push_back(known->second);
  }
  return result;
}

// The positions of the texts of each class, in random order.
std::vector<std::vector<std::int64_t>> shuffled_by_class(const LabelledTexts& texts, std::size_t classes,
                                                         std::uint64_t seed, std::string_view purpose) {
  std::vector<std::vector<std::int64_t>> members(classes);
  for (std::int64_t i = 0; i < texts.size(); ++i) {
    members[static_cast<std::size_t>(texts.labels[static_cast<std::size_t>(i)])].push_back(i);
  }
  for (std::size_t c = 0; c < classes; ++c) {
    std::vector<std::int64_t> mixed;
    for (const std::int64_t i : permutation(std::ssize(members[c]), RandomStream(seed, hash_of(purpose) + c))) {
      mixed.push_back(members[c][static_cast<std::size_t>(i)]);
    }
    members[c] = std::move(mixed);
  }
  return members;
}

// Moves the chosen texts out of `texts`; both keep their order.
LabelledTexts take(LabelledTexts& texts, const std::vector<bool>& chosen) {
  LabelledTexts taken;
  LabelledTexts rest;
  for (std::size_t i = 0; i < texts.texts.size(); ++i) {
    LabelledTexts& to = chosen[i] ? taken : rest;
    to.texts.push_back(std::move(texts.texts[i]));
    to.labels.push_back(texts.labels[i]);
  }
  texts = std::move(rest);
  return taken;
}

// `fraction` of every class, up to rounding.
LabelledTexts take_share(LabelledTexts& texts, std::size_t classes, double fraction, std::uint64_t seed,
                         std::string_view purpose) {
  std::vector<bool> chosen(texts.texts.size());
  for (const auto& members : shuffled_by_class(texts, classes, seed, purpose)) {
    const auto count = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(members.size())));
    for (std::size_t k = 0; k < count; ++k) chosen[static_cast<std::size_t>(members[k])] = true;
  }
  return take(texts, chosen);
}

LabelledTexts take_fold(LabelledTexts& texts, std::size_t classes, const TextSetOptions& options) {
  std::vector<bool> chosen(texts.texts.size());
  std::int64_t dealt = 0;  // goes on from class to class, so that folds have one size
  for (const auto& members : shuffled_by_class(texts, classes, options.seed, "texts/folds")) {
    for (const std::int64_t i : members) chosen[static_cast<std::size_t>(i)] = dealt++ % options.folds == options.fold;
  }
  return take(texts, chosen);
}

void check(const TextSetOptions& options) {
  const auto share = [](double fraction, const char* of) {
    if (fraction >= 0 && fraction < 1) return;
    throw UsageError("texts: a share of " + std::to_string(fraction) + " for " + of + "; at least 0 and below 1");
  };
  share(options.validation_fraction, "validation");
  share(options.test_fraction, "test");
  share(options.validation_fraction + options.test_fraction, "validation and test together");
  if (options.folds < 0 || options.folds == 1 || options.fold < 0 ||
      options.fold >= std::max<std::int64_t>(1, options.folds)) {
    throw UsageError("texts: fold " + std::to_string(options.fold) + " of " + std::to_string(options.folds) +
                     "; at least 2 folds, numbered from 0, or 0 folds for none");
  }
}

// Parts of the source's own stay; others are taken from the training texts.
void split(TextSplits& splits, bool pile, const TextSetOptions& options) {
  const std::size_t classes = splits.classes.size();
  double of_rest = options.validation_fraction;
  if (pile && options.folds > 0) {
    splits.test = take_fold(splits.train, classes, options);
    of_rest *= static_cast<double>(options.folds) / static_cast<double>(options.folds - 1);
  } else if (pile) {
    splits.test = take_share(splits.train, classes, options.test_fraction, options.seed, "texts/test");
    of_rest /= 1 - options.test_fraction;
  } else if (options.folds > 0) {
    throw UsageError("texts " + splits.name + ": folds are for sets without test texts of their own");
  }
  if (splits.validation.size() == 0) {
    splits.validation = take_share(splits.train, classes, std::min(of_rest, 1.0), options.seed, "texts/validation");
  }
  if (splits.train.size() == 0) throw Error("texts " + splits.name + ": nothing is left to train with");
}

}  // namespace

std::string text_set_layout() {
  return "tables train and test (.tsv or .csv with columns 'text' and 'label'), X.pos and X.neg, X.train.all and "
         "X.test.all, one sub-folder a class with .txt files, or one .txt file a class with a text a line";
}

bool holds_text_set(const std::string& path) {
  return detail::text_layout_of(path) != nullptr;
}

TextSplits read_text_set(const std::string& path, const TextSetOptions& options) {
  check(options);
  const detail::TextLayout* layout = detail::text_layout_of(path);
  if (layout == nullptr)
    throw Error("texts " + path + ": no labelled texts are known there; expected are " + text_set_layout());
  TextSource source = layout->read(path, options.max_bytes);
  TextSplits splits;
  splits.name = text::set_name(path);
  splits.usual = source.usual;
  if (source.train.empty()) throw Error("texts " + path + ": no text to train with");
  const Names labels = labels_in(source.train);
  constexpr std::size_t most_classes = 1000;
  if (labels.size() > most_classes) {
    throw Error("texts " + path + ": " + std::to_string(labels.size()) +
                " different labels; is it the right column? Without a header, label and text are told apart by their "
                "places");
  }
  splits.classes = class_names(splits.name, labels, source);
  splits.train = labelled(std::move(source.train), labels, splits.name);
  splits.validation = labelled(std::move(source.validation), labels, splits.name);
  splits.test = labelled(std::move(source.test), labels, splits.name);
  split(splits, source.pile, options);
  return splits;
}

}  // namespace narae
