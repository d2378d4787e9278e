#include "narae/backend/cpu/onednn_conv.h"

#include "narae/backend/cpu/onednn.h"
#include "narae/backend/cpu/onednn_layout.h"
#include "narae/backend/cpu/winograd.h"

namespace narae::cpu::onednn {
namespace {

using dnnl::algorithm;
using dnnl::memory;

struct Descriptions {
  memory::desc x, w, y, bias;
};

// The arguments as they are: row-major. Weights of several groups have an axis for the group.
Descriptions plain_arguments(const ConvGeometry& g) {
  const std::int64_t groups = g.words.groups;
  const memory::dims w = groups == 1 ? memory::dims{g.filters, g.channels, g.w[0], g.w[1]}
                                     : memory::dims{groups, g.group_filters(), g.group_channels(), g.w[0], g.w[1]};
  return {.x = plain({g.batch, g.channels, g.x[0], g.x[1]}),
          .w = plain(w),
          .y = plain({g.batch, g.filters, g.y[0], g.y[1]}),
          .bias = plain({g.filters})};
}

memory::desc any(const memory::desc& desc) {
  return {desc.dims(), memory::data_type::f32, memory::format_tag::any};
}

struct Spacing {
  memory::dims stride, dilation, padding, padding_after;
};

// What the last window leaves over is cut off: padding behind may be less than in front, even negative.
Spacing spacing_of(const ConvGeometry& g) {
  Spacing s;
  for (int i = 0; i < 2; ++i) {
    const std::int64_t reach = g.words.dilation[i] * (g.w[i] - 1) + 1;
    s.stride.push_back(g.words.stride[i]);
    s.dilation.push_back(g.words.dilation[i] - 1);  // oneDNN counts the gaps
    s.padding.push_back(g.words.padding[i]);
    s.padding_after.push_back((g.y[i] - 1) * g.words.stride[i] + reach - g.x[i] - g.words.padding[i]);
  }
  return s;
}

// What a convolution is made for besides its geometry.
struct How {
  bool has_bias = false;
  ConvFollower follower = {};
};

// A convolution with one of the algorithms.
struct Algorithm {
  const Descriptions& of;
  const Spacing& s;
  algorithm kind;
  How how;

