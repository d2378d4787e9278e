#pragma once

#include <cstdint>
#include <string>

#include "narae/nn/linear.h"
#include "narae/nn/recurrent.h"
#include "narae/nn/sequence.h"

namespace narae::models {

struct RecurrentRegressorOptions {
  std::string cell = "lstm";  ///< see make_layers
  std::int64_t hidden = 64;
  std::int64_t layers = 1;
  double dropout = 0;                   ///< between layers
  std::string first_weights = "usual";  ///< of the recurrent matrices: "usual", "identity", "orthogonal"
  double input_range = 0;  ///< first input weights from a normal distribution of this deviation; 0: the usual ones
  /// What is found is added to the last column's last value ("last"), or to its values one season before ("season").
  std::string residual = "none";
  std::int64_t season = 0;  ///< steps of a season
};

/// Numbers for a sequence of vectors, from the state after its last step: (batch, steps, features) -> (batch,
/// outputs). The several steps of a forecast are all found at once. Parameters `rnn.*`, `fc.*`.
class NARAE_API RecurrentRegressor : public nn::SequenceModule {
 public:
  /// Throws UsageError for a season that is longer than the window.
  RecurrentRegressor(std::int64_t window, std::int64_t features, std::int64_t outputs,
                     const RecurrentRegressorOptions& options = {});
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override;

 private:
  [[nodiscard]] Tensor known_before(const Tensor& x) const;

  std::int64_t outputs_;
  std::int64_t season_;  // 1: the last value; 0: nothing is added
  nn::Recurrent rnn_;
  nn::Linear fc_;
};

}  // namespace narae::models
