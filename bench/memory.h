#pragma once

#include <string>

namespace narae::bench {

/// Answers like bench/pytorch/train_step.py, for the job of memory_jobs() of that `name`, until `quit` or the end of
/// the input.
void be_peer(const std::string& name);

/// What one training step of large networks occupies at its peak, ours and PyTorch's, each in a process of its own.
/// `self` is this program.
void compare_memory(const std::string& self, const std::string& python, const std::string& sources, int threads);

}  // namespace narae::bench
