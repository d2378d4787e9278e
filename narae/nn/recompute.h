#pragma once

#include <cstdint>

#include "narae/nn/module.h"

namespace narae::nn {

/// Makes a network train in less memory: its blocks keep their inputs only and compute what lies inside a second time
/// for the gradient (Chen et al., "Training deep nets with sublinear memory cost", 2016). Gradients, dropped elements
/// and running statistics are those of the network without it. Of a Sequential, every step that has parts of its own
/// is a block, and rows of plain layers are cut into blocks; elsewhere every part that has parts of its own is one,
/// but for those that hold more than a quarter of all layers (and more than 16): they are looked into. Returns how many
/// modules were marked (see Module::set_recomputed); 0: the network has no such parts and stays as it is.
NARAE_API std::int64_t checkpoint_activations(const Module& network);

}  // namespace narae::nn
