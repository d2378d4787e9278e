#include "narae/train/range_test.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <system_error>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/switches.h"
#include "narae/draw/chart.h"
#include "narae/train/learner.h"
#include "narae/train/run_folder.h"
#include "narae/train/task_data.h"
#include "narae/train/trace.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

constexpr double explosion = 4;            // times the lowest loss
constexpr std::int64_t fewest_steps = 25;  // below, there is no curve to speak of
constexpr double least_fall = 0.02;        // of the first losses: less is nothing
constexpr double still_level = 2;          // deviations of a smoothed loss below the plateau

void require(const RangeTestOptions& o) {
  if (!(o.lowest > 0 && o.lowest < o.highest && std::isfinite(o.highest))) {
    throw UsageError(fmt::format("range test: rates from {} to {}; give 0 < lowest < highest", o.lowest, o.highest));
  }
  if (o.steps < fewest_steps) {
    throw UsageError(
        fmt::format("range test: {} steps are too few for a curve; give at least {}", o.steps, fewest_steps));
  }
}

// The recipe without what a range test replaces or has no use for.
Recipe bare(Recipe recipe) {
  recipe.train.schedule = {};
  recipe.train.ema = 0;
  return recipe;
}

// Steps to either side that are averaged, with weights that fall off linearly.
std::size_t reach_of(std::size_t points) {
  return std::max<std::size_t>(1, points / 20);
}

double smoothed_at(const std::vector<RangePoint>& points, std::size_t i) {
  const std::size_t reach = reach_of(points.size());
  const std::size_t begin = i > reach ? i - reach : 0;
  const std::size_t end = std::min(points.size(), i + reach + 1);
  double sum = 0;
  double weights = 0;
  for (std::size_t k = begin; k < end; ++k) {
    const auto distance = static_cast<double>(k > i ? k - i : i - k);
    const double weight = 1 - distance / static_cast<double>(reach + 1);
    sum += weight * points[k].loss;
    weights += weight;
  }
  return sum / weights;
}

// The loss while the rates are too low to matter.
struct Plateau {
  double level = 0;
  double deviation = 0;   // of a smoothed loss, for nothing but the choice of batches
  double clear_fall = 0;  // what a hundred smoothed losses hardly differ by
};

// Measured on the first fifth of the points, at least ten. Neighbours differ by the noise of two batches, also on a
// slope.
Plateau first_plateau(const std::vector<RangePoint>& points) {
  const std::size_t count = std::min(points.size(), std::max<std::size_t>(10, points.size() / 5));
  double sum = points[0].loss;
  double squares = 0;
  for (std::size_t i = 1; i < count; ++i) {
    sum += points[i].loss;
    squares += std::pow(points[i].loss - points[i - 1].loss, 2);
  }
  const double noise = count > 1 ? std::sqrt(squares / static_cast<double>(2 * (count - 1))) : 0;
  // What the weighted mean over the neighbours leaves of it.
  const auto reach = static_cast<double>(reach_of(points.size()));
  double weights = 1;
  double weight_squares = 1;
  for (double distance = 1; distance <= reach; ++distance) {
    const double weight = 1 - distance / (reach + 1);
    weights += 2 * weight;
    weight_squares += 2 * weight * weight;
  }
  const double deviation = noise * std::sqrt(weight_squares) / weights;
  // Six deviations; more where they are an estimate from few points.
  const auto measured = static_cast<double>(count);
  return {.level = sum / measured, .deviation = deviation, .clear_fall = 6 * (1 + 5 / measured) * deviation};
}

std::size_t lowest_in(const std::vector<RangePoint>& points, std::size_t begin, std::size_t end) {
  const auto at = [&](std::size_t i) { return points.begin() + static_cast<std::ptrdiff_t>(i); };
  const auto less = [](const RangePoint& a, const RangePoint& b) { return a.smoothed < b.smoothed; };
  return static_cast<std::size_t>(std::min_element(at(begin), at(end), less) - points.begin());
}

