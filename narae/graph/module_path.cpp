#include "narae/graph/module_path.h"

#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace narae {
namespace {

struct Paths {
  std::mutex mutex;
  std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> numbers;  // (outer, name) -> number
  std::deque<std::string> texts{""};
};

Paths& paths() {
  static auto* instance = new Paths;
  return *instance;
}

thread_local std::uint32_t current = 0;

}  // namespace

ModuleScope::ModuleScope(const std::string& name) : outer_(current) {
  Paths& p = paths();
  const std::lock_guard lock(p.mutex);
  const auto [entry, fresh] = p.numbers.try_emplace({outer_, name}, static_cast<std::uint32_t>(p.texts.size()));
  if (fresh) p.texts.push_back(outer_ == 0 ? name : p.texts[outer_] + "." + name);
  current = entry->second;
}

ModuleScope::~ModuleScope() {
  current = outer_;
}

std::uint32_t current_module() {
  return current;
}

std::string module_path(std::uint32_t module) {
  Paths& p = paths();
  const std::lock_guard lock(p.mutex);
  return p.texts.at(module);
}

namespace detail {
std::uint32_t exchange_module(std::uint32_t module) {
  return std::exchange(current, module);
}
}  // namespace detail

}  // namespace narae
