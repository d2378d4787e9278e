#include "narae/optim/schedule.h"

#include "tests/nn/reference_values.h"

namespace narae {
namespace {

using nlohmann::json;
using optim::Schedule;
using testing::reference_values;

// The schedule that a case of the reference file describes.
Schedule schedule_of(const json& a) {
  const std::string name = a["name"];
  if (name == "step") return Schedule::step(a["lr"], {.every = a["step_size"], .gamma = a["gamma"]});
  if (name == "multi_step") {
    return Schedule::multi_step(a["lr"],
                                {.milestones = a["milestones"].get<std::vector<std::int64_t>>(), .gamma = a["gamma"]});
  }
  if (name == "exponential") return Schedule::exponential(a["lr"], a["gamma"]);
  if (name.starts_with("cosine")) return Schedule::cosine(a["lr"], {.steps = a["T_max"], .minimum = a["eta_min"]});
  if (name.starts_with("one_cycle")) {
    return Schedule::one_cycle(a["max_lr"], {.steps = a["total_steps"],
                                             .warm_fraction = a["pct_start"],
                                             .div_factor = a["div_factor"],
                                             .final_div_factor = a["final_div_factor"],
                                             .linear = a["anneal_strategy"] == "linear"});
  }
  if (name.starts_with("warmup_cosine")) {
    return Schedule::warmup_cosine(a["lr"], {.warmup = a["warmup"], .steps = a["total"], .first = a["first"]});
  }
  if (name == "inverse_sqrt_vaswani") {
    const double lr = 1 / std::sqrt(a["d_model"].get<double>() * a["warmup"].get<double>());
    return Schedule::inverse_sqrt(lr, a["warmup"]);
  }
  if (name == "inverse_sqrt_peak") return Schedule::inverse_sqrt(a["lr"], a["warmup"]);
  throw Error("no schedule for " + name);
}

optim::ReduceOnPlateau plateau_of(const json& a) {
  return optim::ReduceOnPlateau(
      a["lr"],
      {.mode = a["mode"] == "min" ? optim::Mode::min : optim::Mode::max,
       .factor = a["factor"],
       .patience = a["patience"],
       .threshold = a["threshold"],
       .threshold_mode = a["threshold_mode"] == "rel" ? optim::ThresholdMode::relative : optim::ThresholdMode::absolute,
       .cooldown = a["cooldown"],
       .minimum = a["min_lr"],
       .eps = a["eps"]});
}

TEST(Schedule, FollowsPyTorch) {
  int checked = 0;
  for (const auto& [name, a] : reference_values().description.items()) {
    if (a["kind"] != "schedule") continue;
    const auto expected = reference_values().tensors.at(name + ".out.lr").values<double>();
    const bool plateau = a["name"].get<std::string>().starts_with("reduce_on_plateau");
    if (plateau) {
      optim::ReduceOnPlateau schedule = plateau_of(a);
      const auto losses = reference_values().tensors.at(name + ".in.loss").values<double>();
      for (std::size_t s = 0; s < expected.size(); ++s) {
        EXPECT_NEAR(schedule.lr(), expected[s], 1e-15) << name << " step " << s;
        schedule.report(losses[s]);
      }
    } else {
      // PyTorch computes some of them from the rate before, which adds up roundings.
      const Schedule schedule = schedule_of(a);
      for (std::size_t s = 0; s < expected.size(); ++s) {
        EXPECT_NEAR(schedule(static_cast<std::int64_t>(s)), expected[s], 1e-12 * expected[s] + 1e-16)
            << name << " step " << s;
      }
    }
    ++checked;
  }
  EXPECT_EQ(checked, 13);
}

TEST(Schedule, WarmupMayLeadIntoAnother) {
  const Schedule schedule = Schedule::warmup(4, Schedule::exponential(8, 0.5));
  EXPECT_DOUBLE_EQ(schedule(0), 2);
  EXPECT_DOUBLE_EQ(schedule(3), 8);
  EXPECT_DOUBLE_EQ(schedule(4), 8);
  EXPECT_DOUBLE_EQ(schedule(5), 4);
  EXPECT_DOUBLE_EQ(Schedule::constant(3)(1000), 3);
  EXPECT_DOUBLE_EQ(Schedule::cosine(1, {.steps = 10, .minimum = 0.2})(50), 0.2);
}

TEST(Schedule, RefusesWhatMakesNoSense) {
  EXPECT_THROW((void)Schedule::step(1, {.every = 0}), Error);
  EXPECT_THROW((void)Schedule::cosine(1, {.steps = 0}), Error);
  EXPECT_THROW((void)Schedule::warmup_cosine(1, {.warmup = 5, .steps = 5}), Error);
  EXPECT_THROW((void)Schedule::one_cycle(1, {.steps = 10, .warm_fraction = 1}), Error);
  EXPECT_THROW((void)Schedule::inverse_sqrt(1, 0), Error);
  EXPECT_THROW(optim::ReduceOnPlateau(1, {.factor = 1}), Error);
  EXPECT_THROW(optim::EarlyStopping({.patience = 0}), Error);
}

TEST(ReduceOnPlateau, ResumesFromItsState) {
  const optim::PlateauOptions options{.factor = 0.5, .patience = 1};
  optim::ReduceOnPlateau schedule(1, options);
  schedule.report(3);
  schedule.report(3);
  optim::ReduceOnPlateau resumed(1, options);
  resumed.load_state(schedule.state());
  EXPECT_EQ(schedule.report(3), 0.5);
  EXPECT_EQ(resumed.report(3), 0.5);
  EXPECT_THROW(resumed.load_state({{"lr", 1}}), Error);
}

TEST(EarlyStopping, WaitsForItsPatience) {
  optim::EarlyStopping stopping({.patience = 2, .min_delta = 0.1, .mode = optim::Mode::max});
  EXPECT_TRUE(stopping.report(1));
  EXPECT_FALSE(stopping.report(1.05));
  EXPECT_FALSE(stopping.should_stop());
  EXPECT_TRUE(stopping.report(2));
  EXPECT_FALSE(stopping.report(std::nan("")));
  optim::EarlyStopping resumed({.patience = 2, .min_delta = 0.1, .mode = optim::Mode::max});
  resumed.load_state(stopping.state());
  EXPECT_FALSE(resumed.report(1));
  EXPECT_TRUE(resumed.should_stop());
  EXPECT_EQ(resumed.best(), 2);
}

}  // namespace
}  // namespace narae