// From the last point at the plateau's level to the lowest one.
struct Descent {
  std::size_t begin;
  std::size_t end;
};

// The first fall that is more than noise. Where the loss rises to its first level again, later ones are the ups and
// downs of rates that are too high.
std::optional<Descent> first_descent(const std::vector<RangePoint>& points, std::size_t reach) {
  const Plateau plateau = first_plateau(points);
  const double clearly_below = plateau.level - std::max(plateau.clear_fall, least_fall * plateau.level);
  const double at_level = plateau.level - still_level * plateau.deviation;
  std::size_t begin = reach;
  std::size_t fallen = reach;
  for (; fallen < points.size() && !(points[fallen].smoothed < clearly_below); ++fallen) {
    if (points[fallen].smoothed > at_level) begin = fallen;
  }
  if (fallen == points.size()) return std::nullopt;
  std::size_t risen = fallen + 1;
  while (risen < points.size() && points[risen].smoothed <= at_level) ++risen;
  return Descent{.begin = begin, .end = lowest_in(points, fallen, risen)};
}

// Watches the loss while the test runs: it exploded when its recent mean is far above the lowest.
class Divergence {
 public:
  bool report(double loss) {
    recent_ = count_ == 0 ? loss : 0.8 * recent_ + 0.2 * loss;
    lowest_ = count_ == 0 ? recent_ : std::min(lowest_, recent_);
    ++count_;
    return !std::isfinite(loss) || recent_ > explosion * lowest_;
  }

 private:
  double recent_ = 0;
  double lowest_ = 0;
  std::int64_t count_ = 0;
};

std::string table_of(const RangeTest& test) {
  std::string text = "step,lr,loss,smoothed_loss\n";
  for (std::size_t i = 0; i < test.points.size(); ++i) {
    const RangePoint& p = test.points[i];
    text += fmt::format("{},{},{},{}\n", i + 1, p.lr, p.loss, p.smoothed);
  }
  return text;
}

std::string curve_of(const RangeTest& test, const Recipe& recipe) {
  draw::Chart chart{.title = "loss while the learning rate grows",
                    .x_label = "learning rate",
                    .y_label = "loss",
                    .series = {{.name = "smoothed", .y = {}, .x = {}}, {.name = "each step", .y = {}, .x = {}}},
                    .log_x = true};
  double highest = 0;
  for (const RangePoint& p : test.points) {
    chart.series[0].x.push_back(p.lr);
    chart.series[0].y.push_back(p.smoothed);
    chart.series[1].x.push_back(p.lr);
    chart.series[1].y.push_back(p.loss);
    if (p.lr <= test.lowest_loss_at) highest = std::max(highest, p.loss);
  }
  // What explodes afterwards must not flatten what matters.
  if (highest > 0) {
    chart.y_min = 0;
    chart.y_max = 1.25 * highest;
  }
  if (test.suggestion > 0) {
    chart.marks.push_back({.x = test.suggestion, .label = fmt::format("suggested: {:.2g}", test.suggestion)});
  }
  return draw::svg(
      std::span(&chart, 1),
      {.title = recipe.name + " on " + fs::path(recipe.data.name).filename().string() + ": learning-rate range test",
       .panel_width = 760,
       .panel_height = 440});
}

void write_into(const fs::path& folder, const RangeTest& test, const Recipe& recipe) {
  write_file(folder / "find-lr.csv", table_of(test));
  write_file(folder / "find-lr.svg", curve_of(test, recipe));
}

}  // namespace

