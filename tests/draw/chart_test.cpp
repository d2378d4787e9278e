#include "narae/draw/chart.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/ticks.h"

namespace narae::draw {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

// "" when every element is closed in order, every attribute is quoted and every & begins a known entity.
std::string fault_in(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < xml.size();) {
    if (xml[i] == '&') {
      const std::string entity = xml.substr(i, xml.find(';', i) - i + 1);
      if (entity != "&amp;" && entity != "&lt;" && entity != "&gt;" && entity != "&quot;" && entity != "&#39;")
        return "entity " + entity;
    }
    if (static_cast<unsigned char>(xml[i]) < 0x20 && xml[i] != '\n') return "a control character";
    if (xml[i] != '<') {
      ++i;
      continue;
    }
    const std::size_t end = xml.find('>', i);
    if (end == std::string::npos) return "an open tag";
    std::string tag = xml.substr(i + 1, end - i - 1);
    i = end + 1;
    if (tag.find('<') != std::string::npos || count(tag, "\"") % 2 != 0) return "tag " + tag;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "closing " + tag;
      open.pop_back();
      continue;
    }
    const bool closed = tag.back() == '/';
    std::size_t name_end = 0;
    while (name_end < tag.size() && std::isalpha(static_cast<unsigned char>(tag[name_end])) != 0) ++name_end;
    if (name_end == 0) return "tag " + tag;
    if (!closed) open.push_back(tag.substr(0, name_end));
    if (open.size() == 1 && open[0] != "svg") return "root " + open[0];
  }
  return open.empty() ? "" : "unclosed " + open.back();
}

std::string drawn(const Chart& chart, const SvgOptions& options = {}) {
  std::string result = svg({&chart, 1}, options);
  EXPECT_EQ(fault_in(result), "");
  EXPECT_EQ(count(result, "nan"), 0);
  EXPECT_EQ(count(result, "inf"), 0);
  return result;
}

