#include "narae/text/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <queue>

#include "narae/core/error.h"
#include "narae/text/byte_level.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

constexpr std::size_t long_word = 48;           // from here on a queue is faster than looking through the word
constexpr std::size_t most_cached = 1U << 16U;  // words
constexpr std::size_t longest_cached = 64;      // bytes

std::string number(std::int64_t value) {
  return std::to_string(value);
}

std::unordered_map<std::string_view, std::int32_t> numbered(const std::vector<std::string>& tokens) {
  if (tokens.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error("byte pairs: " + std::to_string(tokens.size()) + " tokens; at most 2^31 - 1");
  }
  std::unordered_map<std::string_view, std::int32_t> ids;
  ids.reserve(tokens.size());
  for (const std::string& token : tokens) {
    const auto id = static_cast<std::int32_t>(ids.size());
    if (token.empty()) throw Error("byte pairs: token " + number(id) + " is empty");
    if (find_invalid_utf8(token) != std::string_view::npos) {
      throw Error("byte pairs: token " + number(id) + " is not UTF-8");
    }
    const auto [other, fresh] = ids.emplace(token, id);
    if (!fresh) {
      throw Error("byte pairs: '" + token + "' is token " + number(other->second) + " and token " + number(id));
    }
  }
  return ids;
}

void require_token(const BpeParts& parts, std::int64_t id, const std::string& what) {
  if (id < 0 || id >= std::ssize(parts.tokens)) {
    throw Error("byte pairs: " + what + " names token " + number(id) + ", but there are " +
                number(std::ssize(parts.tokens)));
  }
}

}  // namespace

// The tokens of one text, and the words of it that were seen before.
class Bpe::Encoding {
 public:
  explicit Encoding(const Bpe& bpe) : bpe_(bpe) {}

  // What lies between the added tokens of one kind goes to the next kind, and then to the merges.
  void add(std::string_view text, int kind = 0) {
    if (kind == 2) return bpe_.pre_tokenizer_.for_each(text, take_);
    if (!bpe_.has_added_[kind]) return add(text, kind + 1);
    const AddedTokens& added = kind == 0 ? bpe_.first_added_ : bpe_.second_added_;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::int32_t token = added_at(added, text.substr(at));
      if (token < 0) {
        ++at;
        continue;
      }
      if (at > begin) add(text.substr(begin, at - begin), kind + 1);
      ids.push_back(token);
      at += bpe_.parts_.tokens[static_cast<std::size_t>(token)].size();
      begin = at;
    }
    if (begin < text.size()) add(text.substr(begin), kind + 1);
  }

  TokenIds ids;

 private:
  struct Range {
    std::size_t begin, size;  // of ids that the word has already made
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  // The longest added token that the text begins with, or -1.
  [[nodiscard]] std::int32_t added_at(const AddedTokens& added, std::string_view text) const {
    for (const std::int32_t id : added[static_cast<unsigned char>(text.front())])
      if (text.starts_with(bpe_.parts_.tokens[static_cast<std::size_t>(id)])) return id;
    return -1;
  }

  void add_word(std::string_view word) {
    if (word.size() == 1) {
      ids.push_back(bpe_.byte_tokens_[static_cast<unsigned char>(word.front())]);
      return;
    }
    if (const auto known = words_.find(word); known != words_.end()) {
      for (std::size_t i = 0; i < known->second.size; ++i) ids.push_back(ids[known->second.begin + i]);
      return;
    }
    const std::size_t begin = ids.size();
    encode_word(word);
    if (word.size() <= longest_cached && words_.size() < most_cached) {
      words_.emplace(word, Range{begin, ids.size() - begin});
    }
  }

  void encode_word(std::string_view word) {
    if (bpe_.parts_.ignore_merges) {
      if (const auto whole = bpe_.whole_.find(std::string(word)); whole != bpe_.whole_.end()) {
        ids.push_back(whole->second);
        return;
      }
    }
    symbols_.clear();
    for (const char c : word) symbols_.push_back(bpe_.byte_tokens_[static_cast<unsigned char>(c)]);
    if (symbols_.size() < long_word) {
      bpe_.merge_short(symbols_);
    } else {
      bpe_.merge_long(symbols_);
    }
    ids.insert(ids.end(), symbols_.begin(), symbols_.end());
  }

  const Bpe& bpe_;
  TokenIds symbols_;
  std::unordered_map<std::string, Range, Hash, std::equal_to<>> words_;
  PieceHandler take_ = [this](std::string_view word) { add_word(word); };
};

