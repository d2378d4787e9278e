#include "bench/compare.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "bench/peer.h"
#include "narae/core/error.h"

namespace narae::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct Mode {
  std::string name;
  std::unique_ptr<Peer> peer;
  std::vector<double> times;
};

// A side's turn begins when the threads of the side before have stopped waiting for more work: they spin meanwhile. Its
// first step does not count.
double take_turn(Peer& peer, int steps) {
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  static_cast<void>(peer.run(1));
  return peer.run(steps);
}

std::vector<std::string> our_command(const std::string& job, const Sides& sides) {
  return {sides.self, "--peer", job, "--threads", std::to_string(sides.threads)};
}

std::vector<std::string> their_command(const std::string& job, const std::string& mode, const Sides& sides) {
  return {sides.python,
          sides.sources + "/bench/pytorch/train_step.py",
          job,
          "--mode",
          mode,
          "--threads",
          std::to_string(sides.threads)};
}

std::vector<Mode> start_peers(const Job& job, const std::vector<std::string>& names, const Sides& sides, double first) {
  std::vector<Mode> modes;
  for (const std::string& mode : names) {
    auto peer = std::make_unique<Peer>(their_command(job.name, mode, sides));
    if (!peer->started()) {
      fmt::print(stderr, "bench: {}: the peer's mode {} did not start and takes no part\n", job.name, mode);
      continue;
    }
    if (std::abs(peer->first_loss() - first) > job.tolerance * std::abs(first)) {
      throw Error(fmt::format("bench: {}: our first result is {:.6f}, the peer's {:.6f}: they don't do the same work",
                              job.name, first, peer->first_loss()));
    }
    modes.push_back({mode, std::move(peer), {}});
  }
  return modes;
}

struct Ratio {
  double median, lowest, highest;
};

Ratio ratio_of(const std::vector<double>& theirs, const std::vector<double>& ours) {
  std::vector<double> ratios;
  for (std::size_t r = 0; r < ours.size(); ++r) ratios.push_back(theirs[r] / ours[r]);
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  return {median(ratios), *low, *high};
}

// The times of the best mode beside ours.
void fill(Row& row, const std::vector<double>& ours, const std::vector<Mode>& modes) {
  row.ours = median(ours);
  if (modes.empty()) return;
  const Mode& best = *std::min_element(modes.begin(), modes.end(),
                                       [](const Mode& a, const Mode& b) { return median(a.times) < median(b.times); });
  row.theirs = median(best.times);
  row.mode = best.name;
  const Ratio ratio = ratio_of(best.times, ours);
  row.ratio = ratio.median;
  row.lowest = ratio.lowest;
  row.highest = ratio.highest;
  for (const Mode& mode : modes) {  // at its best here as well
    if (!mode.peer) continue;
    const double bytes = mode.peer->memory();
    row.their_bytes = row.their_bytes > 0 ? std::min(row.their_bytes, bytes) : bytes;
  }
}

