#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace narae::bench {

/// Work that can be repeated: a training step, an answer, a text.
struct Job {
  std::string name;
  std::string description;
  double must = 0;                   ///< times as fast as PyTorch that it has to be; 0: nothing is asked
  double aim = 0;                    ///< and that we want
  std::function<double()> first;     ///< prepares the job; the loss of the first step, or another number of its result
  std::function<void(int)> warm_up;  ///< so many more steps
  std::function<double(int)> run;    ///< seconds a step
  int warm_up_steps = 2;
  double tolerance = 1e-4;                                                 ///< of the first results, between both sides
  std::vector<std::string> modes = {"eager", "channels_last", "compile"};  ///< of the peer
  std::vector<std::string> rivals = {};  ///< modes of the peer that are no PyTorch: told beside the row
  bool timed = true;                     ///< a row of the table; otherwise for its memory alone
};

/// Jobs that have a peer in PyTorch (bench/pytorch/train_step.py, by the same names). `weights` holds the first
/// weights, pictures and labels of both sides for the small ones.
[[nodiscard]] std::vector<Job> jobs_with_peers(const std::string& weights);

/// Forward and backward pass of an LSTM (128 units, batch 32) over sequences of 32 to 1,024 time steps.
struct StepTime {
  std::int64_t steps;
  double seconds;  ///< the fastest of some rounds
};
[[nodiscard]] std::vector<StepTime> measure_lengths(int rounds);

/// One sequence that a GPT (6 layers, width 384, 5,000 words, context 1,024) goes on with, token by token.
struct TokenTime {
  std::int64_t cached;  ///< tokens whose keys and values are there
  double seconds;       ///< of a token, the median
};
[[nodiscard]] std::vector<TokenTime> measure_tokens();

/// What writing, keying and freeing one node of a graph costs, in nanoseconds.
struct NodeCost {
  double write, key, release;
};
[[nodiscard]] NodeCost measure_node_cost();

}  // namespace narae::bench