Bpe::Bpe(BpeParts parts) : parts_(std::move(parts)), pre_tokenizer_(parts_.pre_tokens) {
  const auto ids = numbered(parts_.tokens);
  bytes_.reserve(parts_.tokens.size());
  for (const std::string& token : parts_.tokens) bytes_.push_back(from_byte_characters(token).value_or(token));
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string spelled = to_byte_characters(std::string(1, static_cast<char>(byte)));
    const auto found = ids.find(spelled);
    if (found == ids.end()) {
      throw Error("byte pairs: there is no token for byte " + number(byte) + ", which is spelled '" + spelled +
                  "': this is no vocabulary of bytes, or not all of it");
    }
    byte_tokens_[byte] = found->second;
  }
  rank_merges(ids);
  sort_added();
  for (const TokenIds* around : {&parts_.before, &parts_.after})
    for (const std::int32_t id : *around) require_token(parts_, id, "what is added to texts");
  if (parts_.ignore_merges) {
    for (const auto& [token, id] : ids)
      if (const auto bytes = from_byte_characters(token)) whole_.emplace(*bytes, id);
  }
}

void Bpe::rank_merges(const std::unordered_map<std::string_view, std::int32_t>& ids) {
  for (std::size_t i = 0; i < parts_.merges.size(); ++i) {
    const auto [left, right] = parts_.merges[i];
    const std::string what = "merge " + std::to_string(i);
    require_token(parts_, left, what);
    require_token(parts_, right, what);
    const std::string& left_text = parts_.tokens[static_cast<std::size_t>(left)];
    const std::string& right_text = parts_.tokens[static_cast<std::size_t>(right)];
    const std::string text = left_text + right_text;
    const auto made = ids.find(text);
    if (made == ids.end()) throw Error(fmt::format("byte pairs: {} makes '{}', which is no token", what, text));
    if (!from_byte_characters(text)) {
      throw Error(fmt::format("byte pairs: {} makes '{}', which is not spelled in characters that stand for bytes",
                              what, text));
    }
    const auto [entry, fresh] = merges_.insert(pair_key(left, right), {static_cast<std::int32_t>(i), made->second});
    if (!fresh) {
      throw Error(fmt::format("byte pairs: '{} {}' is merge {} and {}", left_text, right_text, entry->rank, what));
    }
  }
}

void Bpe::sort_added() {
  special_.assign(parts_.tokens.size(), false);
  std::vector<bool> seen(parts_.tokens.size(), false);
  for (const AddedToken& token : parts_.added) {
    require_token(parts_, token.id, "an added token");
    const auto id = static_cast<std::size_t>(token.id);
    if (seen[id]) throw Error("byte pairs: added token " + number(token.id) + " is given twice");
    seen[id] = true;
    special_[id] = token.special;
    const auto first = static_cast<unsigned char>(parts_.tokens[id].front());
    (token.normalized ? second_added_ : first_added_)[first].push_back(token.id);
    has_added_[token.normalized ? 1 : 0] = true;
  }
  const auto longer = [&](std::int32_t a, std::int32_t b) {
    return parts_.tokens[static_cast<std::size_t>(a)].size() > parts_.tokens[static_cast<std::size_t>(b)].size();
  };
  for (AddedTokens* table : {&first_added_, &second_added_})
    for (std::vector<std::int32_t>& tokens : *table) std::stable_sort(tokens.begin(), tokens.end(), longer);
}

