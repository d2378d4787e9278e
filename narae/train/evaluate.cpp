#include "narae/train/evaluate.h"

#include "narae/graph/eval.h"
#include "narae/train/optimization.h"

namespace narae {

Evaluation evaluate(const nn::Module& model, Loader& loader, const TrainRecipe& recipe) {
  const NoGrad no_grad;
  const bool training = model.is_training();
  model.eval();
  Evaluation result;
  Tally tally;
  for (const auto& [image, label] : loader) {
    const Tensor logits = model(image);
    const Tensor loss = classification_loss(recipe, logits, label, false);
    eval({logits, loss});
    const Array values = logits.array();
    tally.add(loss.item(), values, label);
    const std::vector<Answer> answers = answers_of(values);
    result.answers.insert(result.answers.end(), answers.begin(), answers.end());
    const auto truth = label.values<std::int64_t>();
    result.labels.insert(result.labels.end(), truth.begin(), truth.end());
    if (result.confusion.shape.rank() == 0) {
      result.confusion = Array::zeros(DType::i64, {logits.size(1), logits.size(1)});
    }
  }
  model.train(training);
  result.scores = tally.scores();
  const std::int64_t classes = result.confusion.shape[0];
  const auto counts = result.confusion.mutable_values<std::int64_t>();
  for (std::size_t i = 0; i < result.labels.size(); ++i) {
    ++counts[static_cast<std::size_t>(result.labels[i] * classes + result.answers[i].predicted)];
  }
  return result;
}

}  // namespace narae
