#pragma once

#include "narae/nn/module.h"

namespace narae::models {

/// Gives every convolution of a network, that is every weight of four axes, Kaiming's normal values for the ReLU that
/// follows, by the number of outputs (He et al. 2015).
NARAE_API void initialize_convolutions(const nn::Module& network);

}  // namespace narae::models
