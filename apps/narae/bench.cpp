#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/profile.h"
#include "apps/narae/runs.h"
#include "narae/core/error.h"
#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/graph/eval.h"
#include "narae/models/config.h"
#include "narae/models/registry.h"
#include "narae/train/learner.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string run;
  std::int64_t batch_size = 1;
  int rounds = 20;
  std::size_t rows = 30;
  bool json = false;
};

// Numbers as normal ones, tokens as any of the vocabulary: how long a network takes does not depend on them.
Array made_up_input(const models::ModelSpec& spec, std::int64_t batch_size) {
  Array x = Array::empty(models::input_dtype(spec), batched(batch_size, spec.input));
  RandomStream random(0);
  if (x.dtype == DType::f32) {
    for (float& value : x.mutable_values<float>()) value = static_cast<float>(random.normal());
  } else {
    const auto tokens = static_cast<std::uint64_t>(std::max<std::int64_t>(spec.vocabulary, 1));
    for (std::int64_t& value : x.mutable_values<std::int64_t>())
      value = static_cast<std::int64_t>(random.below(tokens));
  }
  return x;
}

struct Timing {
  std::vector<double> seconds;  ///< of each round, sorted
  std::vector<ProfiledStep> steps;
  int profiled_rounds = 0;

  [[nodiscard]] double median() const {
    const std::size_t n = seconds.size();
    return n % 2 == 1 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
  }
};

// First the rounds as they are; then some again whose steps are timed, which takes a little longer.
Timing measure(const nn::Module& model, const Array& x, int rounds) {
  const NoGrad no_gradients;
  const auto run = [&] { static_cast<void>(model(x).eval()); };
  run();
  run();
  Timing timing;
  for (int r = 0; r < rounds; ++r) {
    const auto begin = Clock::now();
    run();
    timing.seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::sort(timing.seconds.begin(), timing.seconds.end());
  timing.profiled_rounds = std::min(rounds, 20);
  const Profile profile;
  for (int r = 0; r < timing.profiled_rounds; ++r) run();
  timing.steps = profile.steps();
  return timing;
}

void bench_run(const Arguments& arguments) {
  const TrainedModel trained = load_run(arguments.run, "best");
  const models::ModelSpec& spec = trained.config.model;
  const Timing timing = measure(*trained.network, made_up_input(spec, arguments.batch_size), arguments.rounds);
  const double per_second = static_cast<double>(arguments.batch_size) / timing.median();
  if (arguments.json) {
    Json steps = Json::array();
    for (const StepGroup& g : group_steps(timing.steps, timing.profiled_rounds))
      steps.push_back({{"name", g.name},
                       {"module", g.module},
                       {"count", g.count},
                       {"seconds", g.seconds},
                       {"flops", g.flops},
                       {"bytes", g.bytes}});
    print_json({{"run", arguments.run},
                {"model", spec.name},
                {"batch_size", arguments.batch_size},
                {"threads", thread_count()},
                {"seconds", timing.median()},
                {"fastest_seconds", timing.seconds.front()},
                {"slowest_seconds", timing.seconds.back()},
                {"samples_per_second", per_second},
                {"steps", std::move(steps)}});
    return;
  }
  print(fmt::format("{}: {}, batch {}, {} threads: {:.3f} ms [{:.3f} .. {:.3f}], {:.1f} samples/s\n\n", arguments.run,
                    spec.name, arguments.batch_size, thread_count(), timing.median() * 1e3,
                    timing.seconds.front() * 1e3, timing.seconds.back() * 1e3, per_second) +
        step_table(timing.steps, timing.profiled_rounds, arguments.rows));
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "Time a run's network on made-up input, step by step");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("run", arguments->run, "A run folder, or a recipe's name for its last run")->required();
  command->add_option("--batch-size", arguments->batch_size, "Samples at a time")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
  command->add_option("--rounds", arguments->rounds, "Times that it runs; the median counts")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  command->add_option("--rows", arguments->rows, "Lines of the table, the slowest steps")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, std::size_t{100000}));
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { bench_run(*arguments); });
}

}  // namespace narae::cli
