// narae_bench [JOB...]: our training steps against PyTorch's, in alternating rounds of one run.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench/byte_pairs.h"
#include "bench/jobs.h"
#include "bench/loading.h"
#include "bench/memory.h"
#include "bench/peer.h"
#include "narae/core/error.h"
#include "narae/core/threads.h"

namespace narae::bench {
namespace {

struct Options {
  std::vector<std::string> jobs;
  int rounds = 9;
  int threads = available_cores();
  std::string sources = NARAE_SOURCES;
  std::string python = "python3";
  std::string peer;
};

struct Mode {
  std::string name;
  std::unique_ptr<Peer> peer;
  std::vector<double> times;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::vector<Mode> start_peers(const Job& job, const Options& options) {
  std::vector<Mode> modes;
  for (const std::string& mode : job.modes) {
    std::vector<std::string> command = {options.python, options.sources + "/bench/pytorch/train_step.py"};
    command.insert(command.end(), job.peer.begin(), job.peer.end());
    for (const std::string& word :
         {std::string("--mode"), mode, std::string("--threads"), std::to_string(options.threads)}) {
      command.push_back(word);
    }
    auto peer = std::make_unique<Peer>(command);
    if (peer->started()) modes.push_back({mode, std::move(peer), {}});
  }
  return modes;
}

// Rounds A B A B ...: the machine's speed drifts, so ratios are taken pair by pair.
void run_job(const Job& job, const Options& options) {
  const double first_loss = job.first_loss();
  std::vector<Mode> modes = start_peers(job, options);
  const int steps = std::max(1, static_cast<int>(0.15 / job.run(5)));
  for (const Mode& mode : modes) {
    const double difference = std::abs(mode.peer->first_loss() - first_loss);
    if (difference > 1e-4 * std::abs(first_loss)) {
      throw Error(fmt::format("bench: {}: our first loss is {:.6f}, PyTorch's {:.6f}: they don't do the same work",
                              job.name, first_loss, mode.peer->first_loss()));
    }
  }
  std::vector<double> ours;
  for (int round = 0; round < options.rounds; ++round) {
    ours.push_back(job.run(steps));
    for (Mode& mode : modes) mode.times.push_back(mode.peer->run(std::max(1, steps / 3)));
  }
  if (modes.empty()) {
    fmt::print("{:10} {:9.3f} ms   no PyTorch to compare with: see bench/pytorch/README.md\n", job.name,
               median(ours) * 1e3);
    return;
  }
  const Mode& best = *std::min_element(modes.begin(), modes.end(),
                                       [](const Mode& a, const Mode& b) { return median(a.times) < median(b.times); });
  std::vector<double> ratios;
  for (std::size_t r = 0; r < ours.size(); ++r) ratios.push_back(best.times[r] / ours[r]);
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  fmt::print("{:10} {:9.3f} ms {:9.3f} ms  {:14} {:6.2f}  [{:.2f} .. {:.2f}]\n", job.name, median(ours) * 1e3,
             median(best.times) * 1e3, best.name, median(ratios), *low, *high);
}

void run(const Options& options) {
  set_thread_count(options.threads);
  if (!options.peer.empty()) return be_peer(options.peer);
  const auto wanted = [&](const std::string& name) {
    return options.jobs.empty() || std::find(options.jobs.begin(), options.jobs.end(), name) != options.jobs.end();
  };
  const std::vector<Job> jobs = training_jobs(options.sources + "/tests/reference/trajectories.safetensors");
  std::vector<std::string> names = {"graph", "loading", "memory", "length", "tokens", "bpe"};
  for (const Job& job : jobs) names.push_back(job.name);
  for (const std::string& name : options.jobs) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw UsageError("bench: there is no job '" + name + "'" + did_you_mean(name, names));
    }
  }
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
  if (wanted("memory")) {
    compare_memory("/proc/self/exe", options.python, options.sources, options.threads);
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
  if (std::none_of(jobs.begin(), jobs.end(), [&](const Job& job) { return wanted(job.name); })) return;
  fmt::print("{} threads; a training step; medians of {} rounds; the ratio is PyTorch's time over ours\n",
             options.threads, options.rounds);
  fmt::print("{:10} {:>12} {:>12}  {:14} {:>6}\n", "job", "narae", "pytorch", "best mode", "ratio");
  for (const Job& job : jobs)
    if (wanted(job.name)) run_job(job, options);
}

}  // namespace
}  // namespace narae::bench

int main(int argc, char** argv) {
  narae::bench::Options options;
  if (const char* python = std::getenv("NARAE_PYTHON")) options.python = python;
  CLI::App app("Training steps against PyTorch's, in alternating rounds of one run");
  app.add_option(
      "jobs", options.jobs,
      "graph, loading, memory, length, tokens, bpe, mlp, lenet5, resnet20, resnet18, lstm128, lstm650, gpt, attention; "
      "all without");
  app.add_option("--rounds", options.rounds, "rounds of each side")->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "threads of both sides")->check(CLI::Range(1, 1024));
  app.add_option("--peer", options.peer, "answer for a job of `memory`, as bench/pytorch/train_step.py does");
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
