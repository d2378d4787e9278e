#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace narae::bench {

/// Another program that times its own rounds: after a warm-up it prints `ready <loss>`, then it answers `run N` with
/// the seconds that one of N steps took and `memory` with its peak in bytes (bench/pytorch/train_step.py; be_peer.h).
class Peer {
 public:
  /// Starts `command`. `started()` is false when it could not or ended before it was ready.
  explicit Peer(const std::vector<std::string>& command);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] bool started() const { return ready_; }
  [[nodiscard]] double first_loss() const { return first_loss_; }
  /// Seconds a step.
  [[nodiscard]] double run(int steps);
  /// Bytes that the process occupied at its peak.
  [[nodiscard]] double memory();
  /// Floating-point operations of a step; this program alone knows.
  [[nodiscard]] double flops();

  /// The number that it answers a line with.
  [[nodiscard]] double ask(const std::string& question);

 private:
  [[nodiscard]] std::string read_line() const;

  pid_t process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  bool ready_ = false;
  double first_loss_ = 0;
};

}  // namespace narae::bench
