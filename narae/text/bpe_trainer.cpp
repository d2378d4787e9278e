#include "narae/text/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/threads.h"
#include "narae/text/byte_level.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using WordCounts = std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;
using CountedWords = std::vector<std::pair<std::string, std::int64_t>>;

void add(WordCounts& counts, std::string_view word, std::int64_t count) {
  if (const auto known = counts.find(word); known != counts.end()) {
    known->second += count;
  } else {
    counts.emplace(word, count);
  }
}

// Lines with their ends.
std::vector<std::string_view> whole_lines(std::span<const std::string> texts) {
  std::vector<std::string_view> lines;
  for (std::string_view text : texts) {
    while (!text.empty()) {
      const std::size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
      lines.push_back(text.substr(0, size));
      text.remove_prefix(size);
    }
  }
  return lines;
}

// The pre-tokens of all lines with their counts, in the order of their bytes.
CountedWords count_words(std::span<const std::string> texts, const PreTokenizer& pre_tokenizer) {
  constexpr std::int64_t grain = 500;
  const std::vector<std::string_view> lines = whole_lines(texts);
  const std::int64_t count = std::ssize(lines);
  std::vector<WordCounts> parts(static_cast<std::size_t>(std::max<std::int64_t>(loop_threads(count, grain), 1)));
  parallel_for(
      count, grain,
      [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
        WordCounts& words = parts[static_cast<std::size_t>(thread)];
        for (std::int64_t i = begin; i < end; ++i) {
          pre_tokenizer.for_each(lines[static_cast<std::size_t>(i)],
                                 [&](std::string_view word) { add(words, word, 1); });
        }
      },
      std::ssize(parts));
  for (std::size_t i = 1; i < parts.size(); ++i)
    for (const auto& [word, times] : parts[i]) add(parts[0], word, times);
  CountedWords words(parts[0].begin(), parts[0].end());
  std::sort(words.begin(), words.end());
  return words;
}

// A pair with the words in which it was found. Its count may be out of date.
struct Candidate {
  std::int64_t count;
  std::uint64_t pair;
  std::vector<std::uint32_t> words;

  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// Words as tokens, how often each pair stands in them, and a queue of the pairs.
//
// Counts of pairs only matter when a pair comes to the front of the queue: one that has fallen since is put back with
// its count of now. A pair whose count has grown is in the queue a second time, with the words where it is new; so it
// is in Hugging Face's trainer, whose merges these are.
class Merger {
 public:
  Merger(const CountedWords& words, const std::array<std::int32_t, 256>& byte_tokens) {
    for (const auto& [word, count] : words) {
      const auto begin = static_cast<std::uint32_t>(tokens_.size());
      for (const char c : word) tokens_.push_back(byte_tokens[static_cast<unsigned char>(c)]);
      words_.push_back({begin, static_cast<std::uint32_t>(word.size()), count});
    }
    for (std::uint32_t w = 0; w < words_.size(); ++w) {
      const std::int32_t* word = tokens_.data() + words_[w].begin;
      for (std::uint32_t i = 0; i + 1 < words_[w].size; ++i) change(word[i], word[i + 1], w, 1);
    }
    queue_touched();
  }

  // The most frequent pair with its words; its count is 0 when no pair is left.
  Candidate next() {
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      const std::int64_t now = pairs_[*numbers_.find(queue_.back().pair)].count;
      if (queue_.back().count == now) {
        Candidate best = std::move(queue_.back());
        queue_.pop_back();
        return best;
      }
      queue_.back().count = now;
      std::push_heap(queue_.begin(), queue_.end());
    }
    return {0, 0, {}};
  }

  // Puts `token` in the place of the pair in its words.
  void merge(const Candidate& best, std::int32_t token) {
    const auto left = static_cast<std::int32_t>(best.pair >> 32U);
    const auto right = static_cast<std::int32_t>(best.pair & 0xFFFFFFFFU);
    for (const std::uint32_t word : best.words) merge_in(word, left, right, token);
    queue_touched();
  }

 private:
  struct Word {
    std::uint32_t begin, size;  // in tokens_
    std::int64_t count;
  };
  struct Pair {
    std::uint64_t key;
    std::int64_t count = 0;
    std::vector<std::uint32_t> words;  // where it is new since it was queued last
  };

  void merge_in(std::uint32_t w, std::int32_t left, std::int32_t right, std::int32_t token) {
    std::int32_t* word = tokens_.data() + words_[w].begin;
    const std::uint32_t size = words_[w].size;
    std::uint32_t to = 0;
    for (std::uint32_t from = 0; from < size;) {
      if (from + 1 == size || word[from] != left || word[from + 1] != right) {
        word[to++] = word[from++];
        continue;
      }
      if (to > 0) {
        change(word[to - 1], left, w, -1);
        change(word[to - 1], token, w, 1);
      }
      if (from + 2 < size) {
        change(right, word[from + 2], w, -1);
        change(token, word[from + 2], w, 1);
      }
      word[to++] = token;
      from += 2;
    }
    words_[w].size = to;
  }

