#include "narae/nn/sequential.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "narae/graph/eval.h"
#include "narae/ops/checkpoint.h"

namespace narae::nn {
namespace {

using Step = std::shared_ptr<const Module>;

// Fewer layers in a row keep less than their own recomputation would need.
constexpr std::size_t shortest_run = 4;

bool is_layer(const Module& module) {
  return module.children().empty();
}

bool takes_care_of_itself(const Module& module) {
  if (module.is_recomputed()) return true;
  const auto children = module.children();
  return std::any_of(children.begin(), children.end(),
                     [](const auto& child) { return takes_care_of_itself(child.second); });
}

Tensor forward_through(std::span<const Step> steps, const Tensor& x) {
  Tensor y = x;
  for (const Step& step : steps) y = (*step)(y);
  return y;
}

Tensor recomputed(std::span<const Step> steps, const Tensor& x) {
  return checkpoint([&](std::span<const Tensor> in) { return forward_through(steps, in[0]); }, std::array{x});
}

// About sqrt(n) parts of sqrt(n) layers each: what is kept between the parts and what one part needs when its turn
// comes are then equally much (Chen et al. 2016).
Tensor recomputed_run(std::span<const Step> steps, const Tensor& x) {
  if (steps.size() < shortest_run) return forward_through(steps, x);
  const auto length = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(steps.size()))));
  Tensor y = x;
  for (std::size_t i = 0; i < steps.size(); i += length) {
    y = recomputed(steps.subspan(i, std::min(length, steps.size() - i)), y);
  }
  return y;
}

}  // namespace

Tensor Sequential::forward(const Tensor& x) const {
  const std::span<const Step> steps(steps_);
  if (!is_recomputed() || !is_training() || !gradients_enabled()) return forward_through(steps, x);
  Tensor y = x;
  for (std::size_t i = 0; i < steps.size();) {
    std::size_t end = i;
    while (end < steps.size() && is_layer(*steps[end])) ++end;
    if (end > i) {
      y = recomputed_run(steps.subspan(i, end - i), y);
    } else {
      const auto block = steps.subspan(end++, 1);
      y = takes_care_of_itself(*block[0]) ? forward_through(block, y) : recomputed(block, y);
    }
    i = end;
  }
  return y;
}

}  // namespace narae::nn
