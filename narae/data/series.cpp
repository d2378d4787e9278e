#include "narae/data/series.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "narae/core/error.h"
#include "narae/text/corpus.h"
#include "narae/text/table.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using Fields = std::vector<std::string>;

std::optional<double> number_in(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '+')) text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Takes rows one by one.
class SeriesReader {
 public:
  explicit SeriesReader(const std::string& name) : name_(name) {}

  void take(const Fields& fields, std::size_t line) {
    const auto is_number = [](const std::string& field) { return number_in(field).has_value(); };
    if (width_ == 0) {
      width_ = fields.size();
      if (std::none_of(fields.begin(), fields.end(), is_number)) {
        header_ = fields;
        return;
      }
    }
    const std::string where = name_ + ":" + std::to_string(line);
    if (fields.size() != width_) {
      throw Error(where + ": " + std::to_string(fields.size()) + " columns, but the first row has " +
                  std::to_string(width_));
    }
    if (taken_.empty()) choose_columns(fields, where);
    for (const std::size_t column : taken_) {
      const auto value = number_in(fields[column]);
      if (!value) {
        throw Error(where + ": column '" + column_name(column) + "' holds '" + fields[column] +
                    "', which is no finite number; mend or leave out the row");
      }
      series_.values.push_back(*value);
    }
  }

  [[nodiscard]] Series finish() {
    if (taken_.empty()) throw Error(name_ + ": no row of numbers; expected is a CSV file with a number in each row");
    return std::move(series_);
  }

 private:
  void choose_columns(const Fields& fields, const std::string& where) {
    for (std::size_t column = 0; column < fields.size(); ++column) {
      if (!number_in(fields[column])) continue;
      taken_.push_back(column);
      series_.columns.push_back(column_name(column));
    }
    if (taken_.empty()) throw Error(where + ": no column holds a number");
  }

  [[nodiscard]] std::string column_name(std::size_t column) const {
    return header_.empty() || header_[column].empty() ? std::to_string(column) : header_[column];
  }

  const std::string& name_;
  std::size_t width_ = 0;
  Fields header_;
  std::vector<std::size_t> taken_;
  Series series_;
};

bool is_csv(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".csv") || name.ends_with(".csv.gz");
}

// Besides its numbers, a series has a date at most; tables of texts have more words.
bool begins_like_series(const fs::path& path) try {
  const std::string beginning = text::read_beginning(path);
  std::size_t others = 0;
  text::for_each_row(beginning, text::TableFormat::csv, path.string(), [&](const Fields& fields, std::size_t) {
    others = static_cast<std::size_t>(
        std::count_if(fields.begin(), fields.end(), [](const std::string& field) { return !number_in(field); }));
  });
  return others <= 1 && !parse_series(beginning, path.string()).columns.empty();
} catch (const Error&) {
  return false;
}

// Rows [begin, end) of the three parts.
struct Borders {
  std::int64_t validation;
  std::int64_t test;
  std::int64_t end;
};

Borders borders_of(const Series& series, const ForecastOptions& options) {
  const auto share = [&](double fraction) { return std::llround(fraction * static_cast<double>(series.rows())); };
  const std::int64_t test = series.rows() - share(options.test_fraction);
  return {test - share(options.validation_fraction), test, series.rows()};
}

void check(const ForecastOptions& options) {
  if (options.window < 1 || options.horizon < 1 || options.stride < 1) {
    throw UsageError("forecast: a window of " + std::to_string(options.window) + ", a horizon of " +
                     std::to_string(options.horizon) + " and a stride of " + std::to_string(options.stride) +
                     "; at least 1 each");
  }
  const bool shares = options.validation_fraction >= 0 && options.test_fraction >= 0 &&
                      options.validation_fraction + options.test_fraction < 1;
  if (!shares) {
    throw UsageError("forecast: shares of " + std::to_string(options.validation_fraction) + " and " +
                     std::to_string(options.test_fraction) +
                     " for validation and test; they are at least 0 and below 1 together");
  }
}

// Mean and deviation of each column over the training rows.
void measure(ForecastWindows& windows, std::int64_t rows) {
  const std::size_t columns = windows.series.columns.size();
  windows.mean.assign(columns, 0);
  windows.stddev.assign(columns, 1);
  for (std::size_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += windows.series.at(r, c);
    const double mean = sum / static_cast<double>(rows);
    double squares = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      squares += (windows.series.at(r, c) - mean) * (windows.series.at(r, c) - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(rows));
    windows.mean[c] = mean;
    if (deviation > 0) windows.stddev[c] = deviation;
  }
}

using Values = std::shared_ptr<const std::vector<float>>;  // (rows, columns), standardised

Values standardised(const ForecastWindows& windows) {
  const std::size_t columns = windows.series.columns.size();
  std::vector<float> values(windows.series.values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] =
        static_cast<float>((windows.series.values[i] - windows.mean[i % columns]) / windows.stddev[i % columns]);
  }
  return std::make_shared<const std::vector<float>>(std::move(values));
}

// The windows whose labels lie in rows [begin, end).
Dataset windows_in(const ForecastWindows& windows, const Values& values, std::int64_t begin, std::int64_t end) {
  const ForecastOptions& options = windows.options;
  const auto columns = std::ssize(windows.series.columns);
  const std::int64_t room = end - options.horizon - begin;
  const std::int64_t count = room < 0 ? 0 : room / options.stride + 1;
  return generated(
      windows.series.name, {{"image", DType::f32, {options.window, columns}}, {"label", DType::f32, {options.horizon}}},
      count, [values, begin, columns, options, target = windows.target](std::int64_t i, std::span<const Slot> out) {
        const std::int64_t row = begin + i * options.stride;
        const auto input = out[0].values<float>();
        std::copy_n(values->begin() + (row - options.window) * columns, input.size(), input.begin());
        const auto label = out[1].values<float>();
        for (std::int64_t h = 0; h < options.horizon; ++h) {
          label[static_cast<std::size_t>(h)] = (*values)[static_cast<std::size_t>((row + h) * columns) + target];
        }
      });
}

