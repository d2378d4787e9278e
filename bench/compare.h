#pragma once

#include <string>
#include <vector>

#include "bench/jobs.h"

namespace narae::bench {

/// How both sides are started.
struct Sides {
  std::string self;     ///< this program
  std::string command;  ///< narae
  std::string python;
  std::string sources;  ///< the project's folder
  int threads;
  int rounds;
};

/// One row of the table. Times are medians of the rounds, in seconds.
struct Row {
  std::string name, description;
  double must = 0, aim = 0;
  double ours = 0;
  double theirs = 0;      ///< 0: there was no PyTorch
  std::string mode = {};  ///< of PyTorch, the fastest
  double ratio = 0, lowest = 0, highest = 0;
  double flops = 0;                       ///< of a step; 0: not counted
  double our_bytes = 0, their_bytes = 0;  ///< peak of the process; 0: not measured
  bool timed = true;
  bool counts = true;      ///< in the chart and in the verdict
  std::string notes = {};  ///< what was measured besides, a sentence
};

/// A step of both sides, in rounds A B A B ... of processes that stay alive: the machine's speed drifts, so ratios are
/// taken round by round. Throws Error when the first results differ: then they don't do the same work.
[[nodiscard]] Row compare_steps(const Job& job, const Sides& sides);

/// The MLP's step while another process keeps one core busy. The notes tell how much longer than alone it takes.
[[nodiscard]] Row compare_with_busy_core(const Job& mlp, const Sides& sides);

/// From the start of a process to the end of the MLP's first training step.
[[nodiscard]] Row compare_cold_start(const Sides& sides);

/// The whole job: an epoch of LeNet-5 on the MNIST files in `folder`, and evaluation, as processes.
[[nodiscard]] Row compare_whole_job(const Sides& sides, const std::string& folder);

}  // namespace narae::bench
