#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/dataset.h"

namespace narae {

/// Numbers at equal steps of time, one column or several.
struct Series {
  std::string name;
  std::vector<std::string> columns;
  std::vector<double> values;  ///< (rows, columns), row-major, in the file's units

  [[nodiscard]] std::int64_t rows() const {
    return columns.empty() ? 0 : static_cast<std::int64_t>(values.size() / columns.size());
  }
  [[nodiscard]] double at(std::int64_t row, std::size_t column) const {
    return values[static_cast<std::size_t>(row) * columns.size() + column];
  }
};

/// Reads a CSV file of numbers, plain or gzip. A first row that holds no number at all is a header; without one the
/// columns are called 0, 1, ... Columns whose first value is no number (dates) are left out. Throws Error naming file,
/// line and column for a missing or infinite value, a row of another width, and a file without numbers.
[[nodiscard]] NARAE_API Series read_series(const std::string& path);
/// The same for a text in memory; `name` is for messages.
[[nodiscard]] NARAE_API Series parse_series(std::string_view csv, const std::string& name);
/// Whether the path is a CSV file, or a folder with such files only, whose first one begins like a series.
[[nodiscard]] NARAE_API bool holds_series(const std::string& path);

/// The column of this name or number (from 0). Throws UsageError listing the columns for any other.
[[nodiscard]] NARAE_API std::size_t column_of(const Series& series, const std::string& column);
/// The series with these columns alone, in this order; all of them when there are none.
[[nodiscard]] NARAE_API Series with_columns(const Series& series, const std::vector<std::string>& columns);

struct ForecastOptions {
  std::string target = {};           ///< the column to forecast, by name or number; empty: the last one
  std::int64_t window = 24;          ///< rows that are seen
  std::int64_t horizon = 1;          ///< rows ahead that are forecast
  std::int64_t stride = 1;           ///< rows from one window to the next
  double validation_fraction = 0.1;  ///< of the rows, before the test rows
  double test_fraction = 0.2;        ///< of the rows, the last ones
};

/// Mean errors of a forecast over all windows and all steps of the horizon, in the series' units.
struct ForecastErrors {
  double mae = 0;
  double mse = 0;
};

/// Windows of a series: the training rows come first, then the validation rows, then the test rows.
///
/// Datasets: image f32 (window, columns), the rows before; label f32 (horizon), the target column in the rows that
/// follow. Both are standardised by mean and deviation of the *training* rows. The labels of a part lie in its rows
/// alone; its first windows look back into the part before.
struct ForecastWindows {
  Series series;
  ForecastOptions options;
  std::size_t target = 0;      ///< the column
  std::vector<double> mean;    ///< of each column, over the training rows
  std::vector<double> stddev;  ///< 1 for a column that is constant there
  Dataset train;
  Dataset validation;
  Dataset test;

  [[nodiscard]] const Dataset& part(Split split) const {
    return split == Split::train ? train : split == Split::validation ? validation : test;
  }
  /// The row that follows window i of a part: the first one to be forecast.
  [[nodiscard]] NARAE_API std::int64_t first_forecast_row(Split split, std::int64_t i) const;
  /// A standardised value of the target column in the series' units.
  [[nodiscard]] double restored(double value) const { return value * stddev[target] + mean[target]; }
};

/// Throws Error naming rows and options when a part has no window, and UsageError for options out of range. An empty
/// validation part is one with validation_fraction 0.
[[nodiscard]] NARAE_API ForecastWindows forecast_windows(Series series, const ForecastOptions& options = {});

/// Errors of the forecast that everything stays as in the last row seen.
[[nodiscard]] NARAE_API ForecastErrors naive_errors(const ForecastWindows& windows, Split split);
/// Errors of the forecast that each step is as it was `season` rows (or the next multiple, as far as rows are known at
/// the window's end) before. Throws Error when the series has no such rows before the first window's end.
[[nodiscard]] NARAE_API ForecastErrors seasonal_naive_errors(const ForecastWindows& windows, Split split,
                                                             std::int64_t season);

}  // namespace narae
