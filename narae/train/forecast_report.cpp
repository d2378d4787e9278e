#include "narae/train/forecast_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/draw/chart.h"

namespace narae {
namespace {

constexpr std::int64_t most_drawn_rows = 400;

void require(const ForecastWindows& windows, Split split, std::span<const float> forecasts) {
  const std::int64_t wanted = windows.part(split).size() * windows.options.horizon;
  if (std::ssize(forecasts) == wanted) return;
  throw Error(fmt::format("{} forecasts for {} windows with a horizon of {}", forecasts.size(),
                          windows.part(split).size(), windows.options.horizon));
}

ForecastErrors errors_of(const ForecastWindows& windows, Split split, std::span<const float> forecasts) {
  ForecastErrors errors;
  const std::int64_t horizon = windows.options.horizon;
  for (std::int64_t i = 0; i < windows.part(split).size(); ++i) {
    for (std::int64_t k = 0; k < horizon; ++k) {
      const double truth = windows.series.at(windows.first_forecast_row(split, i) + k, windows.target);
      const double error = windows.restored(forecasts[static_cast<std::size_t>(i * horizon + k)]) - truth;
      errors.mae += std::abs(error);
      errors.mse += error * error;
    }
  }
  const auto count = static_cast<double>(forecasts.size());
  return {.mae = errors.mae / count, .mse = errors.mse / count};
}

}  // namespace

ForecastReport forecast_report(const ForecastWindows& windows, Split split, std::span<const float> forecasts,
                               std::int64_t season) {
  require(windows, split, forecasts);
  ForecastReport report{
      .split = split, .network = errors_of(windows, split, forecasts), .naive = naive_errors(windows, split)};
  if (season > 0) report.seasonal = seasonal_naive_errors(windows, split, season);
  return report;
}

std::string to_text(const ForecastReport& report) {
  const auto line = [&](const char* name, const ForecastErrors& errors) {
    return fmt::format("{:<16} absolute error {:.4g}, root of squared error {:.4g} ({})\n", name, errors.mae,
                       std::sqrt(errors.mse), name_of(report.split));
  };
  std::string text = line("network", report.network) + line("naive", report.naive);
  if (report.seasonal) text += line("seasonal naive", *report.seasonal);
  return text;
}

void draw_forecast(const std::filesystem::path& folder, const std::string& title, const ForecastWindows& windows,
                   Split split, std::span<const float> forecasts) {
  require(windows, split, forecasts);
  const std::int64_t horizon = windows.options.horizon;
  const std::int64_t count = windows.part(split).size();
  const std::int64_t begin = windows.first_forecast_row(split, 0);
  const std::int64_t end = windows.first_forecast_row(split, count - 1) + horizon;
  draw::Series truth{.name = windows.series.columns[windows.target], .y = {}};
  draw::Series forecast{.name = "forecast", .y = {}, .dashed = true};
  std::string table = "row,value,forecast\n";
  const std::int64_t first = std::max(begin, end - most_drawn_rows);
  std::int64_t covered = first;  // rows before it have their forecast
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = windows.first_forecast_row(split, i);
    if (row < covered) continue;
    covered = row + horizon;
    for (std::int64_t k = 0; k < horizon; ++k) {
      const double value = windows.series.at(row + k, windows.target);
      const double found = windows.restored(forecasts[static_cast<std::size_t>(i * horizon + k)]);
      forecast.x.push_back(static_cast<double>(row + k));
      forecast.y.push_back(found);
      table += fmt::format("{},{},{}\n", row + k, value, found);
    }
  }
  for (std::int64_t row = first; row < end; ++row) {
    truth.x.push_back(static_cast<double>(row));
    truth.y.push_back(windows.series.at(row, windows.target));
  }
  const draw::Chart chart{.title = fmt::format("{} rows ahead, {} rows", horizon, name_of(split)),
                          .x_label = "row",
                          .y_label = truth.name,
                          .series = {truth, forecast}};
  write_file(folder / "forecast.svg",
             draw::svg(std::span(&chart, 1), {.title = title, .columns = 1, .panel_width = 960, .panel_height = 420}));
  write_file(folder / "forecast.csv", table);
}

}  // namespace narae
