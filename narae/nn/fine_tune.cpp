#include "narae/nn/fine_tune.h"

#include <algorithm>

#include "narae/core/error.h"

namespace narae::nn {
namespace {

bool is_frozen(const Module& module) {
  const NamedTensors parameters = module.named_parameters();
  return !parameters.empty() &&
         std::none_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.second.is_trainable(); });
}

int keep_inside(const Module& module, bool frozen_around) {
  const bool frozen = frozen_around || is_frozen(module);
  const auto children = module.children();
  if (children.empty()) {
    if (!frozen || module.named_buffers().empty()) return 0;
    module.eval();
    return 1;
  }
  int kept = 0;
  for (const auto& [name, child] : children) kept += keep_inside(child, frozen);
  return kept;
}

}  // namespace

int keep_frozen_statistics(const Module& network) {
  return keep_inside(network, false);
}

std::vector<std::string> patterns_of(std::string_view list) {
  std::vector<std::string> patterns;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma == 0)
      throw UsageError("a pattern between commas is empty; patterns are written as in features,fc.weight");
    patterns.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return patterns;
}

}  // namespace narae::nn
