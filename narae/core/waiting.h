#pragma once

namespace narae::detail {

/// Looks, ten times a second at most, whether other threads compete for this process's cores, and lets OpenMP's
/// waiting threads spin or sleep accordingly. Called wherever parallel work begins.
void adapt_waiting();

/// For tests: whether they sleep at once at present.
[[nodiscard]] bool waiting_sleeps();

}  // namespace narae::detail
