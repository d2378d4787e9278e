#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "narae/core/export.h"

namespace narae::optim {

struct StepDecay {
  std::int64_t every = 1;  ///< steps between two decays
  double gamma = 0.1;
};
struct MultiStepDecay {
  std::vector<std::int64_t> milestones;  ///< steps at which the rate decays
  double gamma = 0.1;
};
struct CosineDecay {
  std::int64_t steps = 1;  ///< of half a cosine period
  double minimum = 0;      ///< rate at its end
};
struct WarmupCosine {
  std::int64_t warmup = 0;  ///< steps of linear increase
  std::int64_t steps = 1;   ///< in all, warm-up included
  double minimum = 0;
  std::int64_t first = 1;  ///< the warm-up's rate is lr (step + first) / warmup: 1 wastes no step, 0 starts from zero
};
struct OneCycle {
  std::int64_t steps = 1;
  double warm_fraction = 0.3;     ///< of the steps, spent increasing
  double div_factor = 25;         ///< the first rate is the highest over this
  double final_div_factor = 1e4;  ///< the last rate is the first over this
  bool linear = false;            ///< straight lines instead of half cosines
};

/// A learning rate as a pure function of the step (or of the epoch), counted from 0: a value that may be copied, and
/// has no state to save.
class NARAE_API Schedule {
 public:
  [[nodiscard]] static Schedule constant(double lr);
  /// lr gamma^floor(step / every).
  [[nodiscard]] static Schedule step(double lr, const StepDecay& options);
  /// lr gamma^(milestones reached).
  [[nodiscard]] static Schedule multi_step(double lr, const MultiStepDecay& options);
  /// lr gamma^step.
  [[nodiscard]] static Schedule exponential(double lr, double gamma);
  /// minimum + (lr - minimum) (1 + cos(pi step / steps)) / 2 (Loshchilov and Hutter 2017); stays at the minimum after.
  [[nodiscard]] static Schedule cosine(double lr, const CosineDecay& options);
  /// Rises linearly over the first `warmup` steps to what `after` gives at step 0, then is `after`.
  [[nodiscard]] static Schedule warmup(std::int64_t warmup, const Schedule& after, std::int64_t first = 1);
  [[nodiscard]] static Schedule warmup_cosine(double lr, const WarmupCosine& options);
  /// Linear rise to lr at step number `warmup` (counted from 1), then lr sqrt(warmup / number): Vaswani et al. 2017,
  /// equation 3, whose lr is (d_model warmup)^-1/2.
  [[nodiscard]] static Schedule inverse_sqrt(double lr, std::int64_t warmup);
  /// Up to `highest` and down again (Smith and Topin 2018).
  [[nodiscard]] static Schedule one_cycle(double highest, const OneCycle& options);

  [[nodiscard]] double operator()(std::int64_t step) const { return rate_(step); }

 private:
  explicit Schedule(std::function<double(std::int64_t)> rate) : rate_(std::move(rate)) {}
  std::function<double(std::int64_t)> rate_;
};

/// Numbers by name, in order: what a checkpoint keeps of host state.
using NamedNumbers = std::vector<std::pair<std::string, double>>;

enum class Mode { min, max };
enum class ThresholdMode { relative, absolute };

struct PlateauOptions {
  Mode mode = Mode::min;  ///< what is better: a smaller or a larger metric
  double factor = 0.1;
  std::int64_t patience = 10;  ///< reports without progress that are let pass
  double threshold = 1e-4;     ///< smaller progress does not count
  ThresholdMode threshold_mode = ThresholdMode::relative;
  std::int64_t cooldown = 0;  ///< reports after a reduction that are not counted
  double minimum = 0;
  double eps = 1e-8;  ///< smaller reductions are not made
};

/// Multiplies the rate by `factor` when a metric has stopped improving.
class NARAE_API ReduceOnPlateau {
 public:
  explicit ReduceOnPlateau(double lr, const PlateauOptions& options = {});
  /// Reports the metric of an epoch; returns the rate from now on.
  double report(double metric);
  [[nodiscard]] double lr() const { return lr_; }
  [[nodiscard]] NamedNumbers state() const;
  /// Throws Error when a number is missing.
  void load_state(const NamedNumbers& state);

 private:
  PlateauOptions options_;
  double lr_;
  double best_;
  std::int64_t bad_ = 0;
  std::int64_t cooling_ = 0;
};

struct EarlyStoppingOptions {
  std::int64_t patience = 10;  ///< reports without progress before stopping
  double min_delta = 0;        ///< smaller progress does not count
  Mode mode = Mode::min;
};

/// Tells when a metric has not improved for `patience` reports.
class NARAE_API EarlyStopping {
 public:
  explicit EarlyStopping(const EarlyStoppingOptions& options = {});
  /// Reports the metric of an epoch; true when it is the best so far. NaN is never an improvement.
  bool report(double metric);
  [[nodiscard]] bool should_stop() const { return bad_ >= options_.patience; }
  [[nodiscard]] double best() const { return best_; }
  [[nodiscard]] NamedNumbers state() const;
  void load_state(const NamedNumbers& state);

 private:
  EarlyStoppingOptions options_;
  double best_;
  std::int64_t bad_ = 0;
};

}  // namespace narae::optim
