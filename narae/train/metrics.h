#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"

namespace narae {

/// Whether the class is among the five that are held likeliest is told with more classes than this.
inline constexpr std::int64_t classes_without_top5 = 5;

/// How well a network does on some samples: tokens or positions where it answers for each of them.
struct Scores {
  double loss = 0;      ///< mean over samples
  double accuracy = 0;  ///< share of right answers, 0 to 1; 0 where they are no classes
  std::int64_t samples = 0;
  /// Share of samples whose class is among the five that are held likeliest; with more than five classes only.
  std::optional<double> top5 = {};
  double absolute_error = 0;  ///< mean over the numbers that were to be found
};

/// Adds up the scores of batches. A plain value, which a checkpoint keeps.
struct Tally {
  double loss_sum = 0;
  std::int64_t correct = 0;
  std::int64_t samples = 0;
  std::optional<std::int64_t> in_top5 = {};  ///< counted with more than five classes
  double error_sum = 0;                      ///< of the means over a sample's numbers

  /// `mean_loss` of a batch, its logits f32 (batch, classes) and labels i64 (batch), or f32 (batch, classes) for shares
  /// of classes: right is then the class with the largest share.
  void add(double mean_loss, const Array& logits, const Array& labels);
  /// Logits f32 (batch, steps, classes) and labels i64 (batch, steps), those of -1 left out, also of the mean.
  void add_positions(double mean_loss, const Array& logits, const Array& labels);
  /// Numbers f32 (batch, ...) and those that were to be found.
  void add_numbers(double mean_loss, const Array& numbers, const Array& labels);
  /// A mean over so many answers that are not looked at one by one.
  void add_loss(double mean_loss, std::int64_t count);
  [[nodiscard]] Scores scores() const;
};

/// A loss for people: "0.1234", or "4.29e+16" where more digits would say nothing.
[[nodiscard]] NARAE_API std::string loss_text(double loss);

/// Place of class `truth` among the scores of all classes, from 0 for the highest; of equal scores the lower class
/// comes first.
[[nodiscard]] NARAE_API std::int64_t rank_of(std::span<const float> scores, std::int64_t truth);

/// How a class fares among the answers of a classifier. A quotient is 0 where nothing is to be divided by.
struct ClassScores {
  double precision = 0;      ///< share of the answers "this class" that are right
  double recall = 0;         ///< share of the class's samples that are recognised
  double f1 = 0;             ///< harmonic mean of the two
  std::int64_t support = 0;  ///< samples of the class
};

/// One a class. `confusion`: i64 (classes, classes), true class by predicted class.
[[nodiscard]] NARAE_API std::vector<ClassScores> class_scores(const Array& confusion);
/// The mean over the classes that have samples ("macro average"), with the samples of all.
[[nodiscard]] NARAE_API ClassScores mean_of(std::span<const ClassScores> classes);

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
