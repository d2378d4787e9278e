#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/loader.h"
#include "narae/nn/module.h"
#include "narae/ops/random.h"
#include "narae/optim/optimizer.h"
#include "narae/optim/schedule.h"
#include "narae/train/metrics.h"

namespace narae {

/// What the bits of a run depend on besides its recipe.
struct Conditions {
  std::string version;  ///< of the library
  int threads = 1;
  std::string instruction_set;        ///< "x86-64", "avx2", "avx512", "avx512+amx"
  std::vector<std::string> switches;  ///< environment variables that change how the library computes
};
/// Those of this process.
[[nodiscard]] NARAE_API Conditions current_conditions();
/// "threads 2 -> 1, ..."; empty when nothing differs.
[[nodiscard]] NARAE_API std::string difference(const Conditions& before, const Conditions& now);

/// An epoch that was the best so far; number 0: none yet.
struct BestEpoch {
  std::int64_t epoch = 0;
  Scores scores;
};

/// Where a training run stands, besides model and optimiser.
struct TrainState {
  std::int64_t step = 0;  ///< updates made
  LoaderState loader;     ///< the batch that comes next; its epoch counts the finished ones
  RandomState random;
  Tally epoch_tally;  ///< of the epoch under way
  Scores last;        ///< of the last finished epoch
  BestEpoch best;
  optim::NamedNumbers stopping;  ///< of early stopping
  optim::NamedNumbers schedule;
  std::uint64_t results_bytes = 0;  ///< lengths of the tables, which are cut back to them
  std::uint64_t steps_bytes = 0;
  double seconds = 0;  ///< spent training
  Conditions conditions;
};

/// Saves folder/NNNNNN (the step, six digits or more): written to a temporary folder, synced and renamed, so that it is
/// there whole or not at all. `average`: a network with the average of the weights, if there is one; `carried`: what
/// the network hands on to the next batch. Older ones beyond the newest `keep` are removed. Throws Error when it can't
/// be written; what was there stays.
NARAE_API void save_checkpoint(const std::filesystem::path& folder, const TrainState& state, const nn::Module& model,
                               const optim::Optimizer& optimizer, std::int64_t keep,
                               const nn::Module* average = nullptr, const nn::StateDict& carried = {});

/// The checkpoints in a folder, oldest first.
[[nodiscard]] NARAE_API std::vector<std::filesystem::path> checkpoints_in(const std::filesystem::path& folder);

/// Gives model, optimiser, average and `carried` what the newest checkpoint holds and returns where the run stood;
/// nothing when there is no checkpoint. One that can't be read is reported to `warn`, renamed, and the one before is
/// taken. Throws Error when none can be read. Removes what a killed process left half-written.
[[nodiscard]] NARAE_API std::optional<TrainState> load_checkpoint(const std::filesystem::path& folder,
                                                                  const nn::Module& model, optim::Optimizer& optimizer,
                                                                  const std::function<void(const std::string&)>& warn,
                                                                  const nn::Module* average = nullptr,
                                                                  nn::StateDict* carried = nullptr);

}  // namespace narae
