#include "narae/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/train/batch_runner.h"
#include "narae/train/optimization.h"
#include "narae/train/task.h"

namespace narae {
namespace {

// A network in evaluation mode while this lives.
class Judged {
 public:
  explicit Judged(const nn::Module& model) : model_(model), training_(model.is_training()) { model.eval(); }
  Judged(const Judged&) = delete;
  Judged& operator=(const Judged&) = delete;
  ~Judged() { model_.train(training_); }

 private:
  const nn::Module& model_;
  bool training_;
};

// Collects the answers of one batch after the other.
class Record {
 public:
  explicit Record(const Task& task = task_of("classify")) : task_(task) {}

  void add(double mean_loss, const Array& answers, const Array& labels) {
    if (task_.answers == Answers::sample_classes) {
      add(mean_loss, answers, probabilities_of(answers), labels);
    } else {
      add_answers(tally_, task_, mean_loss, answers, labels);
      if (task_.answers != Answers::numbers) return;
      const auto numbers = answers.values<float>();
      result_.numbers.insert(result_.numbers.end(), numbers.begin(), numbers.end());
    }
  }
  // `scores`, f32 (batch, classes), order the classes; `probabilities` belong to them.
  void add(double mean_loss, const Array& scores, const Array& probabilities, const Array& labels) {
    tally_.add(mean_loss, scores, labels);
    const std::int64_t classes = scores.shape[1];
    if (result_.confusion.shape.rank() == 0) result_.confusion = Array::zeros(DType::i64, {classes, classes});
    const auto width = static_cast<std::size_t>(classes);
    const auto counts = result_.confusion.mutable_values<std::int64_t>();
    for (std::size_t i = 0; i < static_cast<std::size_t>(scores.shape[0]); ++i) {
      const auto row = scores.values<float>().subspan(i * width, width);
      const std::int64_t truth = labels.values<std::int64_t>()[i];
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      const float probability = probabilities.values<float>()[i * width + static_cast<std::size_t>(best)];
      result_.answers.push_back({.predicted = best, .probability = probability});
      result_.labels.push_back(truth);
      result_.ranks.push_back(rank_of(row, truth));
      ++counts[static_cast<std::size_t>(truth * classes + best)];
    }
  }
  Evaluation take() {
    result_.scores = tally_.scores();
    return std::move(result_);
  }

 private:
  const Task& task_;
  Evaluation result_;
  Tally tally_;
};

// Adds a network's probabilities for one batch, divided by the number of networks.
void add_probabilities(const nn::Module& model, const Batch& batch, double share, Array& sum) {
  const Tensor logits = BatchRunner(model, task_of("classify")).answers(batch).front().logits;
  const Array probabilities = probabilities_of(logits.array());
  if (sum.shape.rank() == 0) sum = Array::zeros(DType::f32, probabilities.shape);
  if (!(sum.shape == probabilities.shape)) {
    throw Error("ensemble: one network gives " + to_string(probabilities.shape) + " answers, the others " +
                to_string(sum.shape));
  }
  const auto from = probabilities.values<float>();
  const auto to = sum.mutable_values<float>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += static_cast<float>(share * static_cast<double>(from[i]));
}

double mean_surprise(const Array& probabilities, const Array& labels) {
  const auto rows = static_cast<std::size_t>(probabilities.shape[0]);
  const auto classes = static_cast<std::size_t>(probabilities.shape[1]);
  double sum = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const auto truth = static_cast<std::size_t>(labels.values<std::int64_t>()[i]);
    const float p = probabilities.values<float>()[i * classes + truth];
    sum -= std::log(std::max(p, std::numeric_limits<float>::min()));
  }
  return sum / static_cast<double>(rows);
}

bool same_numbers(const Array& a, const Array& b) {
  return a.shape == b.shape && std::ranges::equal(a.values<std::int64_t>(), b.values<std::int64_t>());
}

// Whether labels and, of texts, tokens are those of the first network's batch.
bool same_samples(const Batch& a, const Batch& b) {
  if (!same_numbers(a.label, b.label)) return false;
  return a.image.dtype != DType::i64 || same_numbers(a.image, b.image);
}

}  // namespace

double top_accuracy(const Evaluation& evaluation, std::int64_t k) {
  const std::int64_t classes = evaluation.confusion.shape.rank() == 0 ? 0 : evaluation.confusion.shape[0];
  if (k < 1 || k > classes) {
    throw UsageError("the top " + std::to_string(k) + " of " + std::to_string(classes) +
                     " classes: give a number from 1 to " + std::to_string(classes));
  }
  const auto hits =
      std::count_if(evaluation.ranks.begin(), evaluation.ranks.end(), [&](auto rank) { return rank < k; });
  return static_cast<double>(hits) / static_cast<double>(evaluation.ranks.size());
}

Evaluation evaluate(const nn::Module& model, Loader& loader, const Recipe& recipe) {
  const NoGrad no_grad;
  const Judged judged(model);
  const Task& task = task_of(recipe.task);
  Record record(task);
  BatchRunner runner(model, task);
  for (const Batch& batch : loader) {
    const Tensor logits = runner.answers(batch).front().logits;
    const Tensor loss = task_loss(task, recipe.train, logits, batch.label, false);
    const Tensor answers = looks_at_answers(task) ? logits : loss;
    // What is carried on is computed with them: the loss alone needs no LSTM's cell, and each batch would begin at the
    // text's beginning again.
    std::vector<Tensor> wanted = runner.state();
    wanted.insert(wanted.end(), {answers, loss});
    eval(wanted);
    record.add(loss.item(), answers.array(), batch.label);
  }
  return record.take();
}

Evaluation evaluate(std::span<const Member> members) {
  if (members.empty()) throw Error("ensemble: there is no network to ask");
  const NoGrad no_grad;
  const double share = 1 / static_cast<double>(members.size());
  Record record;
  for (;;) {
    std::optional<Batch> first;
    Array mean;
    for (const Member& member : members) {
      const Judged judged(*member.model);
      const std::optional<Batch> batch = member.loader->next();
      if (!first && !batch) return record.take();
      if (!first) first = batch;
      if (!batch || !same_samples(*batch, *first)) {
        throw Error("ensemble: the networks are not given the same samples");
      }
      add_probabilities(*member.model, *batch, share, mean);
    }
    record.add(mean_surprise(mean, first->label), mean, mean, first->label);
  }
}

}  // namespace narae