// Seconds that a command takes, with its output thrown away; nothing when it fails.
std::optional<double> seconds_of(std::vector<std::string> command, double& peak_bytes) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const auto begin = Clock::now();
  const pid_t process = fork();
  if (process < 0) return std::nullopt;
  if (process == 0) {
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nowhere, stream);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  wait4(process, &status, 0, &usage);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  peak_bytes = 1024.0 * static_cast<double>(usage.ru_maxrss);
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// From the start of a program to its first result.
std::optional<double> seconds_until_ready(std::vector<std::string> command) {
  command.insert(command.end(), {"--warm-up", "0"});
  const auto begin = Clock::now();
  const Peer peer(command);
  if (!peer.started()) return std::nullopt;
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A process that computes for as long as this lives.
class BusyCore {
 public:
  BusyCore() : parent_(getpid()), process_(fork()) {
    if (process_ != 0) return;
    while (getppid() == parent_) {
    }
    _exit(0);
  }
  ~BusyCore() {
    if (process_ < 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  BusyCore(const BusyCore&) = delete;
  BusyCore& operator=(const BusyCore&) = delete;

 private:
  pid_t parent_, process_;
};

using Timer = std::function<std::optional<double>()>;

// Commands in turns; the first round of each fills the caches of files and does not count.
Row compare_processes(Row row, int rounds, const Timer& ours, const Timer& theirs) {
  if (!ours()) throw Error("bench: " + row.name + ": our own process failed");
  std::vector<Mode> modes;
  if (theirs()) modes.push_back({"eager", nullptr, {}});
  std::vector<double> times;
  for (int r = 0; r < rounds; ++r) {
    const std::optional<double> mine = ours();
    if (!mine) throw Error("bench: " + row.name + ": our own process failed");
    times.push_back(*mine);
    if (modes.empty()) continue;
    const std::optional<double> other = theirs();
    if (!other) throw Error("bench: " + row.name + ": PyTorch's process failed");
    modes[0].times.push_back(*other);
  }
  fill(row, times, modes);
  return row;
}

}  // namespace

Row compare_steps(const Job& job, const Sides& sides) {
  Row row{.name = job.name, .description = job.description, .must = job.must, .aim = job.aim, .timed = job.timed};
  Peer us(our_command(job.name, sides));
  if (!us.started()) throw Error("bench: " + job.name + ": our own process failed");
  std::vector<Mode> modes = start_peers(job, job.modes, sides, us.first_loss());
  std::vector<Mode> rivals = start_peers(job, job.rivals, sides, us.first_loss());
  const int steps = job.timed ? std::max(1, static_cast<int>(0.2 / us.run(1))) : 1;
  std::vector<double> ours;
  for (int round = 0; round < (job.timed ? sides.rounds : 1); ++round) {
    ours.push_back(take_turn(us, steps));
    for (std::vector<Mode>* all : {&modes, &rivals})
      for (Mode& mode : *all) mode.times.push_back(take_turn(*mode.peer, std::max(1, steps / 2)));
  }
  for (const Mode& rival : rivals) {
    const Ratio ratio = ratio_of(rival.times, ours);
    row.notes += fmt::format("{}: {} takes {:.2f} ms, {:.2f} [{:.2f} .. {:.2f}] times as long as narae. ", job.name,
                             rival.name, 1e3 * median(rival.times), ratio.median, ratio.lowest, ratio.highest);
  }
  fill(row, ours, modes);
  row.our_bytes = us.memory();
  row.flops = us.flops();
  return row;
}

Row compare_with_busy_core(const Job& mlp, const Sides& sides) {
  Row row{.name = "busy", .description = "the MLP's step beside a process that keeps one core busy", .counts = false};
  constexpr int steps = 200;
  Peer us(our_command(mlp.name, sides));
  if (!us.started()) throw Error("bench: busy: our own process failed");
  std::vector<Mode> modes = start_peers(mlp, mlp.modes, sides, us.first_loss());
  std::vector<double> ours;
  const auto measure = [&] {
    ours.clear();
    for (Mode& mode : modes) mode.times.clear();
    for (int r = 0; r < sides.rounds; ++r) {
      ours.push_back(take_turn(us, steps));
      for (Mode& mode : modes) mode.times.push_back(take_turn(*mode.peer, steps));
    }
    fill(row, ours, modes);
  };
  measure();
  const Row alone = row;
  const BusyCore neighbour;
  measure();
  row.notes = fmt::format(
      "busy: beside a busy core the MLP's step takes {:.2f} ms, {:.2f} times as long as alone "
      "(5 is allowed)",
      1e3 * row.ours, row.ours / alone.ours);
  if (!modes.empty()) row.notes += fmt::format("; PyTorch's {:.2f} times", row.theirs / alone.theirs);
  row.notes += ".";
  return row;
}

Row compare_cold_start(const Sides& sides) {
  return compare_processes(
      {.name = "cold", .description = "process start to the MLP's first step", .must = 20, .aim = 50}, sides.rounds,
      [&] { return seconds_until_ready(our_command("mlp", sides)); },
      [&] { return seconds_until_ready(their_command("mlp", "eager", sides)); });
}

Row compare_whole_job(const Sides& sides, const std::string& folder) {
  Row row{
      .name = "whole", .description = "process start, an epoch of LeNet-5 on MNIST, evaluation", .must = 3, .aim = 6};
  const fs::path runs = fs::temp_directory_path() / fmt::format("narae-bench-{}", getpid());
  const std::string threads = std::to_string(sides.threads);
  double our_bytes = 0;
  double their_bytes = 0;
  row = compare_processes(
      row, std::max(1, sides.rounds / 2),
      [&] {
        return seconds_of({sides.command, "train", "lenet5", "--data", folder, "--epochs", "1", "--threads", threads,
                           "--project", runs.string(), "--name", "whole", "--exist-ok", "--quiet"},
                          our_bytes);
      },
      [&] {
        return seconds_of({sides.python, sides.sources + "/bench/pytorch/lenet_job.py", folder, "--epochs", "1",
                           "--threads", threads},
                          their_bytes);
      });
  row.our_bytes = our_bytes;
  row.their_bytes = row.theirs > 0 ? their_bytes : 0;
  fs::remove_all(runs);
  return row;
}

}  // namespace narae::bench
