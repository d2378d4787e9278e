// Which kernel computes a convolution.
#include "narae/backend/cpu/conv.h"

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/onednn_conv.h"
#include "narae/backend/cpu/winograd.h"
#include "narae/backend/cpu/winograd_filters.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

ConvGeometry geometry_of(const Shape& x, const Shape& w, const Shape& y, Attributes attributes) {
  return {.batch = x[0],
          .channels = x[1],
          .filters = y[1],
          .x = {x[2], x[3]},
          .w = {w[2], w[3]},
          .y = {y[2], y[3]},
          .words = attributes_as<Conv2dAttributes>(attributes)};
}

bool is_empty(const ConvGeometry& g) {
  return g.batch * g.filters * g.taps() * g.pixels() * g.x[0] * g.x[1] == 0;
}

// oneDNN and our Winograd compute with channels in blocks of 16; oneDNN converts row-major arguments. Measured with
// AVX-512, conversions included: the input gradient for 6 channels takes it 1.5 times, for 3 channels 3..5 times as
// long as our kernel, the forward pass and the weight gradient for 1 -> 6 channels twice, for 6 -> 16 1.0 and 1.6
// times; with 32 filters or more it is 1.1..1.5 times faster in these two. The first layer of a network, with a
// picture's few channels, goes to oneDNN when its filters fill blocks of 16: all that follows then keeps that layout.
bool prefers_blocks(const ConvGeometry& g, ConvPass pass) {
  if (g.words.groups > 1) return true;
  const bool wide = g.channels >= 16 && g.filters >= 16;
  const bool opens_blocks = g.channels <= 4 && g.filters % 16 == 0;
  return wide || (pass != ConvPass::input_gradient && (g.filters >= 32 || opens_blocks));
}

Kernel make_on_blocks(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts,
                      const ConvFollower& follower = {}) {
  if (Kernel kernel = make_winograd(g, pass, has_bias, layouts, follower)) return kernel;
  return onednn::make_conv(g, pass, has_bias, layouts, follower);
}

Kernel make(const ConvGeometry& g, ConvPass pass, DType dtype, bool has_bias, const ConvLayouts& layouts) {
  if (is_empty(g)) return {};
  if (dtype == DType::f32 && prefers_blocks(g, pass)) {
    if (Kernel kernel = make_on_blocks(g, pass, has_bias, layouts)) return kernel;
  }
  return make_direct_conv(g, pass, dtype, has_bias);
}

// Geometry and pass of a request for one of the four operators below.
struct Convolution {
  ConvGeometry geometry;
  ConvPass pass;
  bool has_bias;
};

std::size_t elements_of(const KernelRequest& r) {
  const Layout layout = r.result_layout(0);
  if (layout == Layout::row_major) return static_cast<std::size_t>(r.results[0].shape.count());
  return cpu_backend().layouts().elements(layout);
}

Convolution convolution_of(const KernelRequest& r) {
  const Shape& a = r.inputs[0].shape;
  const Shape& b = r.inputs[1].shape;
  const Shape& result = r.results[0].shape;
  if (r.op->name == "conv2d_input_gradient") {  // (dy, w) -> dx
    return {geometry_of(result, b, a, r.attributes), ConvPass::input_gradient, false};
  }
  if (r.op->name == "conv2d_weight_gradient") {  // (x, dy) -> dw
    return {geometry_of(a, result, b, r.attributes), ConvPass::weight_gradient, false};
  }
  return {geometry_of(a, b, result, r.attributes), ConvPass::forward, r.inputs.size() == 3};
}

Kernel make_kernel(const KernelRequest& r) {
  const Convolution c = convolution_of(r);
  ConvLayouts layouts;
  if (c.pass == ConvPass::forward) layouts = {r.input_layout(0), r.result_layout(0), r.input_layout(1)};
  if (c.pass == ConvPass::input_gradient) layouts = {r.result_layout(0), r.input_layout(0)};
  if (c.pass == ConvPass::weight_gradient) layouts = {r.input_layout(0), r.input_layout(1)};
  return make(c.geometry, c.pass, r.results[0].dtype, c.has_bias, layouts);
}