void judge_range_test(RangeTest& test) {
  std::vector<RangePoint>& points = test.points;
  for (std::size_t i = 0; i < points.size(); ++i) points[i].smoothed = smoothed_at(points, i);
  test.suggestion = 0;
  if (points.empty()) return;
  // Before `reach` the mean has few neighbours: one lucky batch would be the lowest loss.
  const std::size_t reach = std::min(reach_of(points.size()), points.size() - 1);
  const std::optional<Descent> descent = first_descent(points, reach);
  test.lowest_loss_at = points[descent ? descent->end : lowest_in(points, reach, points.size())].lr;
  if (!descent) return;
  double steepest = 0;
  // All that a slope is made of has its neighbours, but for the explosion at the end.
  for (std::size_t i = std::max(descent->begin, 2 * reach); i <= descent->end && i + reach < points.size(); ++i) {
    const RangePoint& before = points[i - reach];
    const RangePoint& after = points[i + reach];
    const double slope = (after.smoothed - before.smoothed) / (std::log(after.lr) - std::log(before.lr));
    if (slope >= steepest) continue;
    steepest = slope;
    test.suggestion = points[i].lr;
  }
}

RangeTest find_learning_rate(const Recipe& recipe, const RangeTestOptions& options) {
  const SwitchScope switches(recipe.train.winograd, recipe.train.tile_units);
  require(options);
  const Recipe used = bare(recipe);
  const TaskData data = open_task_data(used);
  Learner learner(used, model_config(used, data.train));
  Loader loader = training_loader(used, data.train);
  require_steps(used, learner, loader);
  Progress progress(options.progress);
  progress.begin(
      {.steps = options.steps, .batch_size = used.train.batch_size * used.train.accumulate, .label = "range test"});
  learner.begin_training();
  RangeTest test;
  Divergence divergence;
  const double growth = std::pow(options.highest / options.lowest, 1 / static_cast<double>(options.steps - 1));
  for (std::int64_t i = 0; i < options.steps; ++i) {
    const double lr = options.lowest * std::pow(growth, static_cast<double>(i));
    Tally tally;
    std::optional<LearnerStep> step = learner.step(loader, lr, tally);
    if (!step) step = learner.step(loader, lr, tally);  // an epoch ended: the next one
    test.diverged = !step->applied || divergence.report(step->loss);
    if (step->applied && std::isfinite(step->loss)) test.points.push_back({.lr = lr, .loss = step->loss});
    if (test.diverged) break;
    progress.step(i + 1, step->loss);
    test.interrupted = options.interrupted && options.interrupted();
    if (test.interrupted) break;
  }
  progress.clear();
  judge_range_test(test);
  return test;
}

void check(const RangeTestFolder& folder, const Recipe& recipe) {
  require_run_name(folder.name);
  const fs::path target = folder.project / recipe.name / folder.name;
  std::error_code ignored;
  if (folder.exist_ok && (fs::exists(target / "recipe.toml", ignored) || fs::exists(target / "checkpoints", ignored))) {
    throw UsageError(target.string() + " is the folder of a run, which a range test does not replace; choose another " +
                     "--name");
  }
}

fs::path save_range_test(const RangeTest& test, const Recipe& recipe, const RangeTestFolder& folder) {
  const fs::path parent = folder.project / recipe.name;
  check(folder, recipe);
  make_run_folders(parent);
  const fs::path temporary = parent / fmt::format(".{}-{}.tmp", folder.name, ::getpid());
  std::error_code error;
  fs::remove_all(temporary, error);
  make_run_folders(temporary);
  try {
    write_into(temporary, test, recipe);
    for (int number = 1;; ++number) {
      fs::path target = parent / (number == 1 ? folder.name : fmt::format("{}-{}", folder.name, number));
      if (fs::is_directory(target) && folder.exist_ok) {
        write_into(target, test, recipe);
        fs::remove_all(temporary, error);
        return target;
      }
      if (fs::exists(target)) continue;
      fs::rename(temporary, target, error);
      if (!error) return target;
      if (fs::exists(target)) continue;  // somebody was faster
      throw Error(target.string() + ": the folder cannot be made: " + error.message());
    }
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
}

}  // namespace narae
