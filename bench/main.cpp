// narae_bench [JOB...]: our steps against PyTorch's, in alternating rounds of one run.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/be_peer.h"
#include "bench/byte_pairs.h"
#include "bench/compare.h"
#include "bench/jobs.h"
#include "bench/loading.h"
#include "bench/machine.h"
#include "bench/report.h"
#include "narae/core/error.h"
#include "narae/core/threads.h"

namespace narae::bench {
namespace {

struct Options {
  std::vector<std::string> jobs;
  int rounds = 9;
  int threads = available_cores();
  int warm_up = -1;
  std::string sources = NARAE_SOURCES;
  std::string python = "python3";
  std::string peer;
  bool machine = false;
};

// Beside this program.
std::string command_path() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "narae").string();
}

void answer_as_machine() {
  const Machine machine = measure_machine();
  fmt::print("ready 0\n");
  for (const double number : {machine.products, machine.vector_products, machine.bandwidth}) fmt::print("{}\n", number);
}

void answer_as_peer(const Options& options, const std::vector<Job>& jobs) {
  const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const Job& j) { return j.name == options.peer; });
  if (job == jobs.end()) throw UsageError("bench: --peer knows no job '" + options.peer + "'");
  be_peer(*job, options.warm_up);
}

// The rows that have a peer, among the jobs that are wanted; all of them are written into docs/performance.md.
template <class Wanted>
void compare(const Options& options, const std::vector<Job>& jobs, const Wanted& wanted) {
  const Sides sides{.self = "/proc/self/exe",
                    .command = command_path(),
                    .python = options.python,
                    .sources = options.sources,
                    .threads = options.threads,
                    .rounds = options.rounds};
  std::vector<std::function<Row()>> comparisons;
  for (const Job& job : jobs)
    if (wanted(job.timed ? job.name : "memory"))
      comparisons.emplace_back([&sides, &job] { return compare_steps(job, sides); });
  const char* data = std::getenv("NARAE_DATA");
  const std::string mnist = std::string(data != nullptr ? data : "") + "/mnist";
  const auto mlp = std::find_if(jobs.begin(), jobs.end(), [](const Job& job) { return job.name == "mlp"; });
  if (wanted("busy")) comparisons.emplace_back([&sides, mlp] { return compare_with_busy_core(*mlp, sides); });
  if (wanted("whole")) {
    if (std::filesystem::is_directory(mnist))
      comparisons.emplace_back([&] { return compare_whole_job(sides, mnist); });
    else
      fmt::print("whole: skipped, there is no folder mnist in NARAE_DATA\n");
  }
  if (wanted("cold")) comparisons.emplace_back([&] { return compare_cold_start(sides); });
  if (comparisons.empty()) return;
  const Machine machine = ask_machine(sides.self, options.threads);
  fmt::print("{} threads; medians of {} rounds; the ratio is PyTorch's time over ours\n", options.threads,
             options.rounds);
  fmt::print(
      "a product of 1,536 x 1,536 matrices: {:.0f} GFLOP/s, without tile units {:.0f}; from memory {:.1f} GB/s\n",
      machine.products, machine.vector_products, machine.bandwidth);
  fmt::print("{}", headline());
  std::vector<Row> rows;
  for (const auto& comparison : comparisons) {
    rows.push_back(comparison());
    fmt::print("{}", to_text(rows.back(), machine));
    std::fflush(stdout);
  }
  fmt::print("{}", verdict(rows));
  if (!options.jobs.empty()) return;
  if (std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.theirs == 0; })) {
    fmt::print("docs/performance.md stays as it is: PyTorch took no part in some rows\n");
    return;
  }
  write_report(rows, machine, options.sources, options.threads);
}

void run(const Options& options) {
  set_thread_count(options.threads);
  const std::vector<Job> jobs = jobs_with_peers(options.sources + "/tests/reference/trajectories.safetensors");
  if (options.machine) return answer_as_machine();
  if (!options.peer.empty()) return answer_as_peer(options, jobs);
  const auto wanted = [&](const std::string& name) {
    return options.jobs.empty() || std::find(options.jobs.begin(), options.jobs.end(), name) != options.jobs.end();
  };
  std::vector<std::string> names = {"graph", "loading", "length", "tokens", "bpe", "memory", "busy", "whole", "cold"};
  for (const Job& job : jobs)
    if (job.timed) names.push_back(job.name);
  for (const std::string& name : options.jobs) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw UsageError("bench: there is no job '" + name + "'" + did_you_mean(name, names));
    }
  }
  compare(options, jobs, wanted);  // first: what is measured below fills this process's memory
  if (wanted("graph")) {
    const NodeCost cost = measure_node_cost();
    fmt::print("a node of a graph: write {:.0f} ns, key {:.0f} ns, release {:.0f} ns; together {:.0f} ns\n\n",
               cost.write, cost.key, cost.release, cost.write + cost.key + cost.release);
  }
  if (wanted("loading")) {
    fmt::print("batches of 128 colour pictures, 32 x 32, out of memory, on one core:\n");
    for (const LoadingSpeed& speed : measure_loading(options.rounds)) {
      fmt::print("  {:20} {:9.0f} pictures/s\n", speed.augmentation, speed.pictures_per_second);
    }
    fmt::print("\n");
  }
  if (wanted("length")) {
    fmt::print("forward and backward pass of an LSTM, 128 units, batch 32:\n");
    for (const StepTime& time : measure_lengths(options.rounds)) {
      fmt::print("  {:5} time steps {:9.2f} ms, {:6.1f} us a time step\n", time.steps, time.seconds * 1e3,
                 time.seconds * 1e6 / static_cast<double>(time.steps));
    }
    fmt::print("\n");
  }
  if (wanted("tokens")) {
    fmt::print("a GPT, 6 layers, width 384, 5,000 words, goes on with one text:\n");
    for (const TokenTime& time : measure_tokens()) {
      fmt::print("  {:5} tokens cached {:9.3f} ms a token\n", time.cached, time.seconds * 1e3);
    }
    fmt::print("\n");
  }
  if (wanted("bpe")) {
    compare_byte_pairs(options.python, options.sources, options.rounds, options.threads);
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace narae::bench

int main(int argc, char** argv) {
  narae::bench::Options options;
  if (const char* python = std::getenv("NARAE_PYTHON")) options.python = python;
  CLI::App app("Our steps against PyTorch's, in alternating rounds of one run");
  app.add_option(
      "jobs", options.jobs,
      "graph, loading, length, tokens, bpe; against PyTorch: mlp, lenet5, resnet20, resnet18, vgg16-bn, resnet50, "
      "lstm128, lstm650, gpt, attention, gpt-text, resnet18-answer, memory, busy, whole, cold; all without");
  app.add_option("--rounds", options.rounds, "rounds of each side")->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "threads of both sides")->check(CLI::Range(1, 1024));
  app.add_option("--peer", options.peer, "do a job for another process, as bench/pytorch/train_step.py does");
  app.add_flag("--machine", options.machine, "measure the machine for another process");
  app.add_option("--warm-up", options.warm_up, "with --peer: steps beside the first");
  app.add_option("--python", options.python, "a Python with PyTorch; also NARAE_PYTHON");
  CLI11_PARSE(app, argc, argv);
  try {
    narae::bench::run(options);
  } catch (const narae::UsageError& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  return 0;
}
