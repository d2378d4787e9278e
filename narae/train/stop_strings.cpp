#include "narae/train/stop_strings.h"

#include <algorithm>
#include <utility>

#include "narae/core/error.h"

namespace narae {
namespace {

// Characters at the end of `text` that may be the beginning of `stop`.
std::size_t begun(std::string_view text, std::string_view stop) {
  for (std::size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.ends_with(stop.substr(0, length))) return length;
  }
  return 0;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) throw UsageError("an empty stop string would end every text before it begins");
  }
}

std::string StopStrings::add(std::string_view piece) {
  if (stopped_) return "";
  held_ += piece;
  std::size_t end = held_.size();
  for (const std::string& stop : stops_) {
    const std::size_t found = held_.find(stop);
    if (found == std::string::npos) continue;
    stopped_ = true;
    end = std::min(end, found);
  }
  if (stopped_) return std::exchange(held_, "").substr(0, end);
  std::size_t kept = 0;
  for (const std::string& stop : stops_) kept = std::max(kept, begun(held_, stop));
  std::string certain = held_.substr(0, held_.size() - kept);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopStrings::rest() {
  return std::exchange(held_, "");
}

}  // namespace narae