// Looks through the whole word for the next merge: the square of its length, but nothing is fetched or sorted.
void Bpe::merge_short(TokenIds& word) const {
  constexpr Merge none{std::numeric_limits<std::int32_t>::max(), 0};
  std::array<Merge, long_word> merges{};  // of a token with the next one
  std::size_t size = word.size();
  const auto merge_at = [&](std::size_t at) {
    const Merge* merge = merges_.find(pair_key(word[at], word[at + 1]));
    return merge == nullptr ? none : *merge;
  };
  for (std::size_t i = 0; i + 1 < size; ++i) merges[i] = merge_at(i);
  while (size > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < size; ++i)
      if (merges[i].rank < merges[best].rank) best = i;
    if (merges[best].rank == none.rank) break;
    word[best] = merges[best].token;
    for (std::size_t i = best + 1; i + 1 < size; ++i) {
      word[i] = word[i + 1];
      merges[i] = merges[i + 1];
    }
    --size;
    if (best > 0) merges[best - 1] = merge_at(best - 1);
    if (best + 1 < size) merges[best] = merge_at(best);
  }
  word.resize(size);
}

// The same with a queue of what may be merged and a linked list of the tokens: n log n for a word of n bytes.
void Bpe::merge_long(TokenIds& word) const {
  constexpr std::int32_t end = -1;
  const auto size = static_cast<std::int32_t>(word.size());
  std::vector<std::int32_t> next(word.size());
  std::vector<std::int32_t> previous(word.size());
  for (std::int32_t i = 0; i < size; ++i) {
    next[static_cast<std::size_t>(i)] = i + 1 < size ? i + 1 : end;
    previous[static_cast<std::size_t>(i)] = i - 1;
  }
  struct Candidate {
    std::int32_t rank, at, token;
    std::uint64_t pair;  // that stood there; another one by now: it is out of date
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto pair_at = [&](std::int32_t at) {
    const std::int32_t right = next[static_cast<std::size_t>(at)];
    return pair_key(word[static_cast<std::size_t>(at)], word[static_cast<std::size_t>(right)]);
  };
  const auto propose = [&](std::int32_t at) {
    if (at < 0 || next[static_cast<std::size_t>(at)] == end) return;
    const std::uint64_t pair = pair_at(at);
    if (const Merge* merge = merges_.find(pair)) queue.push({merge->rank, at, merge->token, pair});
  };
  constexpr std::int32_t gone = -1;
  for (std::int32_t i = 0; i + 1 < size; ++i) propose(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const auto at = static_cast<std::size_t>(best.at);
    if (word[at] == gone || next[at] == end || pair_at(best.at) != best.pair) continue;
    const std::int32_t right = next[at];
    word[at] = best.token;
    word[static_cast<std::size_t>(right)] = gone;
    next[at] = next[static_cast<std::size_t>(right)];
    if (next[at] != end) previous[static_cast<std::size_t>(next[at])] = best.at;
    propose(previous[at]);
    propose(best.at);
  }
  std::erase(word, gone);
}

TokenIds Bpe::encode(std::string_view text, bool add_special) const {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    throw Error("tokenizer: byte " + std::to_string(bad) + " of the text begins no valid UTF-8 sequence");
  }
  Encoding encoding(*this);
  if (add_special) encoding.ids = parts_.before;
  encoding.add(text);
  if (add_special) encoding.ids.insert(encoding.ids.end(), parts_.after.begin(), parts_.after.end());
  return std::move(encoding.ids);
}

const std::string& Bpe::bytes(std::int64_t id) const {
  if (id >= 0 && id < size()) return bytes_[static_cast<std::size_t>(id)];
  throw Error("byte pairs: there is no token " + number(id) + " among " + number(size()));
}

bool Bpe::is_special(std::int64_t id) const {
  return id >= 0 && id < size() && special_[static_cast<std::size_t>(id)];
}

namespace {

template <class T>
std::string decoded(const Bpe& bpe, std::span<const T> ids, bool with_special) {
  std::string bytes;
  for (const T id : ids) {
    const std::string& token = bpe.bytes(id);
    if (with_special || !bpe.is_special(id)) bytes += token;
  }
  return repaired_utf8(bytes);
}

}  // namespace

std::string Bpe::decode(std::span<const std::int32_t> ids, bool with_special) const {
  return decoded(*this, ids, with_special);
}

std::string Bpe::decode(std::span<const std::int64_t> ids, bool with_special) const {
  return decoded(*this, ids, with_special);
}

}  // namespace narae::text
