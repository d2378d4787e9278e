#pragma once

#include <string>

#include "narae/models/config.h"
#include "narae/nn/module.h"
#include "narae/train/recipe.h"
#include "narae/train/trainer.h"

namespace narae {

/// What summary.txt says about a finished run: its result, its network layer by layer, what it ran on.
[[nodiscard]] std::string run_summary(const Recipe& recipe, const models::ModelConfig& config, const nn::Module& model,
                                      const TrainResult& result);

}  // namespace narae
