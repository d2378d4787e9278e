#pragma once

#include <cstdint>
#include <vector>

#include "narae/data/dataset.h"

namespace narae::detail {

/// The order in which an epoch goes over the samples, when shuffled: a pure function of its arguments. Sequences of
/// like length come together (see Loader); the samples that fill no whole batch are chosen at random and come last.
[[nodiscard]] std::vector<std::int64_t> epoch_order(const Dataset& dataset, std::int64_t batch_size, std::uint64_t seed,
                                                    std::int64_t epoch);

}  // namespace narae::detail
