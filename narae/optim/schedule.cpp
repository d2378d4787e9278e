#include "narae/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>

#include "narae/core/error.h"

namespace narae::optim {
namespace {

void require(bool good, const std::string& message) {
  if (!good) throw Error("schedule: " + message);
}

// From `from` at 0 to `to` at 1 by half a cosine.
double cosine_between(double from, double to, double fraction) {
  return to + (from - to) * 0.5 * (1.0 + std::cos(std::numbers::pi * fraction));
}

double linear_between(double from, double to, double fraction) {
  return from + (to - from) * fraction;
}

// Finite, so that a saved state survives text formats.
double worst(Mode mode) {
  return mode == Mode::min ? std::numeric_limits<double>::max() : std::numeric_limits<double>::lowest();
}

double number_of(const NamedNumbers& state, std::string_view name, const char* what) {
  for (const auto& [key, value] : state)
    if (key == name) return value;
  throw Error(std::string(what) + ": the saved state has no '" + std::string(name) + "'");
}

}  // namespace

Schedule Schedule::constant(double lr) {
  return Schedule([lr](std::int64_t) { return lr; });
}

Schedule Schedule::step(double lr, const StepDecay& options) {
  require(options.every >= 1, "steps between decays must be at least 1, not " + std::to_string(options.every));
  return Schedule([=](std::int64_t step) { return lr * std::pow(options.gamma, step / options.every); });
}

Schedule Schedule::multi_step(double lr, const MultiStepDecay& options) {
  MultiStepDecay sorted = options;
  std::sort(sorted.milestones.begin(), sorted.milestones.end());
  return Schedule([lr, sorted](std::int64_t step) {
    const auto reached = std::upper_bound(sorted.milestones.begin(), sorted.milestones.end(), step);
    return lr * std::pow(sorted.gamma, reached - sorted.milestones.begin());
  });
}

Schedule Schedule::exponential(double lr, double gamma) {
  return Schedule([=](std::int64_t step) { return lr * std::pow(gamma, step); });
}

Schedule Schedule::cosine(double lr, const CosineDecay& options) {
  require(options.steps >= 1, "a cosine needs at least 1 step, not " + std::to_string(options.steps));
  return Schedule([=](std::int64_t step) {
    const double fraction = static_cast<double>(std::min(step, options.steps)) / static_cast<double>(options.steps);
    return cosine_between(lr, options.minimum, fraction);
  });
}

Schedule Schedule::warmup(std::int64_t warmup, const Schedule& after, std::int64_t first) {
  require(warmup >= 0, "a warm-up can't have " + std::to_string(warmup) + " steps");
  return Schedule([=](std::int64_t step) {
    if (step >= warmup) return after(step - warmup);
    return after(0) * static_cast<double>(step + first) / static_cast<double>(warmup);
  });
}

Schedule Schedule::warmup_cosine(double lr, const WarmupCosine& options) {
  require(options.steps > options.warmup,
          "a warm-up of " + std::to_string(options.warmup) + " steps leaves none of " + std::to_string(options.steps));
  const Schedule after = cosine(lr, {.steps = options.steps - options.warmup, .minimum = options.minimum});
  return warmup(options.warmup, after, options.first);
}

Schedule Schedule::inverse_sqrt(double lr, std::int64_t warmup) {
  require(warmup >= 1, "an inverse square root needs a warm-up of at least 1 step, not " + std::to_string(warmup));
  return Schedule([=](std::int64_t step) {
    const auto number = static_cast<double>(step + 1);
    const auto peak = static_cast<double>(warmup);
    return lr * std::min(std::sqrt(peak / number), number / peak);
  });
}

Schedule Schedule::one_cycle(double highest, const OneCycle& options) {
  require(options.steps >= 2, "one cycle needs at least 2 steps, not " + std::to_string(options.steps));
  require(options.warm_fraction > 0 && options.warm_fraction < 1, "the warm fraction must be between 0 and 1");
  const double first = highest / options.div_factor;
  const double last = first / options.final_div_factor;
  const double peak = options.warm_fraction * static_cast<double>(options.steps) - 1;
  const auto end = static_cast<double>(options.steps - 1);
  const auto between = options.linear ? linear_between : cosine_between;
  return Schedule([=](std::int64_t step) {
    const double at = std::min(static_cast<double>(step), end);
    if (at <= peak) return between(first, highest, peak > 0 ? at / peak : 1.0);
    return between(highest, last, (at - peak) / (end - peak));
  });
}

ReduceOnPlateau::ReduceOnPlateau(double lr, const PlateauOptions& options)
    : options_(options), lr_(lr), best_(worst(options.mode)) {
  require(options.factor > 0 && options.factor < 1, "the factor of a reduction must be between 0 and 1");
}

double ReduceOnPlateau::report(double metric) {
  const double sign = options_.mode == Mode::min ? -1.0 : 1.0;
  const double bar = options_.threshold_mode == ThresholdMode::relative ? best_ * (1.0 + sign * options_.threshold)
                                                                        : best_ + sign * options_.threshold;
  if (options_.mode == Mode::min ? metric < bar : metric > bar) {
    best_ = metric;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooling_ > 0) {
    --cooling_;
    bad_ = 0;
  }
  if (bad_ > options_.patience) {
    const double next = std::max(lr_ * options_.factor, options_.minimum);
    if (lr_ - next > options_.eps) lr_ = next;
    cooling_ = options_.cooldown;
    bad_ = 0;
  }
  return lr_;
}

NamedNumbers ReduceOnPlateau::state() const {
  return {{"lr", lr_}, {"best", best_}, {"bad", static_cast<double>(bad_)}, {"cooling", static_cast<double>(cooling_)}};
}

void ReduceOnPlateau::load_state(const NamedNumbers& state) {
  constexpr const char* what = "reduce on plateau";
  const double lr = number_of(state, "lr", what);
  const double best = number_of(state, "best", what);
  const double bad = number_of(state, "bad", what);
  cooling_ = static_cast<std::int64_t>(number_of(state, "cooling", what));
  bad_ = static_cast<std::int64_t>(bad);
  best_ = best;
  lr_ = lr;
}

EarlyStopping::EarlyStopping(const EarlyStoppingOptions& options) : options_(options), best_(worst(options.mode)) {
  if (options.patience < 1) throw Error("early stopping: the patience must be at least 1");
}

bool EarlyStopping::report(double metric) {
  const bool better =
      options_.mode == Mode::min ? metric < best_ - options_.min_delta : metric > best_ + options_.min_delta;
  bad_ = better ? 0 : bad_ + 1;
  if (better) best_ = metric;
  return better;
}

NamedNumbers EarlyStopping::state() const {
  return {{"best", best_}, {"bad", static_cast<double>(bad_)}};
}

void EarlyStopping::load_state(const NamedNumbers& state) {
  const double best = number_of(state, "best", "early stopping");
  bad_ = static_cast<std::int64_t>(number_of(state, "bad", "early stopping"));
  best_ = best;
}

}  // namespace narae::optim
