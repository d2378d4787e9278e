#include "narae/graph/kernel.h"

#include <algorithm>
#include <string>

#include "narae/core/error.h"

namespace narae {

void Backend::define(std::string_view op, KernelFactory factory) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), op,
                                   [](const Entry& e, std::string_view name) { return e.op < name; });
  if (at != entries_.end() && at->op == op) {
    throw Error(std::string(name_) + ": kernel '" + std::string(op) + "' is defined twice");
  }
  entries_.insert(at, {op, factory});
}

Kernel Backend::make(const KernelRequest& request) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), request.op->name,
                                   [](const Entry& e, std::string_view name) { return e.op < name; });
  if (at == entries_.end() || at->op != request.op->name) return {};
  return at->factory(request);
}

bool Backend::has(std::string_view op) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.op == op; });
}

std::vector<std::string_view> Backend::ops() const {
  std::vector<std::string_view> names;
  for (const Entry& e : entries_) names.push_back(e.op);
  return names;
}

Backend& reference_backend() {
  static auto* instance = new Backend("reference");
  return *instance;
}

Backend& cpu_backend() {
  static auto* instance = new Backend("cpu");
  return *instance;
}

}  // namespace narae
