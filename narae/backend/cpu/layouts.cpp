// Which operators compute on channels in blocks. Convolutions ask for them; the ones below take what they are given.
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/conv.h"
#include "narae/backend/cpu/onednn_layout.h"
#include "narae/backend/cpu/winograd_filters.h"
#include "narae/core/error.h"
#include "narae/graph/attributes.h"

namespace narae::cpu {
namespace {

// An operator with the inputs and results that follow the layout, as bits.
struct Follower {
  std::string_view op;
  unsigned inputs;
  unsigned results;
};

constexpr unsigned all = ~0U;

// clang-format off
constexpr Follower followers[] = {
    {"adaptive_avg_pool2d", 0b1, 0b1},
    {"adaptive_avg_pool2d_gradient", 0b1, 0b1},
    {"adaptive_max_pool2d", 0b1, 0b11},
    {"avg_pool2d", 0b1, 0b1},
    {"avg_pool2d_gradient", 0b1, 0b1},
    {"batch_norm_gradient", 0b100001, 0b1},
    {"batch_norm_statistics", 0b1, 0},
    {"concat", all, 0b1},
    {"max_pool2d", 0b1, 0b11},
    {"max_unpool2d", 0b11, 0b1},
    {"pad", 0b1, 0b1},
    {"slice", 0b1, 0b1},
    {"slice_scatter", 0b1, 0b1},
    {"sum", 0b1, 0},
};
// clang-format on

// Some can follow for some attributes only.
bool can_follow(const KernelRequest& r, std::int64_t block) {
  const std::string_view op = r.op->name;
  if (op == "sum") {
    const std::int64_t axes = attributes_as<ReduceAttributes>(r.attributes).axes;
    return axes == 0b1101 || axes == 0b1100;  // for each channel, of all images or of each
  }
  if (op == "pad") return r.attributes[2] % block == 0;  // whole blocks in front
  if (op != "slice" && op != "slice_scatter") return true;
  const auto a = attributes_as<SliceAttributes>(r.attributes.first(3));
  return a.axis != 1 || (op == "slice" && a.step == 1);
}

bool follows(unsigned bits, std::size_t i) {
  return bits == all || (i < 32 && (bits >> i & 1U) != 0);
}

// The channels of the first input that lies in blocks.
std::int64_t block_of(const KernelRequest& r, const Follower& follower) {
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    if (!follows(follower.inputs, i)) continue;
    if (const auto blocks = channel_blocks(r.input_layout(i))) return blocks->block;
  }
  return 0;
}

bool choose_followed(const KernelRequest& r, LayoutChoice& choice) {
  const auto* follower =
      std::find_if(std::begin(followers), std::end(followers), [&](const Follower& f) { return f.op == r.op->name; });
  if (follower == std::end(followers) || r.inputs[0].dtype != DType::f32) return false;
  const std::int64_t block = block_of(r, *follower);
  if (block == 0 || !can_follow(r, block)) return false;
  const auto layout_of = [&](const Signature& value, bool blocked, std::vector<Layout>& layouts) {
    if (!blocked) {
      layouts.push_back(Layout::row_major);
      return true;
    }
    const auto layout = channel_blocked(value.shape, block);
    if (layout) layouts.push_back(*layout);
    return layout.has_value();
  };
  choice = {};
  for (std::size_t i = 0; i < r.inputs.size(); ++i)
    if (!layout_of(r.inputs[i], follows(follower->inputs, i), choice.inputs)) return false;
  for (std::size_t k = 0; k < r.results.size(); ++k)
    if (!layout_of(r.results[k], follows(follower->results, k), choice.results)) return false;
  return true;
}

bool choose(const KernelRequest& request, LayoutChoice& choice) {
  return choose_conv_layouts(request, choice) || choose_followed(request, choice);
}

// Layouts are oneDNN's, but for filters that are kept transformed for Winograd's algorithm.

std::size_t elements(Layout layout) {
  const auto filters = winograd_filters(layout);
  return filters ? static_cast<std::size_t>(filters->numbers()) : onednn::elements(layout);
}

std::vector<LayoutAxis> axes(Layout layout) {
  return winograd_filters(layout) ? std::vector<LayoutAxis>{} : onednn::axes(layout);
}

Kernel reorder(const Signature& value, Layout from, Layout to) {
  const auto filters = winograd_filters(to);
  if (filters && from != Layout::row_major) throw Error("filters are transformed from row-major ones");
  return filters ? make_winograd_filters(*filters) : onednn::reorder(value, from, to);
}

[[maybe_unused]] const bool registered = [] {
  cpu_backend().set_layouts({choose, elements, axes, reorder});
  return true;
}();

}  // namespace

}  // namespace narae::cpu
