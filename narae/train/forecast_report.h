#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "narae/core/export.h"
#include "narae/data/series.h"

namespace narae {

/// A network's forecasts beside the simplest ones, in the series' units.
struct ForecastReport {
  Split split = Split::test;
  ForecastErrors network;
  ForecastErrors naive;                         ///< everything stays as it is
  std::optional<ForecastErrors> seasonal = {};  ///< everything is as one season before
};

/// `forecasts`: (windows of the part, horizon), standardised as the datasets are. `season` in rows; 0: none. Throws
/// Error when there are not as many forecasts as windows need.
[[nodiscard]] NARAE_API ForecastReport forecast_report(const ForecastWindows& windows, Split split,
                                                       std::span<const float> forecasts, std::int64_t season);
/// Three lines: mean absolute and root mean squared error of each.
[[nodiscard]] NARAE_API std::string to_text(const ForecastReport& report);

/// Draws the part's rows (at most the last 400) with the forecasts that follow one another, and writes row, value and
/// forecast of these into a table beside it (forecast.svg, forecast.csv).
NARAE_API void draw_forecast(const std::filesystem::path& folder, const std::string& title,
                             const ForecastWindows& windows, Split split, std::span<const float> forecasts);

}  // namespace narae
