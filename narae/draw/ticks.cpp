#include "narae/draw/ticks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"

namespace narae::draw {
namespace {

// "1e-05" -> "1e-5"
std::string short_exponent(std::string text) {
  const std::size_t e = text.find('e');
  if (e != std::string::npos && e + 2 < text.size() && text[e + 2] == '0') text.erase(e + 2, 1);
  return text;
}

// Labels of one axis have as many decimals as its step needs: 0.80, 0.85, 0.90.
std::string tick_label(double value, double step, double largest) {
  if (std::abs(value) < 1e-6 * step) return "0";
  const bool plain = largest >= 1e-3 && largest < 1e15;
  const double unit = largest >= 1e9 ? 1e9 : largest >= 1e6 ? 1e6 : largest >= 1e4 ? 1e3 : 1;
  const char* suffix = largest >= 1e9 ? "G" : largest >= 1e6 ? "M" : largest >= 1e4 ? "k" : "";
  const int decimals = std::max(0, -static_cast<int>(std::floor(std::log10(step / unit) + 1e-9)));
  if (plain && decimals <= 6) return fmt::format("{:.{}f}{}", value / unit, decimals, suffix);
  const int digits = std::clamp(static_cast<int>(std::ceil(std::log10(largest / step))) + 1, 1, 15);
  return short_exponent(fmt::format("{:.{}g}", value, digits));
}

}  // namespace

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (!std::isfinite(value) || size < 1e-3 || size >= 1e15) return short_exponent(fmt::format("{:.3g}", value));
  if (size >= 1e9) return fmt::format("{:.4g}G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

std::vector<Tick> linear_ticks(double low, double high, int target, double smallest_step) {
  const double range = high - low;
  if (!std::isfinite(range) || !(range > 0)) throw Error(fmt::format("ticks: no axis goes from {} to {}", low, high));
  const double rough = range / std::max(target, 1);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double multiple = rough / power;
  double step = power * (multiple < 1.5 ? 1 : multiple < 3.5 ? 2 : multiple < 7.5 ? 5 : 10);
  step = std::max(step, smallest_step);
  const double slack = 1e-9 * range;
  std::vector<Tick> ticks;
  // A step lost to rounding (an axis from 1e15 to 1e15 + 1, say) must not loop for ever.
  const auto most = static_cast<int>(range / step) + 2;
  const double first = std::ceil((low - slack) / step);
  for (int i = 0; i <= most; ++i) {
    const double value = (first + i) * step;
    if (value > high + slack) break;
    if (value < low - slack) continue;
    ticks.push_back({value, tick_label(value, step, std::max(std::abs(low), std::abs(high)))});
  }
  return ticks;
}

std::vector<Tick> log_ticks(double low, double high, int target) {
  if (!(low > 0) || !(high > low) || !std::isfinite(high))
    throw Error(fmt::format("ticks: no logarithmic axis goes from {} to {}", low, high));
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const int decades = std::max(1, last - first - 1);  // the outermost two powers lie outside as a rule
  const int every = (decades + std::max(target, 1) - 1) / std::max(target, 1);
  const bool label_between = std::log10(high / low) < 2.0;
  std::vector<Tick> ticks;
  for (int decade = first; decade <= last; ++decade) {
    for (const int multiple : {1, 2, 5}) {
      if (multiple > 1 && decades > target) continue;
      const double value = multiple * std::pow(10.0, decade);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      const bool labelled = multiple == 1 ? (decade - first) % every == 0 : label_between;
      ticks.push_back({value, labelled ? short_number(value) : ""});
    }
  }
  const auto labels = std::count_if(ticks.begin(), ticks.end(), [](const Tick& tick) { return !tick.label.empty(); });
  return labels < 2 ? linear_ticks(low, high, target) : ticks;
}

}  // namespace narae::draw
