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

std::uint32_t number_of(std::uint32_t outer, const std::string& name) {
  Paths& p = paths();
  const std::lock_guard lock(p.mutex);
  const auto [entry, fresh] = p.numbers.try_emplace({outer, name}, static_cast<std::uint32_t>(p.texts.size()));
  if (fresh) p.texts.push_back(outer == 0 ? name : p.texts[outer] + "." + name);
  return entry->second;
}

[[gnu::tls_model("initial-exec")]] constinit thread_local std::uint32_t current = 0;  // read for every node

}  // namespace

void ModuleName::set_text(const std::string& text) {
  text_ = text;
  last_ = none;
}

std::uint32_t ModuleName::number_under(std::uint32_t outer) const {
  const std::uint64_t last = last_.load(std::memory_order_relaxed);
  if (last != none && last >> 32 == outer) return static_cast<std::uint32_t>(last);
  const std::uint32_t number = number_of(outer, text_);
  last_.store(std::uint64_t{outer} << 32 | number, std::memory_order_relaxed);
  return number;
}

ModuleScope::ModuleScope(const std::string& name) : outer_(current) {
  current = number_of(outer_, name);
}
ModuleScope::ModuleScope(const ModuleName& name) : outer_(current) {
  current = name.number_under(outer_);
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
