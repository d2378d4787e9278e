#pragma once

#include "narae/backend/cpu/conv.h"

namespace narae::cpu {

/// A 3 x 3 convolution by Winograd's algorithm (f32, channels of pictures in blocks) or one of its gradients, for few
/// tiles and many channels. Empty where it doesn't fit or isn't faster by an estimate.
[[nodiscard]] Kernel make_winograd(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts);

}  // namespace narae::cpu
