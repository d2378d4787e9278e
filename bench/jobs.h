#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace narae::bench {

/// A training step that can be repeated.
struct Job {
  std::string name;
  std::string description;
  std::vector<std::string> peer;       ///< arguments of bench/pytorch/train_step.py
  std::function<double()> first_loss;  ///< prepares the job; the loss of the first step
  std::function<double(int)> run;      ///< seconds a step
  std::vector<std::string> modes = {"eager", "channels_last", "compile"};  ///< of the peer
};

/// Jobs that have a peer in PyTorch. `weights` holds the first weights, pictures and labels of both sides.
[[nodiscard]] std::vector<Job> training_jobs(const std::string& weights);

/// Networks for photographs, for which memory matters: one step is enough.
[[nodiscard]] std::vector<Job> memory_jobs();

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
