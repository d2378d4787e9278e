#include "narae/data/picture_files.h"

#include <algorithm>

namespace narae {

void SkippedFiles::add(const std::string& why) {
  const std::lock_guard lock(mutex_);
  messages_.push_back(why);
}

std::int64_t SkippedFiles::count() const {
  const std::lock_guard lock(mutex_);
  return std::ssize(messages_);
}

std::vector<std::string> SkippedFiles::messages() const {
  std::vector<std::string> result;
  {
    const std::lock_guard lock(mutex_);
    result = messages_;
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace narae
