#pragma once

#include <optional>

#include "narae/core/export.h"

namespace narae::detail {

/// Looks, ten times a second at most, whether other processes take this one's cores, and lets OpenMP's waiting threads
/// spin or sleep accordingly. Called wherever parallel work begins.
void adapt_waiting();

/// What adapt_waiting decides by: whether they should sleep, from whether they do and from the cores that others have
/// taken lately of those that this process's threads need.
[[nodiscard]] NARAE_API bool should_sleep(bool sleeps, double taken);

/// Fixed from now on, whatever others do; nothing: adapt_waiting decides again.
NARAE_API void let_waiting_sleep(std::optional<bool> sleep);

}  // namespace narae::detail
