#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"

namespace narae {

/// Watches a text that comes in pieces for strings that end it. What could be the beginning of one is held back until
/// it is known.
class NARAE_API StopStrings {
 public:
  /// Throws UsageError for an empty string.
  explicit StopStrings(std::vector<std::string> stops);

  /// What of the text is certain now. A stop string, and everything behind it, is never handed out.
  [[nodiscard]] std::string add(std::string_view piece);
  /// What was held back, when the text has ended otherwise.
  [[nodiscard]] std::string rest();
  /// A stop string has come.
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace narae
