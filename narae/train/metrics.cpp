#include "narae/train/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace narae {
namespace {

std::span<const float> row_of(const Array& logits, std::int64_t row) {
  const auto classes = static_cast<std::size_t>(logits.shape[1]);
  return logits.values<float>().subspan(static_cast<std::size_t>(row) * classes, classes);
}

std::int64_t largest_in(std::span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

}  // namespace

std::string loss_text(double loss) {
  constexpr double large = 1e6;
  return std::abs(loss) < large ? fmt::format("{:.4f}", loss) : fmt::format("{:.3g}", loss);
}

void Tally::add(double mean_loss, const Array& logits, const Array& labels) {
  const std::int64_t batch = logits.shape[0];
  loss_sum += mean_loss * static_cast<double>(batch);
  samples += batch;
  const bool soft = labels.dtype == DType::f32;
  const bool counts_top5 = logits.shape[1] > classes_without_top5;
  for (std::int64_t i = 0; i < batch; ++i) {
    const std::int64_t truth =
        soft ? largest_in(row_of(labels, i)) : labels.values<std::int64_t>()[static_cast<std::size_t>(i)];
    const std::int64_t rank = rank_of(row_of(logits, i), truth);
    correct += rank == 0 ? 1 : 0;
    if (counts_top5) in_top5 = in_top5.value_or(0) + (rank < 5 ? 1 : 0);
  }
}

void Tally::add_positions(double mean_loss, const Array& logits, const Array& labels) {
  const auto classes = static_cast<std::size_t>(logits.shape[2]);
  const auto truths = labels.values<std::int64_t>();
  std::int64_t counted = 0;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    if (truths[i] < 0) continue;
    ++counted;
    correct += rank_of(logits.values<float>().subspan(i * classes, classes), truths[i]) == 0 ? 1 : 0;
  }
  add_loss(mean_loss, counted);
}

void Tally::add_numbers(double mean_loss, const Array& numbers, const Array& labels) {
  const auto found = numbers.values<float>();
  const auto wanted = labels.values<float>();
  double sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) sum += std::abs(static_cast<double>(found[i]) - wanted[i]);
  error_sum += sum * static_cast<double>(labels.shape[0]) / static_cast<double>(found.size());
  add_loss(mean_loss, labels.shape[0]);
}

void Tally::add_loss(double mean_loss, std::int64_t count) {
  if (count == 0) return;  // the mean of nothing is not a number
  loss_sum += mean_loss * static_cast<double>(count);
  samples += count;
}

Scores Tally::scores() const {
  if (samples == 0) return {};
  const auto count = static_cast<double>(samples);
  Scores scores{.loss = loss_sum / count, .accuracy = static_cast<double>(correct) / count, .samples = samples};
  scores.absolute_error = error_sum / count;
  if (in_top5) scores.top5 = static_cast<double>(*in_top5) / count;
  return scores;
}

// A score that is not a number is above all others: a class is then not counted as recognised.
std::int64_t rank_of(std::span<const float> scores, std::int64_t truth) {
  const auto own = static_cast<std::size_t>(truth);
  std::int64_t rank = 0;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    if (c == own) continue;
    const bool not_above = scores[c] <= scores[own];
    if (!not_above || (c < own && scores[c] == scores[own])) ++rank;
  }
  return rank;
}

std::vector<ClassScores> class_scores(const Array& confusion) {
  const auto classes = static_cast<std::size_t>(confusion.shape[0]);
  const auto counts = confusion.values<std::int64_t>();
  const auto quotient = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  std::vector<ClassScores> result;
  for (std::size_t c = 0; c < classes; ++c) {
    std::int64_t samples = 0;
    std::int64_t answers = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      samples += counts[c * classes + k];
      answers += counts[k * classes + c];
    }
    const auto right = static_cast<double>(counts[c * classes + c]);
    result.push_back({.precision = quotient(right, static_cast<double>(answers)),
                      .recall = quotient(right, static_cast<double>(samples)),
                      .f1 = quotient(2 * right, static_cast<double>(samples + answers)),
                      .support = samples});
  }
  return result;
}

ClassScores mean_of(std::span<const ClassScores> classes) {
  ClassScores mean;
  double count = 0;
  for (const ClassScores& c : classes) {
    if (c.support == 0) continue;
    mean.precision += c.precision;
    mean.recall += c.recall;
    mean.f1 += c.f1;
    mean.support += c.support;
    ++count;
  }
  if (count == 0) return mean;
  mean.precision /= count;
  mean.recall /= count;
  mean.f1 /= count;
  return mean;
}

Array probabilities_of(const Array& logits) {
  Array result = Array::empty(DType::f32, logits.shape);
  const auto classes = static_cast<std::size_t>(logits.shape[1]);
  for (std::int64_t i = 0; i < logits.shape[0]; ++i) {
    const auto from = row_of(logits, i);
    const auto to = result.mutable_values<float>().subspan(static_cast<std::size_t>(i) * classes, classes);
    const float largest = *std::max_element(from.begin(), from.end());
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += to[c] = std::exp(from[c] - largest);
    for (float& p : to) p = static_cast<float>(p / sum);
  }
  return result;
}

std::vector<Answer> answers_of(const Array& logits) {
  const Array probabilities = probabilities_of(logits);
  std::vector<Answer> answers;
  for (std::int64_t i = 0; i < logits.shape[0]; ++i) {
    const auto row = row_of(logits, i);
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    answers.push_back({.predicted = best, .probability = row_of(probabilities, i)[static_cast<std::size_t>(best)]});
  }
  return answers;
}

}  // namespace narae
