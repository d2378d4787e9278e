#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>

#include "narae/core/export.h"

namespace narae {

/// What every function of the library throws when it can't do what was asked. The message says what is
/// wrong, where (operator, argument, file, both shapes) and what to do.
class NARAE_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

/// The request itself was wrong (an unknown name, flag or key): the command line turns it into exit code 2.
class NARAE_API UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message) {}
};

/// "did you mean 'lenet5'?" for an unknown name, or "" when nothing in `known` is close: an edit distance of at most a
/// third of its length, or one slip in a short name.
template <class Range>
[[nodiscard]] std::string did_you_mean(const std::string& unknown, const Range& known);

namespace detail {
/// Letters that were left out, added, exchanged for another or swapped with the next one.
[[nodiscard]] NARAE_API int edit_distance(const std::string& a, const std::string& b);
}  // namespace detail

template <class Range>
std::string did_you_mean(const std::string& unknown, const Range& known) {
  // One letter could be anything; a long text is no slip of the hand, and its distances take time and memory.
  if (unknown.size() < 2 || unknown.size() > 64) return "";
  std::string best;
  int best_distance = std::max(1, static_cast<int>(unknown.size()) / 3) + 1;
  for (const auto& name : known) {
    const std::string candidate(name);  // NOLINT(performance-unnecessary-copy-initialization): of any type
    if (const int d = detail::edit_distance(unknown, candidate); d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

}  // namespace narae
