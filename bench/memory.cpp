#include "bench/memory.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <optional>

#include "bench/jobs.h"
#include "bench/peer.h"
#include "narae/core/error.h"

namespace narae::bench {
namespace {

double peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

struct Peak {
  double loss = 0;
  double bytes = 0;
};

// Of three steps: the first one makes the optimiser's state, the second one needs all of it.
std::optional<Peak> peak_of(const std::vector<std::string>& command) {
  Peer peer(command);
  if (!peer.started()) return std::nullopt;
  static_cast<void>(peer.run(2));
  return Peak{peer.first_loss(), peer.memory()};
}

}  // namespace

void be_peer(const std::string& name) {
  const std::vector<Job> jobs = memory_jobs();
  const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const Job& j) { return j.name == name; });
  if (job == jobs.end()) throw UsageError("bench: --peer knows no job '" + name + "'");
  fmt::print("ready {:.8f}\n", job->first_loss());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    fmt::print("{:.9f}\n", line == "memory" ? peak_bytes() : job->run(std::max(1, std::atoi(line.c_str() + 4))));
    std::fflush(stdout);
  }
}

void compare_memory(const std::string& self, const std::string& python, const std::string& sources, int threads) {
  const std::string count = std::to_string(threads);
  fmt::print("peak memory of a process that trains, {} threads; PyTorch's is that of its best mode\n", threads);
  for (const Job& job : memory_jobs()) {
    const auto ours = peak_of({self, "--peer", job.name, "--threads", count});
    if (!ours) throw Error("bench: " + job.name + ": our own step failed");
    std::optional<Peak> theirs;
    std::string best;
    for (const char* mode : {"eager", "channels_last"}) {
      const auto peak = peak_of({python, sources + "/bench/pytorch/train_step.py", job.name, "--mode", mode,
                                 "--threads", count, "--warm-up", "0"});
      if (!peak) continue;
      if (std::abs(peak->loss - ours->loss) > 1e-3 * std::abs(ours->loss)) {
        throw Error(fmt::format("bench: {}: our first loss is {:.6f}, PyTorch's {:.6f}: they don't do the same work",
                                job.name, ours->loss, peak->loss));
      }
      if (!theirs || peak->bytes < theirs->bytes) {
        theirs = peak;
        best = mode;
      }
    }
    fmt::print("{:10} {:6.2f} GB", job.name, ours->bytes / 1e9);
    if (theirs)
      fmt::print("   {:6.2f} GB  {:14} {:5.2f} of it", theirs->bytes / 1e9, best, ours->bytes / theirs->bytes);
    fmt::print("   {}\n", job.description);
  }
}

}  // namespace narae::bench
