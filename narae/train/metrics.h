#pragma once

#include <cstdint>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"

namespace narae {

/// How well a classifier does on some samples.
struct Scores {
  double loss = 0;      ///< mean over samples
  double accuracy = 0;  ///< share of right answers, 0 to 1
  std::int64_t samples = 0;
};

/// Adds up the scores of batches. A plain value, which a checkpoint keeps.
struct Tally {
  double loss_sum = 0;
  std::int64_t correct = 0;
  std::int64_t samples = 0;

  /// `mean_loss` of a batch, its logits f32 (batch, classes) and labels i64 (batch), or f32 (batch, classes) for shares
  /// of classes: right is then the class with the largest share.
  void add(double mean_loss, const Array& logits, const Array& labels);
  [[nodiscard]] Scores scores() const;
};

/// What a classifier says about a sample.
struct Answer {
  std::int64_t predicted = 0;
  float probability = 0;
};

/// The class with the largest logit of each row, with its softmax probability. `logits`: f32 (batch, classes).
[[nodiscard]] NARAE_API std::vector<Answer> answers_of(const Array& logits);

/// softmax(logits) row by row: f32 (batch, classes).
[[nodiscard]] NARAE_API Array probabilities_of(const Array& logits);

}  // namespace narae
