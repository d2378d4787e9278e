#pragma once

#include "narae/core/export.h"

namespace narae::detail {

/// Looks, ten times a second at most, whether other threads compete for this process's cores, and lets OpenMP's
/// waiting threads spin or sleep accordingly. Called wherever parallel work begins.
void adapt_waiting();

/// What adapt_waiting decides by: whether they should sleep, from whether they do and from the involuntary context
/// switches a second of this process since it last looked.
[[nodiscard]] NARAE_API bool should_sleep(bool sleeps, double switches);
/// What it does then.
NARAE_API void let_waiting_sleep(bool sleep);

}  // namespace narae::detail
