#include "narae/train/metrics.h"

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

void Tally::add(double mean_loss, const Array& logits, const Array& labels) {
  const std::int64_t batch = logits.shape[0];
  loss_sum += mean_loss * static_cast<double>(batch);
  samples += batch;
  const bool soft = labels.dtype == DType::f32;
  for (std::int64_t i = 0; i < batch; ++i) {
    const std::int64_t truth =
        soft ? largest_in(row_of(labels, i)) : labels.values<std::int64_t>()[static_cast<std::size_t>(i)];
    correct += largest_in(row_of(logits, i)) == truth ? 1 : 0;
  }
}

Scores Tally::scores() const {
  if (samples == 0) return {};
  const auto count = static_cast<double>(samples);
  return {.loss = loss_sum / count, .accuracy = static_cast<double>(correct) / count, .samples = samples};
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
