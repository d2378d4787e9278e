#pragma once

#include <cstdint>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/core/random.h"

namespace narae {

struct AugmentOptions;

/// A number of the distribution Beta(alpha, alpha), alpha > 0: near 0 or 1 for small alpha, near 1/2 for large ones.
[[nodiscard]] NARAE_API double random_beta(double alpha, RandomStream& random);

/// Mixes each sample of a batch with the one before it (the first with the last), in place, and returns the soft
/// targets, f32 (batch, classes): the shares of the two classes.
///
/// mixup (Zhang et al., 2018) blends images: x_i = s x_i + (1 - s) x_j, with s from Beta(mixup, mixup); cutmix (Yun et
/// al., 2019) takes a box from x_j whose area is 1 - s of the picture, before what reaches over the border is cut off,
/// about a random pixel. The share s, the same for a whole batch, is then that of the targets. When the options have
/// both, one of them is drawn.
///
/// `images`: f32 (batch, sample shape...), for cutmix with height and width last; `labels`: i64 (batch). Throws Error
/// for other types and shapes and for a label outside [0, classes).
[[nodiscard]] NARAE_API Array mix_batch(Array& images, const Array& labels, std::int64_t classes,
                                        const AugmentOptions& options, RandomStream& random);

}  // namespace narae