  void change(std::int32_t left, std::int32_t right, std::uint32_t word, int times) {
    const std::uint64_t key = pair_key(left, right);
    const auto [number, fresh] = numbers_.insert(key, static_cast<std::uint32_t>(pairs_.size()));
    if (fresh) pairs_.push_back({key, 0, {}});
    Pair& pair = pairs_[*number];
    pair.count += times * words_[word].count;
    if (times < 0) return;
    if (pair.words.empty()) touched_.push_back(*number);
    if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(word);
  }

  void queue_touched() {
    for (const std::uint32_t number : touched_) {
      Pair& pair = pairs_[number];
      if (pair.count > 0) {
        queue_.push_back({pair.count, pair.key, std::move(pair.words)});
        std::push_heap(queue_.begin(), queue_.end());
      }
      pair.words = {};
    }
    touched_.clear();
  }

  std::vector<std::int32_t> tokens_;
  std::vector<Word> words_;
  PairTable<std::uint32_t> numbers_;  // of pairs
  std::vector<Pair> pairs_;
  std::vector<std::uint32_t> touched_;
  std::vector<Candidate> queue_;  // a heap
};

// Special tokens, then all bytes in the order of their characters.
std::vector<std::string> first_tokens(const BpeTraining& options) {
  std::vector<std::string> tokens = options.special_tokens;
  for (const std::string& token : tokens) {
    if (token.empty() || find_invalid_utf8(token) != std::string::npos) {
      throw Error("byte pairs: a special token is empty or not UTF-8");
    }
    if (count_characters(token) == 1 && from_byte_characters(token)) {
      throw Error("byte pairs: '" + token + "' can't be a special token: the character stands for a byte");
    }
  }
  std::vector<char32_t> alphabet;
  for (unsigned byte = 0; byte < 256; ++byte) alphabet.push_back(character_of_byte(static_cast<unsigned char>(byte)));
  std::sort(alphabet.begin(), alphabet.end());
  for (const char32_t character : alphabet) tokens.push_back(encode_utf8(std::u32string_view(&character, 1)));
  return tokens;
}

// A pair that was merged twice counts with the later one.
void keep_last(std::vector<std::pair<std::int32_t, std::int32_t>>& merges) {
  PairTable<std::size_t> last;
  for (std::size_t i = 0; i < merges.size(); ++i)
    *last.insert(pair_key(merges[i].first, merges[i].second), i).first = i;
  std::size_t at = 0;
  std::erase_if(merges, [&](const auto& merge) { return *last.find(pair_key(merge.first, merge.second)) != at++; });
}

}  // namespace

Bpe train_bpe(std::span<const std::string> texts, const BpeTraining& options) {
  BpeParts parts{.tokens = first_tokens(options), .merges = {}, .pre_tokens = options.pre_tokens};
  if (options.min_count < 1) {
    throw Error("byte pairs: a least count of " + std::to_string(options.min_count) + "; it must be at least 1");
  }
  if (options.vocabulary_size < std::ssize(parts.tokens)) {
    throw Error("byte pairs: a vocabulary of " + std::to_string(options.vocabulary_size) + " tokens has no room for " +
                "the 256 bytes and " + std::to_string(options.special_tokens.size()) + " special tokens");
  }
  std::unordered_map<std::string, std::int32_t> ids;
  for (std::size_t i = 0; i < parts.tokens.size(); ++i) ids.emplace(parts.tokens[i], static_cast<std::int32_t>(i));
  for (std::size_t i = 0; i < options.special_tokens.size(); ++i) {
    parts.added.push_back({.id = static_cast<std::int32_t>(i)});
  }
  std::array<std::int32_t, 256> byte_tokens{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_tokens[byte] = ids.at(to_byte_characters(std::string(1, static_cast<char>(byte))));
  }
  Merger merger(count_words(texts, PreTokenizer(options.pre_tokens)), byte_tokens);
  while (std::ssize(parts.tokens) < options.vocabulary_size) {
    const Candidate best = merger.next();
    if (best.count < options.min_count) break;
    const auto left = static_cast<std::int32_t>(best.pair >> 32U);
    const auto right = static_cast<std::int32_t>(best.pair & 0xFFFFFFFFU);
    const std::string text =
        parts.tokens[static_cast<std::size_t>(left)] + parts.tokens[static_cast<std::size_t>(right)];
    const auto [known, fresh] = ids.emplace(text, static_cast<std::int32_t>(parts.tokens.size()));
    if (fresh) parts.tokens.push_back(text);
    parts.merges.emplace_back(left, right);
    merger.merge(best, known->second);
  }
  keep_last(parts.merges);
  return Bpe(std::move(parts));
}

}  // namespace narae::text
