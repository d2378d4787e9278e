#pragma once

#include "narae/core/array.h"
#include "narae/nn/module.h"

namespace narae::bench {

/// Numbers that both sides work out alike: element i of tensor k is scale (2 frac((i + 1) phi + k psi) - 1).
[[nodiscard]] Array made_up(const Shape& shape, std::int64_t k, double scale);
/// Gives weights of more than one axis made-up numbers up to sqrt(6 / fan in); k counts all parameters.
void make_up_weights(const nn::Module& model);

}  // namespace narae::bench