  [[nodiscard]] dnnl::convolution_forward::primitive_desc forward() const {
    using Forward = dnnl::convolution_forward;
    constexpr auto prop = dnnl::prop_kind::forward_training;
    const Forward::desc desc = how.has_bias ? Forward::desc(prop, kind, any(of.x), any(of.w), of.bias, any(of.y),
                                                            s.stride, s.dilation, s.padding, s.padding_after)
                                            : Forward::desc(prop, kind, any(of.x), any(of.w), any(of.y), s.stride,
                                                            s.dilation, s.padding, s.padding_after);
    dnnl::primitive_attr attr = attributes();
    dnnl::post_ops after;
    if (how.follower.adds) after.append_sum(1);
    if (how.follower.rectifies) after.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
    attr.set_post_ops(after);
    return {desc, attr, engine()};
  }
  [[nodiscard]] dnnl::convolution_backward_data::primitive_desc input_gradient() const {
    return {{kind, any(of.x), any(of.w), any(of.y), s.stride, s.dilation, s.padding, s.padding_after},
            attributes(),
            engine(),
            forward()};
  }
  [[nodiscard]] dnnl::convolution_backward_weights::primitive_desc weight_gradient() const {
    return {{kind, any(of.x), any(of.w), any(of.y), s.stride, s.dilation, s.padding, s.padding_after},
            attributes(),
            engine(),
            forward()};
  }
};

// make(algorithm): Winograd's where that is the choice (a gradient of filters) and implemented (oneDNN 3 has it no
// longer), else direct.
template <class Make>
auto with_best(const ConvGeometry& g, ConvPass pass, const How& how, const Make& make) {
  const Descriptions of = plain_arguments(g);
  const Spacing s = spacing_of(g);
  if (winograd_choice(g, pass) == WinogradChoice::onednn) {
    try {
      return make(Algorithm{of, s, algorithm::convolution_winograd, how});
    } catch (const dnnl::error& e) {
      if (e.status != dnnl_unimplemented) throw;
    }
  }
  return make(Algorithm{of, s, algorithm::convolution_direct, how});
}

Kernel make(const ConvGeometry& g, ConvPass pass, const Algorithm& with, const ConvLayouts& layouts) {
  const Descriptions& of = with.of;
  const memory::desc x_given = desc_of(layouts.x, of.x);
  const memory::desc y_given = desc_of(layouts.y, of.y);
  Sequence sequence(threads_for(g.flops()));
  if (pass == ConvPass::forward) {
    const auto desc = with.forward();
    const int x = sequence.in_layout(sequence.input(0, x_given), desc.src_desc());
    const int w = sequence.in_layout(sequence.input(1, desc_of(layouts.w, of.w)), desc.weights_desc());
    const int y = sequence.result(0, y_given);
    const int own_y = sequence.or_scratch(y, desc.dst_desc());
    if (own_y != y && with.how.follower.adds) return {};
    const dnnl::convolution_forward primitive(desc);
    if (with.how.has_bias) {
      sequence.run(primitive, desc.scratchpad_desc(),
                   {{DNNL_ARG_SRC, x},
                    {DNNL_ARG_WEIGHTS, w},
                    {DNNL_ARG_BIAS, sequence.input(2, of.bias)},
                    {DNNL_ARG_DST, own_y}});
    } else {
      sequence.run(primitive, desc.scratchpad_desc(),
                   {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, own_y}});
    }
    if (own_y != y) sequence.convert(own_y, y);
  } else if (pass == ConvPass::input_gradient) {
    const auto desc = with.input_gradient();
    const int dy = sequence.in_layout(sequence.input(0, y_given), desc.diff_dst_desc());
    const int w = sequence.in_layout(sequence.input(1, of.w), desc.weights_desc());
    const int dx = sequence.result(0, x_given);
    const int own_dx = sequence.or_scratch(dx, desc.diff_src_desc());
    sequence.run(dnnl::convolution_backward_data(desc), desc.scratchpad_desc(),
                 {{DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, own_dx}});
    if (own_dx != dx) sequence.convert(own_dx, dx);
  } else {
    const auto desc = with.weight_gradient();
    const int x = sequence.in_layout(sequence.input(0, x_given), desc.src_desc());
    const int dy = sequence.in_layout(sequence.input(1, y_given), desc.diff_dst_desc());
    const int dw = sequence.result(0, of.w);
    const int own_dw = sequence.or_scratch(dw, desc.diff_weights_desc());
    sequence.run(dnnl::convolution_backward_weights(desc), desc.scratchpad_desc(),
                 {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_WEIGHTS, own_dw}});
    if (own_dw != dw) sequence.convert(own_dw, dw);
  }
  return sequence.kernel(g.flops());
}

ConvLayouts layouts_of(ConvPass pass, const Algorithm& with) {
  if (pass == ConvPass::forward) {
    const auto desc = with.forward();
    const bool grouped = with.of.w.dims().size() > 4;  // an axis more than the operator's weights have
    return {layout_of(desc.src_desc()), layout_of(desc.dst_desc()),
            grouped ? Layout::row_major : layout_of(desc.weights_desc())};
  }
  if (pass == ConvPass::input_gradient) {
    const auto desc = with.input_gradient();
    return {layout_of(desc.diff_src_desc()), layout_of(desc.diff_dst_desc())};
  }
  const auto desc = with.weight_gradient();
  return {layout_of(desc.src_desc()), layout_of(desc.diff_dst_desc())};
}

}  // namespace

Kernel make_conv(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts,
                 const ConvFollower& follower) {
  return if_implemented("conv2d", [&] {
    const How how{has_bias, follower};
    return with_best(g, pass, how, [&](const Algorithm& with) { return make(g, pass, with, layouts); });
  });
}

ConvLayouts conv_layouts(const ConvGeometry& g, ConvPass pass, bool has_bias) {
  const ThreadLimit limit(threads_for(g.flops()));
  try {
    return with_best(g, pass, {.has_bias = has_bias}, [&](const Algorithm& with) { return layouts_of(pass, with); });
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_unimplemented) return {};
    throw Error(std::string("oneDNN: conv2d: ") + e.what());
  }
}

}  // namespace narae::cpu::onednn
