#include "narae/backend/cpu/onednn_conv.h"

#include "narae/backend/cpu/onednn.h"
#include "narae/backend/cpu/onednn_layout.h"

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

dnnl::convolution_forward::primitive_desc forward_description(const Descriptions& of, const Spacing& s, bool has_bias) {
  using Forward = dnnl::convolution_forward;
  constexpr auto kind = dnnl::prop_kind::forward_training;
  constexpr auto direct = algorithm::convolution_direct;
  const Forward::desc desc = has_bias ? Forward::desc(kind, direct, any(of.x), any(of.w), of.bias, any(of.y), s.stride,
                                                      s.dilation, s.padding, s.padding_after)
                                      : Forward::desc(kind, direct, any(of.x), any(of.w), any(of.y), s.stride,
                                                      s.dilation, s.padding, s.padding_after);
  return {desc, attributes(), engine()};
}

using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

BackwardData::primitive_desc input_gradient_description(const Descriptions& of, const Spacing& s,
                                                        const dnnl::convolution_forward::primitive_desc& hint) {
  return {{algorithm::convolution_direct, any(of.x), any(of.w), any(of.y), s.stride, s.dilation, s.padding,
           s.padding_after},
          attributes(),
          engine(),
          hint};
}

BackwardWeights::primitive_desc weight_gradient_description(const Descriptions& of, const Spacing& s,
                                                            const dnnl::convolution_forward::primitive_desc& hint) {
  return {{algorithm::convolution_direct, any(of.x), any(of.w), any(of.y), s.stride, s.dilation, s.padding,
           s.padding_after},
          attributes(),
          engine(),
          hint};
}

Kernel make(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts) {
  const Descriptions of = plain_arguments(g);
  const memory::desc x_given = desc_of(layouts.x, of.x);
  const memory::desc y_given = desc_of(layouts.y, of.y);
  const Spacing s = spacing_of(g);
  Sequence sequence(threads_for(g.flops()));
  const auto hint = forward_description(of, s, has_bias);
  if (pass == ConvPass::forward) {
    const int x = sequence.in_layout(sequence.input(0, x_given), hint.src_desc());
    const int w = sequence.in_layout(sequence.input(1, of.w), hint.weights_desc());
    const int y = sequence.result(0, y_given);
    const int own_y = sequence.or_scratch(y, hint.dst_desc());
    const dnnl::convolution_forward primitive(hint);
    if (has_bias) {
      sequence.run(primitive, hint.scratchpad_desc(),
                   {{DNNL_ARG_SRC, x},
                    {DNNL_ARG_WEIGHTS, w},
                    {DNNL_ARG_BIAS, sequence.input(2, of.bias)},
                    {DNNL_ARG_DST, own_y}});
    } else {
      sequence.run(primitive, hint.scratchpad_desc(),
                   {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, own_y}});
    }
    if (own_y != y) sequence.convert(own_y, y);
  } else if (pass == ConvPass::input_gradient) {
    const auto desc = input_gradient_description(of, s, hint);
    const int dy = sequence.in_layout(sequence.input(0, y_given), desc.diff_dst_desc());
    const int w = sequence.in_layout(sequence.input(1, of.w), desc.weights_desc());
    const int dx = sequence.result(0, x_given);
    const int own_dx = sequence.or_scratch(dx, desc.diff_src_desc());
    sequence.run(BackwardData(desc), desc.scratchpad_desc(),
                 {{DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, own_dx}});
    if (own_dx != dx) sequence.convert(own_dx, dx);
  } else {
    const auto desc = weight_gradient_description(of, s, hint);
    const int x = sequence.in_layout(sequence.input(0, x_given), desc.src_desc());
    const int dy = sequence.in_layout(sequence.input(1, y_given), desc.diff_dst_desc());
    const int dw = sequence.result(0, of.w);
    const int own_dw = sequence.or_scratch(dw, desc.diff_weights_desc());
    sequence.run(BackwardWeights(desc), desc.scratchpad_desc(),
                 {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_WEIGHTS, own_dw}});
    if (own_dw != dw) sequence.convert(own_dw, dw);
  }
  return sequence.kernel(g.flops());
}

}  // namespace

Kernel make_conv(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts) {
  return if_implemented("conv2d", [&] { return make(g, pass, has_bias, layouts); });
}

ConvLayouts conv_layouts(const ConvGeometry& g, ConvPass pass, bool has_bias) {
  const Descriptions of = plain_arguments(g);
  const Spacing s = spacing_of(g);
  const ThreadLimit limit(threads_for(g.flops()));
  try {
    const auto hint = forward_description(of, s, has_bias);
    if (pass == ConvPass::forward) return {layout_of(hint.src_desc()), layout_of(hint.dst_desc())};
    if (pass == ConvPass::input_gradient) {
      const auto desc = input_gradient_description(of, s, hint);
      return {layout_of(desc.diff_src_desc()), layout_of(desc.diff_dst_desc())};
    }
    const auto desc = weight_gradient_description(of, s, hint);
    return {layout_of(desc.src_desc()), layout_of(desc.diff_dst_desc())};
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_unimplemented) return {};
    throw Error(std::string("oneDNN: conv2d: ") + e.what());
  }
}

}  // namespace narae::cpu::onednn