void require_windows(const ForecastWindows& windows, Split split, bool wanted) {
  if (!wanted || windows.part(split).size() > 0) return;
  throw Error("series " + windows.series.name + ": its " + std::to_string(windows.series.rows()) + " rows leave no " +
              std::string(name_of(split)) + " window of " + std::to_string(windows.options.window) + " rows and " +
              std::to_string(windows.options.horizon) + " to forecast; choose smaller ones");
}

// Mean errors when the value of row t + h is forecast, from what is known before row t, as that of row forecast(t, h).
template <class F>
ForecastErrors errors_of(const ForecastWindows& windows, Split split, const F& forecast) {
  ForecastErrors errors;
  const std::int64_t count = windows.part(split).size();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t t = windows.first_forecast_row(split, i);
    for (std::int64_t h = 0; h < windows.options.horizon; ++h) {
      const double error = windows.series.at(forecast(t, h), windows.target) - windows.series.at(t + h, windows.target);
      errors.mae += std::abs(error);
      errors.mse += error * error;
    }
  }
  const auto all = static_cast<double>(count * windows.options.horizon);
  if (count > 0) errors = {errors.mae / all, errors.mse / all};
  return errors;
}

}  // namespace

Series parse_series(std::string_view csv, const std::string& name) {
  SeriesReader reader(name);
  text::for_each_row(csv, text::TableFormat::csv, name,
                     [&](const Fields& fields, std::size_t line) { reader.take(fields, line); });
  return reader.finish();
}

Series read_series(const std::string& path) {
  Series series = parse_series(text::read_text_file(path), path);
  series.name = text::set_name(path);
  return series;
}

bool holds_series(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return is_csv(path) && begins_like_series(path);
  fs::path first;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().extension() == ".txt" || entry.path().filename().string().starts_with('.')) continue;
    if (!is_csv(entry.path())) return false;
    if (first.empty() || entry.path() < first) first = entry.path();
  }
  return !first.empty() && begins_like_series(first);
}

std::size_t column_of(const Series& series, const std::string& column) {
  for (std::size_t c = 0; c < series.columns.size(); ++c)
    if (series.columns[c] == column) return c;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(column.data(), column.data() + column.size(), number);
  if (error == std::errc{} && end == column.data() + column.size() && number < series.columns.size()) return number;
  std::string known;
  for (const std::string& name : series.columns) known += (known.empty() ? "" : ", ") + name;
  throw UsageError("series " + series.name + ": no column '" + column + "' (there are: " + known + ")" +
                   did_you_mean(column, series.columns));
}

Series with_columns(const Series& series, const std::vector<std::string>& columns) {
  if (columns.empty()) return series;
  Series result{.name = series.name, .columns = {}, .values = {}};
  std::vector<std::size_t> taken;
  for (const std::string& column : columns) {
    taken.push_back(column_of(series, column));
    result.columns.push_back(series.columns[taken.back()]);
  }
  for (std::int64_t r = 0; r < series.rows(); ++r)
    for (const std::size_t c : taken) result.values.push_back(series.at(r, c));
  return result;
}

std::int64_t ForecastWindows::first_forecast_row(Split split, std::int64_t i) const {
  const Borders borders = borders_of(series, options);
  const std::int64_t begin = split == Split::train ? 0 : split == Split::validation ? borders.validation : borders.test;
  return std::max(begin, options.window) + i * options.stride;
}

ForecastWindows forecast_windows(Series series, const ForecastOptions& options) {
  check(options);
  if (series.columns.empty()) throw Error("series " + series.name + " has no columns");
  ForecastWindows windows{.series = std::move(series),
                          .options = options,
                          .target = 0,
                          .mean = {},
                          .stddev = {},
                          .train = {},
                          .validation = {},
                          .test = {}};
  windows.target =
      options.target.empty() ? windows.series.columns.size() - 1 : column_of(windows.series, options.target);
  const Borders borders = borders_of(windows.series, options);
  measure(windows, std::max<std::int64_t>(1, borders.validation));
  const Values values = standardised(windows);
  const auto open = [&](Split split, std::int64_t end) {
    return windows_in(windows, values, windows.first_forecast_row(split, 0), end);
  };
  windows.train = open(Split::train, borders.validation);
  windows.validation = open(Split::validation, borders.test);
  windows.test = open(Split::test, borders.end);
  require_windows(windows, Split::train, true);
  require_windows(windows, Split::validation, options.validation_fraction > 0);
  require_windows(windows, Split::test, options.test_fraction > 0);
  return windows;
}

ForecastErrors naive_errors(const ForecastWindows& windows, Split split) {
  return errors_of(windows, split, [](std::int64_t t, std::int64_t) { return t - 1; });
}

ForecastErrors seasonal_naive_errors(const ForecastWindows& windows, Split split, std::int64_t season) {
  const std::int64_t known = windows.first_forecast_row(split, 0);
  if (season < 1 || season > known) {
    throw Error("series " + windows.series.name + ": a season of " + std::to_string(season) +
                " rows can't be looked back on from row " + std::to_string(known) + ", the first to be forecast");
  }
  return errors_of(windows, split, [&](std::int64_t t, std::int64_t h) { return t + h - (h / season + 1) * season; });
}

}  // namespace narae
