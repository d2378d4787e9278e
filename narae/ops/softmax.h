#pragma once

#include "narae/graph/tensor.h"
#include "narae/ops/reduce.h"

namespace narae {

/// exp(x) / sum(exp(x)) along an axis, computed without overflow.
[[nodiscard]] NARAE_API Tensor softmax(const Tensor& x, std::int64_t axis = -1);
/// log(softmax(x)) along an axis, exact in the tails.
[[nodiscard]] NARAE_API Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);
/// log(sum(exp(x))) over the given axes, computed without overflow.
[[nodiscard]] NARAE_API Tensor logsumexp(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});

}  // namespace narae
