#pragma once

#include "narae/backend/cpu/conv.h"
#include "narae/graph/kernel.h"

namespace narae::cpu::onednn {

/// f32 only. oneDNN chooses the layouts; arguments are converted to them and back.
[[nodiscard]] Kernel make_conv(const ConvGeometry& g, ConvPass pass, bool has_bias);

}  // namespace narae::cpu::onednn
