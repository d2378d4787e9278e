#include "narae/core/log.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace narae {
namespace {

std::atomic<int>& level() {
  static std::atomic<int> value = [] {
    const char* text = std::getenv("NARAE_DEBUG");
    return text == nullptr ? 0 : std::atoi(text);
  }();
  return value;
}

}  // namespace

int debug_level() {
  return level().load(std::memory_order_relaxed);
}
void set_debug_level(int value) {
  level() = value;
}

void log_line(std::string_view text) {
  const std::string line = std::string(text) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace narae