TEST(Svg, ShowsTitlesAxesLegendAndEverySeries) {
  const Chart chart{.title = "Loss",
                    .x_label = "epoch",
                    .y_label = "cross entropy",
                    .series = {{.name = "train", .y = {1.0, 0.5, 0.25}},
                               {.name = "validation", .y = {1.1, 0.7, 0.6}, .dashed = true}}};
  const std::string text = drawn(chart, {.title = "lenet5"});
  for (const char* part : {">Loss<", ">epoch<", ">cross entropy<", ">train<", ">validation<", ">lenet5<", ">1<", ">2<",
                           ">3<", "#0072b2", "#d55e00"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  EXPECT_EQ(count(text, "<circle"), 6);
  EXPECT_EQ(count(text, "stroke-dasharray"), 2);  // the line and its entry in the legend
  EXPECT_EQ(count(text, "1.5<"), 0);              // epochs are whole
}

TEST(Svg, PanelsStandInRowsAndColumns) {
  const std::vector<Chart> charts(3, Chart{.title = "t", .series = {{.name = "s", .y = {1, 2}}}});
  const std::string wide = svg(charts, {.columns = 3, .panel_width = 300, .panel_height = 200});
  EXPECT_NE(wide.find("width=\"964\" height=\"232\""), std::string::npos) << wide.substr(0, 120);
  const std::string tall = svg(charts, {.columns = 1, .panel_width = 300, .panel_height = 200});
  EXPECT_NE(tall.find("width=\"332\" height=\"664\""), std::string::npos) << tall.substr(0, 120);
  EXPECT_EQ(fault_in(wide), "");
  EXPECT_EQ(fault_in(svg({})), "");
}

TEST(Svg, TextIsEscaped) {
  const std::string nasty = "<b>&\"'\x01\xFF</text><script>";
  const std::string text = drawn(
      {.title = nasty, .x_label = nasty, .y_label = nasty, .series = {{.name = nasty, .y = {1, 2}}}}, {.title = nasty});
  EXPECT_EQ(text.find("<script>"), std::string::npos);
  EXPECT_EQ(escape_xml("a<b & \"c\">'d'"), "a&lt;b &amp; &quot;c&quot;&gt;&#39;d&#39;");
  EXPECT_EQ(escape_xml("\xEA\xB0\x80\n\t"), "\xEA\xB0\x80\n\t");
  EXPECT_EQ(escape_xml(std::string_view("\0\xC3", 2)), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Svg, MarksStandAcrossThePlot) {
  const Chart chart{.series = {{.name = "s", .y = {1, 2, 3}, .x = {1, 10, 100}}},
                    .log_x = true,
                    .marks = {{.x = 10, .label = "here & now"}, {.x = 1000, .label = "beyond"}, {.x = -1}}};
  const std::string text = drawn(chart);
  EXPECT_EQ(count(text, "class=\"mark\""), 1);
  EXPECT_NE(text.find("here &amp; now"), std::string::npos);
  EXPECT_EQ(text.find("beyond"), std::string::npos);
  EXPECT_EQ(fault_in(text), "");
}

TEST(Svg, ALongLegendTakesSeveralLines) {
  Chart chart;
  for (int i = 0; i < 12; ++i) {
    chart.series.push_back({.name = "a run with a long name " + std::to_string(i), .y = {1.0 * i, 2.0 * i}});
  }
  const std::string text = drawn(chart);
  for (int i = 0; i < 12; ++i) EXPECT_NE(text.find(chart.series[static_cast<std::size_t>(i)].name), std::string::npos);
  EXPECT_EQ(fault_in(text), "");
  for (int i = 0; i < 200; ++i) chart.series.push_back(chart.series[0]);
  EXPECT_EQ(fault_in(drawn(chart)), "") << "more than the panel holds are left out";
}

TEST(Svg, WhatCannotBeShownLeavesAGap) {
  const auto lines = [](const Chart& chart) {
    return count(drawn(chart), "<path class=\"line\"") - 1;
  };  // less the legend
  EXPECT_EQ(lines({.series = {{.name = "s", .y = {1, 2, nan, 3, infinity, 4, 5}}}}), 3);
  EXPECT_EQ(lines({.series = {{.name = "s", .y = {1, 2, 0, 3, -1, 4}}}, .log_y = true}), 3);
  EXPECT_EQ(lines({.series = {{.name = "s", .y = {nan, nan}}}}), 0);
  EXPECT_NE(drawn({.series = {{.name = "s", .y = {nan}}}}).find("no data yet"), std::string::npos);
  EXPECT_NE(drawn({}).find("no data yet"), std::string::npos);
}

TEST(Svg, OddRangesStillGiveAPicture) {
  for (const std::vector<double>& y : {std::vector<double>{5},
                                       {0, 0},
                                       {-3, -3},
                                       {1e-300, 2e-300},
                                       {1e308, -1e308},
                                       {1e249, 1e-249},
                                       {-1e249, 1e249},
                                       {1.0, 1.0 + 1e-15},
                                       {1e15, 1e15 + 1}}) {
    drawn({.series = {{.name = "s", .y = y}}});
    drawn({.series = {{.name = "s", .y = y}}, .log_x = true, .log_y = true});
    drawn({.series = {{.name = "s", .y = y, .x = y}}});
  }
}

TEST(Svg, BoundsOfTheVerticalAxisAreKept) {
  const std::string text = drawn({.series = {{.name = "s", .y = {0.5, 40, 0.6}}}, .y_min = 0, .y_max = 1});
  EXPECT_NE(text.find(">0.8<"), std::string::npos);
  EXPECT_EQ(text.find(">40<"), std::string::npos);
  EXPECT_EQ(count(text, "<circle"), 2);
  EXPECT_THROW((void)drawn({.series = {}, .y_min = 2, .y_max = 1}), Error);
}

TEST(Svg, LongSeriesAreThinnedAndKeepTheirExtremes) {
  Series series{.name = "loss", .y = std::vector<double>(500000, 1.0)};
  series.y[123456] = 2.0;
  const std::string text = drawn({.series = {series}});
  EXPECT_LT(text.size(), 60000U);
  // Room of 5 % above the peak on a plot of 248 pixels: the peak is drawn 11.3 pixels below its top.
  EXPECT_NE(text.find(" 11.3L"), std::string::npos);
}

TEST(Svg, WrongUseIsNamed) {
  try {
    (void)drawn({.title = "Loss", .series = {{.name = "train", .y = {1, 2, 3}, .x = {1, 2}}}});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'train' has 2 x and 3 y values"), std::string::npos) << error.what();
  }
  EXPECT_THROW((void)svg({}, {.columns = 0}), Error);
  EXPECT_THROW((void)svg({}, {.panel_width = 10}), Error);
}

std::string labels_of(const std::vector<Tick>& ticks) {
  std::string result;
  for (const Tick& tick : ticks)
    result += (result.empty() ? "" : " ") + (tick.label.empty() ? std::string("-") : tick.label);
  return result;
}

TEST(Ticks, AreRoundNumbersWithinTheAxis) {
  EXPECT_EQ(labels_of(linear_ticks(0, 1, 5)), "0 0.2 0.4 0.6 0.8 1.0");
  EXPECT_EQ(labels_of(linear_ticks(-1, 1, 4)), "-1.0 -0.5 0 0.5 1.0");
  EXPECT_EQ(labels_of(linear_ticks(0.97, 0.992, 4)), "0.970 0.975 0.980 0.985 0.990");
  EXPECT_EQ(labels_of(linear_ticks(0, 60000, 6)), "0 10k 20k 30k 40k 50k 60k");
  EXPECT_EQ(labels_of(linear_ticks(1, 3, 8, 1)), "1 2 3");
  EXPECT_EQ(labels_of(linear_ticks(0, 2e-5, 2)), "0 1e-5 2e-5");
}

TEST(Ticks, OfALogarithmicAxis) {
  EXPECT_EQ(labels_of(log_ticks(0.001, 10, 5)), "0.001 - - 0.01 - - 0.1 - - 1 - - 10");
  EXPECT_EQ(labels_of(log_ticks(0.5, 5, 5)), "0.5 1 2 5");
  EXPECT_EQ(labels_of(log_ticks(0.31, 0.42, 3)), "0.35 0.40");
  EXPECT_LE(log_ticks(1e-300, 1e300, 5).size(), 700U);
}

TEST(Ticks, ImpossibleAxesThrow) {
  EXPECT_THROW((void)linear_ticks(1, 1, 5), Error);
  EXPECT_THROW((void)linear_ticks(0, nan, 5), Error);
  EXPECT_THROW((void)log_ticks(0, 1, 5), Error);
  EXPECT_THROW((void)log_ticks(1, infinity, 5), Error);
}

TEST(Ticks, NumbersForPeople) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(0.125), "0.125");
  EXPECT_EQ(short_number(250), "250");
  EXPECT_EQ(short_number(60000), "60k");
  EXPECT_EQ(short_number(-1.2e6), "-1.2M");
  EXPECT_EQ(short_number(3e-5), "3e-5");
}

}  // namespace
}  // namespace narae::draw
