#include "narae/nn/fine_tune.h"

#include <algorithm>

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

}  // namespace narae::nn
