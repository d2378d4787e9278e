#include "bench/be_peer.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>

#include "narae/core/error.h"
#include "narae/graph/profile.h"

namespace narae::bench {
namespace {

double peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

// As the operators define them: a convolution by Winograd's algorithm counts as a direct one.
double flops_of_step(const Job& job) {
  const Profile profile;
  static_cast<void>(job.run(1));
  double flops = 0;
  for (const ProfiledStep& step : profile.steps()) flops += step.flops;
  return flops;
}

double answer(const Job& job, const std::string& question) {
  if (question == "memory") return peak_bytes();
  if (question == "flops") return flops_of_step(job);
  if (question.starts_with("run ")) return job.run(std::max(1, std::atoi(question.c_str() + 4)));
  throw Error("bench: expected `run N`, `memory` or `flops`, got '" + question + "'");
}

}  // namespace

void be_peer(const Job& job, int warm_up) {
  const double first = job.first();
  job.warm_up(warm_up < 0 ? job.warm_up_steps : warm_up);
  fmt::print("ready {:.8f}\n", first);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    fmt::print("{:.9f}\n", answer(job, line));
    std::fflush(stdout);
  }
}

}  // namespace narae::bench
