#include "narae/text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "narae/core/error.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

constexpr std::array all_specials{Special::padding, Special::unknown, Special::begin, Special::end};

bool spells_special(std::string_view token) {
  return std::any_of(all_specials.begin(), all_specials.end(), [&](Special s) { return token == name_of(s); });
}

// The special tokens that a vocabulary begins with, in their order.
std::vector<std::string> special_tokens(const std::vector<Special>& wanted) {
  std::vector<std::string> result;
  for (const Special special : all_specials) {
    const auto times = std::count(wanted.begin(), wanted.end(), special);
    if (times > 1) throw Error("vocabulary: special token " + std::string(name_of(special)) + " is wanted twice");
    if (times == 1) result.emplace_back(name_of(special));
  }
  return result;
}

}  // namespace

std::string_view name_of(Special special) {
  constexpr std::string_view names[] = {"<pad>", "<unk>", "<bos>", "<eos>"};
  return names[static_cast<std::size_t>(special)];
}

Vocabulary::Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  if (tokens_.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error("vocabulary: " + std::to_string(tokens_.size()) + " tokens; at most 2^31 - 1");
  }
  ids_.reserve(tokens_.size());
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& token = tokens_[i];
    const std::string number = std::to_string(i);
    if (token.empty()) throw Error("vocabulary: token " + number + " is empty");
    if (find_invalid_utf8(token) != std::string::npos) throw Error("vocabulary: token " + number + " is not UTF-8");
    const auto [earlier, fresh] = ids_.emplace(token, static_cast<std::int32_t>(i));
    if (!fresh) {
      throw Error(fmt::format("vocabulary: '{}' is token {} and token {}", token, earlier->second, i));
    }
  }
  if (const auto padding = find(Special::padding); padding && *padding != 0) {
    throw Error("vocabulary: <pad> is token " + std::to_string(*padding) + "; it must be token 0");
  }
}

Vocabulary Vocabulary::of(const TokenCounts& counts, const VocabularyOptions& options) {
  std::vector<std::string> tokens = special_tokens(options.specials);
  const auto specials = static_cast<std::int64_t>(tokens.size());
  if (options.min_count < 1) {
    throw Error("vocabulary: a least count of " + std::to_string(options.min_count) + "; it must be at least 1");
  }
  if (options.max_size < 0 || (options.max_size > 0 && options.max_size <= specials)) {
    throw Error("vocabulary: a size of " + std::to_string(options.max_size) + " at most, but there are " +
                std::to_string(specials) + " special tokens; give a larger one, or 0 for no limit");
  }
  std::vector<std::pair<std::int64_t, std::string_view>> counted;
  for (const auto& [token, count] : counts) {
    if (count >= options.min_count && !spells_special(token)) counted.emplace_back(count, token);
  }
  std::sort(counted.begin(), counted.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  if (options.max_size > 0) {
    counted.resize(std::min(counted.size(), static_cast<std::size_t>(options.max_size - specials)));
  }
  for (const auto& entry : counted) tokens.emplace_back(entry.second);
  return Vocabulary(std::move(tokens));
}

const std::string& Vocabulary::token(std::int64_t id) const {
  if (id >= 0 && id < size()) return tokens_[static_cast<std::size_t>(id)];
  throw Error("vocabulary: there is no token " + std::to_string(id) + " among " + std::to_string(size()));
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::int32_t> Vocabulary::find(Special special) const {
  return find(name_of(special));
}

std::int32_t Vocabulary::id(std::string_view token) const {
  if (const auto known = find(token)) return *known;
  if (const auto unknown = find(Special::unknown)) return *unknown;
  throw Error("vocabulary: '" + std::string(token) + "' is not among its " + std::to_string(size()) +
              " tokens, and there is no <unk> to stand for it");
}

bool Vocabulary::is_special(std::int64_t id) const {
  return spells_special(token(id));
}

}  // namespace narae::text
