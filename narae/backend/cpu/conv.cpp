// Which kernel computes a convolution.
#include "narae/backend/cpu/conv.h"

#include "narae/backend/cpu/onednn_conv.h"

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

bool prefers_onednn(const ConvGeometry& g, ConvPass) {
  return g.group_channels() >= 16 && g.group_filters() >= 16;
}

Kernel make(const ConvGeometry& g, ConvPass pass, DType dtype, bool has_bias) {
  if (is_empty(g)) return {};
  if (dtype == DType::f32 && prefers_onednn(g, pass)) return onednn::make_conv(g, pass, has_bias);
  return make_lowered_conv(g, pass, dtype, has_bias);
}

template <bool has_bias>
Kernel make_forward(const KernelRequest& r) {
  const ConvGeometry g = geometry_of(r.inputs[0].shape, r.inputs[1].shape, r.results[0].shape, r.attributes);
  return make(g, ConvPass::forward, r.results[0].dtype, has_bias);
}

// (dy, w) -> dx
Kernel make_input_gradient(const KernelRequest& r) {
  const ConvGeometry g = geometry_of(r.results[0].shape, r.inputs[1].shape, r.inputs[0].shape, r.attributes);
  return make(g, ConvPass::input_gradient, r.results[0].dtype, false);
}

// (x, dy) -> dw
Kernel make_weight_gradient(const KernelRequest& r) {
  const ConvGeometry g = geometry_of(r.inputs[0].shape, r.results[0].shape, r.inputs[1].shape, r.attributes);
  return make(g, ConvPass::weight_gradient, r.results[0].dtype, false);
}

const DefineKernel conv2d(cpu_backend(), "conv2d", make_forward<false>);
const DefineKernel conv2d_bias(cpu_backend(), "conv2d_bias", make_forward<true>);
const DefineKernel input_gradient(cpu_backend(), "conv2d_input_gradient", make_input_gradient);
const DefineKernel weight_gradient(cpu_backend(), "conv2d_weight_gradient", make_weight_gradient);

}  // namespace
}  // namespace narae::cpu
