#include "narae/data/series.h"

#include <cmath>

#include "gtest/gtest.h"
#include "narae/data/catalog.h"
#include "narae/data/synth_text.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/real_data.h"

namespace narae {
namespace {

using namespace testing_files;

Series ramp(int rows) {
  Series series{.name = "ramp", .columns = {"value"}, .values = {}};
  for (int i = 0; i < rows; ++i) series.values.push_back(i);
  return series;
}

TEST(Series, ReadsColumnsOfNumbers) {
  const Series series = parse_series("date,\"a\",b\r\n2020-01-01,1, 2.5\n2020-01-02,-3e1,+4\n", "s.csv");
  EXPECT_EQ(series.columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(series.values, (std::vector<double>{1, 2.5, -30, 4}));
  EXPECT_EQ(series.rows(), 2);
  EXPECT_EQ(parse_series("1,2\n3,4", "s").columns, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(column_of(series, "b"), 1U);
  EXPECT_EQ(column_of(series, "0"), 0U);
  EXPECT_TRUE(contains(error_of([&] { (void)column_of(series, "c"); }), "there are: a, b"));
  EXPECT_EQ(with_columns(series, {"b"}).values, (std::vector<double>{2.5, 4}));
}

TEST(Series, SaysWhatIsWrong) {
  const auto message = [](const std::string& csv) { return error_of([&] { (void)parse_series(csv, "s.csv"); }); };
  EXPECT_TRUE(contains(message("t,x\na,1\nb,\n"), "s.csv:3: column 'x' holds ''"));
  EXPECT_TRUE(contains(message("1\ninf\n"), "s.csv:2: column '0' holds 'inf'"));
  EXPECT_TRUE(contains(message("1,2\n1\n"), "s.csv:2: 1 columns, but the first row has 2"));
  EXPECT_TRUE(contains(message("a,b\nc,d\n"), "s.csv:2: no column holds a number"));
  EXPECT_TRUE(contains(message(""), "no row of numbers"));
}

TEST(Forecast, PartsFollowEachOther) {
  const ForecastWindows windows =
      forecast_windows(ramp(100), {.window = 4, .horizon = 2, .validation_fraction = 0.2, .test_fraction = 0.3});
  EXPECT_EQ(windows.train.size(), 50 - 4 - 2 + 1);
  EXPECT_EQ(windows.validation.size(), 20 - 2 + 1);
  EXPECT_EQ(windows.test.size(), 30 - 2 + 1);
  EXPECT_EQ(windows.mean, (std::vector<double>{24.5}));
  EXPECT_NEAR(windows.stddev[0], std::sqrt((50.0 * 50 - 1) / 12), 1e-9);
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    for (const std::int64_t i : {std::int64_t{0}, windows.part(split).size() - 1}) {
      const Array input = read_field(windows.part(split), "image", i, i + 1);
      const Array label = read_field(windows.part(split), "label", i, i + 1);
      EXPECT_EQ(input.shape, (Shape{1, 4, 1}));
      const auto row = static_cast<double>(windows.first_forecast_row(split, i));
      EXPECT_NEAR(windows.restored(static_cast<double>(input.values<float>()[0])), row - 4, 1e-4);
      EXPECT_NEAR(windows.restored(static_cast<double>(input.values<float>()[3])), row - 1, 1e-4);
      EXPECT_NEAR(windows.restored(static_cast<double>(label.values<float>()[0])), row, 1e-4);
      EXPECT_NEAR(windows.restored(static_cast<double>(label.values<float>()[1])), row + 1, 1e-4);
    }
  }
  EXPECT_EQ(windows.first_forecast_row(Split::train, 0), 4);
  EXPECT_EQ(windows.first_forecast_row(Split::validation, 0), 50);
  EXPECT_EQ(windows.first_forecast_row(Split::test, windows.test.size() - 1), 98);
}

TEST(Forecast, SeveralColumnsAndAStride) {
  Series series = ramp(60);
  series.columns = {"a", "b"};  // 30 rows: a is even, b is odd
  const ForecastWindows windows =
      forecast_windows(series, {.target = "a", .window = 3, .stride = 5, .validation_fraction = 0, .test_fraction = 0});
  EXPECT_EQ(windows.train.size(), 6);  // rows 3, 8, ... 28
  EXPECT_EQ(windows.validation.size(), 0);
  EXPECT_EQ(windows.train.fields[0].shape, (Shape{3, 2}));
  const Array label = read_field(windows.train, "label", 1, 2);
  EXPECT_NEAR(windows.restored(static_cast<double>(label.values<float>()[0])), 16, 1e-4);
  EXPECT_EQ(forecast_windows(series, {.window = 3}).target, 1U);
}

TEST(Forecast, BaselinesInTheSeriesUnits) {
  const ForecastOptions options{.window = 4, .horizon = 2, .validation_fraction = 0.2, .test_fraction = 0.3};
  const ForecastWindows windows = forecast_windows(ramp(100), options);
  const ForecastErrors naive = naive_errors(windows, Split::test);  // off by 1 and by 2
  EXPECT_DOUBLE_EQ(naive.mae, 1.5);
  EXPECT_DOUBLE_EQ(naive.mse, 2.5);
  EXPECT_DOUBLE_EQ(seasonal_naive_errors(windows, Split::test, 7).mae, 7);
  EXPECT_DOUBLE_EQ(seasonal_naive_errors(windows, Split::test, 1).mae, 1.5);
  EXPECT_THROW((void)seasonal_naive_errors(windows, Split::train, 5), Error);
  Series season = ramp(100);
  for (std::size_t i = 0; i < 100; ++i) season.values[i] = static_cast<double>(i % 5);
  EXPECT_DOUBLE_EQ(seasonal_naive_errors(forecast_windows(season, options), Split::test, 5).mse, 0);
}

TEST(Forecast, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(contains(error_of([] { (void)forecast_windows(ramp(20), {.window = 30}); }), "leave no train window"));
  EXPECT_TRUE(contains(error_of([] { (void)forecast_windows(ramp(40), {.window = 3, .horizon = 6}); }),
                       "leave no validation window"));
  EXPECT_THROW((void)forecast_windows(ramp(20), {.window = 0}), UsageError);
  EXPECT_THROW((void)forecast_windows(ramp(20), {.validation_fraction = 0.5, .test_fraction = 0.5}), UsageError);
  EXPECT_THROW((void)forecast_windows(ramp(20), {.target = "x"}), UsageError);
  const ForecastWindows constant = forecast_windows(parse_series("5\n5\n5\n5\n5\n5\n", "c"),
                                                    {.window = 2, .validation_fraction = 0, .test_fraction = 0});
  EXPECT_EQ(constant.stddev[0], 1) << "a constant column is not divided by 0";
}

TEST(SynthSeries, HasTheDeclaredParts) {
  const Series quiet = synth_series({.rows = 480, .period = 24, .noise = 0});
  for (std::int64_t t = 24; t < 480; ++t) {  // the same a season later, but for the trend
    EXPECT_NEAR(quiet.at(t, 0) - quiet.at(t - 24, 0), 2.0 * 24 / 480, 1e-9);
  }
  EXPECT_EQ(synth_series({}, 3).values, synth_series({}, 3).values);
  EXPECT_NE(synth_series({}, 3).values, synth_series({}, 4).values);
  const Series loud = synth_series({.rows = 480, .period = 24, .noise = 0.5});
  double squares = 0;
  for (std::int64_t t = 0; t < 480; ++t) squares += std::pow(loud.at(t, 0) - quiet.at(t, 0), 2) / 480;
  EXPECT_NEAR(std::sqrt(squares), 0.5, 0.15);
  EXPECT_THROW((void)synth_series({.rows = 5}), Error);
  EXPECT_THROW((void)synth_series({.period = 1}), Error);
}

TEST(SeriesRealData, Rows) {
  const auto folder = real_data("time-series");
  if (!folder) GTEST_SKIP() << "set NARAE_DATA to check time-series";
  const std::pair<const char*, std::int64_t> expected[] = {{"ETTh1.csv.gz", 17420},
                                                           {"airline-passengers.csv", 144},
                                                           {"daily-min-temperatures.csv", 3650},
                                                           {"monthly-sunspots.csv", 2820},
                                                           {"shampoo.csv", 36}};
  for (const auto& [file, rows] : expected) {
    EXPECT_EQ(open_series(std::string("time-series/") + file).rows(), rows) << file;
    EXPECT_EQ(data_kind(std::string("time-series/") + file), DataKind::series) << file;
  }
  const Series transformer = open_series("time-series/ETTh1.csv.gz");
  EXPECT_EQ(transformer.columns.size(), 7U);
  EXPECT_EQ(transformer.columns.back(), "OT");
  EXPECT_TRUE(contains(error_of([] { (void)open_series("time-series"); }), "shampoo.csv"));
}

}  // namespace
}  // namespace narae
