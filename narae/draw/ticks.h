#pragma once

#include <string>
#include <vector>

#include "narae/core/export.h"

namespace narae::draw {

/// A mark on an axis.
struct Tick {
  double value = 0;
  std::string label;  ///< empty for a minor mark
};

/// About `target` round values (1, 2 or 5 times a power of ten apart, at least `smallest_step`) within [low, high].
/// Throws Error unless low < high and both are finite.
[[nodiscard]] NARAE_API std::vector<Tick> linear_ticks(double low, double high, int target, double smallest_step = 0);

/// Powers of ten within [low, high], at most about `target` of them labelled; on an axis of less than two decades 2
/// and 5 times them too, and on one too short for these the values of linear_ticks. Throws Error unless 0 < low < high
/// and both are finite.
[[nodiscard]] NARAE_API std::vector<Tick> log_ticks(double low, double high, int target);

/// A number for people: "0.125", "250", "60k", "1.2M", "3e-05".
[[nodiscard]] NARAE_API std::string short_number(double value);

}  // namespace narae::draw
