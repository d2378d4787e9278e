#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/train/progress.h"
#include "narae/train/recipe.h"

namespace narae {

struct RangeTestOptions {
  double lowest = 1e-7;  ///< rate of the first step
  double highest = 10;   ///< rate of the last one
  std::int64_t steps = 100;
  ProgressOptions progress = {};
  /// Asked after every step; true ends the test.
  std::function<bool()> interrupted = {};
};

struct RangePoint {
  double lr = 0;
  double loss = 0;      ///< of the step's samples, before its update
  double smoothed = 0;  ///< weighted mean over the neighbouring steps
};

/// What a range test found.
struct RangeTest {
  std::vector<RangePoint> points;
  double suggestion = 0;  ///< where the smoothed loss falls fastest over the logarithm of the rate, once it has left
                          ///< its first level; 0: it never fell clearly
  double lowest_loss_at = 0;  ///< rate at which the smoothed loss is lowest after that: more is too much
  bool diverged = false;      ///< it ended before the highest rate, because the loss exploded
  bool interrupted = false;
};

/// The learning-rate range test (Smith, "Cyclical learning rates for training neural networks", 2017, first shown in
/// 2015): trains a fresh network by the recipe for some steps while the rate grows exponentially from `lowest` to
/// `highest`, in place of the recipe's schedule. Ends early when the loss is four times the lowest or no longer finite.
/// Writes nothing. Throws UsageError for options out of range and what `train` throws for a recipe.
[[nodiscard]] NARAE_API RangeTest find_learning_rate(const Recipe& recipe, const RangeTestOptions& options = {});

/// Smooths the losses, and says where they fall fastest and are lowest: what `find_learning_rate` ends with. The first
/// fifth of the points (at least ten) gives the level and the noise of single batches; a fall counts when it is more
/// than 2 % of that level and clearly more than the noise that smoothing leaves (six deviations, up to nine where
/// the points are few). Points are in order of their rates.
NARAE_API void judge_range_test(RangeTest& test);

/// Where a range test goes: project/recipe/name, or name-2, ... when it is taken; with `exist_ok` into the folder of
/// that name. The folder holds find-lr.csv and find-lr.svg and is no run.
struct RangeTestFolder {
  std::filesystem::path project = "runs";
  std::string name = "find-lr";
  bool exist_ok = false;
};
/// Throws UsageError for a name that is no folder's, and with `exist_ok` for the folder of a run.
NARAE_API void check(const RangeTestFolder& folder, const Recipe& recipe);
/// Writes the table and the curve, both or neither; returns the folder. Throws Error when it can't be written, and what
/// `check` throws.
[[nodiscard]] NARAE_API std::filesystem::path save_range_test(const RangeTest& test, const Recipe& recipe,
                                                              const RangeTestFolder& folder = {});

}  // namespace narae