// How the weights of a forward pass lie best that are the same in each run; `now`: as they are written.
Layout lasting_layout(const ConvGeometry& g, const ConvLayouts& layouts, Layout now) {
  const std::optional<ChannelBlocks> x = channel_blocks(layouts.x);
  const std::optional<ChannelBlocks> y = channel_blocks(layouts.y);
  const bool own = now == Layout::row_major && x && y && x->block == y->block &&
                   winograd_choice(g, ConvPass::forward, true) == WinogradChoice::own;
  if (!own) return layouts.w;
  return winograd_layout({.filters = g.filters, .channels = g.channels, .block = y->block});
}

// The loop as a follower; nothing when it does anything else. `from`: its input that is the convolution's result.
std::optional<ConvFollower> follower_of(const Loop& loop, int from) {
  const std::size_t inputs = loop.inputs.size();
  if (loop.results.size() != 1 || inputs > 2 || loop.instructions.size() > 2) return {};
  ConvFollower follower;
  int last = from;
  for (const Loop::Instruction& instruction : loop.instructions) {
    const std::vector<int>& r = instruction.registers;
    const auto self = static_cast<int>(inputs) + static_cast<int>(&instruction - loop.instructions.data());
    const bool adds = instruction.op->name == "add" && last == from && inputs == 2 &&
                      (r == std::vector{from, 1 - from} || r == std::vector{1 - from, from});
    const bool rectifies = instruction.op->name == "relu" && r == std::vector{last};
    if (!adds && !rectifies) return {};
    if (follower.rectifies) return {};
    follower.adds = follower.adds || adds;
    follower.rectifies = rectifies;
    last = self;
  }
  if (loop.results[0] != last || follower.adds != (inputs == 2)) return {};
  for (const Loop::Input& input : loop.inputs)
    if (input.dtype != DType::f32 || !(input.strides == contiguous_strides(loop.shape))) return {};
  return follower;
}

const DefineKernel conv2d(cpu_backend(), "conv2d", make_kernel);
const DefineKernel conv2d_bias(cpu_backend(), "conv2d_bias", make_kernel);
const DefineKernel input_gradient(cpu_backend(), "conv2d_input_gradient", make_kernel);
const DefineKernel weight_gradient(cpu_backend(), "conv2d_weight_gradient", make_kernel);

}  // namespace

Kernel make_conv_behind(const KernelRequest& r, const Loop& loop, int from, bool exact) {
  if (r.op->name != "conv2d" && r.op->name != "conv2d_bias") return {};
  const std::optional<ConvFollower> follower = follower_of(loop, from);
  const Convolution c = convolution_of(r);
  if (!follower || (exact && follower->rectifies) || r.results[0].dtype != DType::f32 || is_empty(c.geometry) ||
      !prefers_blocks(c.geometry, c.pass))
    return {};
  const ConvLayouts layouts{r.input_layout(0), r.result_layout(0), r.input_layout(1)};
  Kernel kernel = make_on_blocks(c.geometry, c.pass, c.has_bias, layouts, *follower);
  if (!kernel || !follower->adds) return kernel;
  // What is added lies where the result will be.
  const auto z = static_cast<int>(r.inputs.size());
  kernel.in_place = {z};
  kernel.run = [run = std::move(kernel.run), z, bytes = elements_of(r) * sizeof(float)](const KernelArguments& at) {
    if (at.inputs[z] != at.results[0])
      parallel_for(static_cast<std::int64_t>(bytes), 1 << 18, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(at.results[0] + begin, at.inputs[z] + begin, static_cast<std::size_t>(end - begin));
      });
    run(at);
  };
  return kernel;
}

bool choose_conv_layouts(const KernelRequest& r, LayoutChoice& choice) {
  if (!r.op->name.starts_with("conv2d") || r.results[0].dtype != DType::f32) return false;
  const Convolution c = convolution_of(r);
  if (is_empty(c.geometry) || !prefers_blocks(c.geometry, c.pass)) return false;
  const ConvLayouts layouts = onednn::conv_layouts(c.geometry, c.pass, c.has_bias);
  choice.inputs.assign(r.inputs.size(), Layout::row_major);
  choice.results = {Layout::row_major};
  if (c.pass == ConvPass::forward) {
    choice.inputs[0] = layouts.x;
    choice.inputs[1] = lasting_layout(c.geometry, layouts, r.input_layout(1));
    choice.results[0] = layouts.y;
    choice.weights = 1;
  } else if (c.pass == ConvPass::input_gradient) {
    choice.inputs[0] = layouts.y;
    choice.results[0] = layouts.x;
  } else {
    choice.inputs[0] = layouts.x;
    choice.inputs[1] = layouts.y;
  }
  return true;
}

}  // namespace narae::cpu
