#pragma once

#include "narae/backend/cpu/conv.h"
#include "narae/graph/kernel.h"

namespace narae::cpu::onednn {

/// f32 only. oneDNN chooses the layouts it computes in; arguments that lie otherwise are converted to them and back.
/// A follower goes with the forward pass alone; the kernel is empty where oneDNN does not take it.
[[nodiscard]] Kernel make_conv(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts,
                               const ConvFollower& follower = {});

/// The layouts that oneDNN computes this convolution in; row-major where it has none.
[[nodiscard]] ConvLayouts conv_layouts(const ConvGeometry& g, ConvPass pass, bool has_bias);

}  // namespace narae::cpu::onednn
