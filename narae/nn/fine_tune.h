#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

/// Puts layers with running statistics (batch norm) into evaluation mode when their own parameters, or all those of a
/// module around them, are frozen: a frozen trunk goes on computing what it computed when it was trained, and its
/// statistics stay as they are. To be called after `train()`, which sets the mode of all modules. Returns how many
/// layers it found.
NARAE_API int keep_frozen_statistics(const Module& network);

}  // namespace narae::nn
