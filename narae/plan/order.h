#pragma once

#include <cstdint>
#include <span>

#include "narae/plan/program.h"

namespace narae::plan {

/// Sorts the values so that inputs come first; among those that are ready, the lowest priority number wins.
void sort_values(Program& program, std::span<const std::int64_t> priority);

/// Removes the values that nothing reads.
void remove_dead(Program& program);

/// Sets `late` on the values that nothing but stores depends on.
void mark_late(Program& program);

}  // namespace narae::plan
