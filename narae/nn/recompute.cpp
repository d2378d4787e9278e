#include "narae/nn/recompute.h"

#include <algorithm>

namespace narae::nn {
namespace {

constexpr std::int64_t always_a_block = 16;  // layers: a residual block, an inception module

std::int64_t layers_of(const Module& module) {
  const auto children = module.children();
  if (children.empty()) return 1;
  std::int64_t layers = 0;
  for (const auto& [name, child] : children) layers += layers_of(child);
  return layers;
}

// Marks the blocks inside `module`, which is itself none.
std::int64_t mark_inside(const Module& module, std::int64_t largest_block) {
  std::int64_t marked = 0;
  if (module.recomputes_in_parts()) {
    module.set_recomputed();
    ++marked;
  }
  for (const auto& [name, child] : module.children()) {
    if (child.children().empty()) continue;
    if (layers_of(child) > largest_block || (child.recomputes_in_parts() && !module.recomputes_in_parts())) {
      marked += mark_inside(child, largest_block);
    } else if (!module.recomputes_in_parts()) {
      child.set_recomputed();
      ++marked;
    }
  }
  return marked;
}

}  // namespace

std::int64_t checkpoint_activations(const Module& network) {
  return mark_inside(network, std::max(layers_of(network) / 4, always_a_block));
}

}  // namespace narae::nn
