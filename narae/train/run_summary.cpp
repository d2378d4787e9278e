#include "narae/train/run_summary.h"

#include <fmt/format.h>

#include "narae/core/buffer.h"
#include "narae/train/summary.h"
#include "narae/train/task.h"

namespace narae {
namespace {

std::string scores_text(const Task& task, const Scores& scores) {
  const std::string top5 = scores.top5 ? fmt::format(", top 5 {:.2f} %", 100 * *scores.top5) : "";
  return fmt::format("{}{}, loss {} ({} {})", metric_text(task, scores), top5, loss_text(scores.loss), scores.samples,
                     unit_of(task));
}

}  // namespace

std::string run_summary(const Recipe& recipe, const models::ModelConfig& config, const nn::Module& model,
                        const TrainResult& result) {
  const Conditions conditions = current_conditions();
  const Task& task = task_of(recipe.task);
  std::string text = fmt::format("{}: {} on {}\n\n", recipe.name, recipe.model.name, recipe.data.name);
  text += fmt::format("epochs       {} of {}{}, {} steps\n", result.epochs, recipe.train.epochs,
                      result.stopped_early ? " (stopped for lack of progress)" : "", result.steps);
  text += fmt::format("last epoch   {}: {}\n", result.judged, scores_text(task, result.last));
  text +=
      fmt::format("best epoch   {}, {}: {}\n", result.best.epoch, result.judged, scores_text(task, result.best.scores));
  if (result.test) text += fmt::format("best weights test: {}\n", scores_text(task, *result.test));
  text += fmt::format("weights      {} (hash of weights/last.safetensors)\n", result.weights);
  text += fmt::format("time         {} of training\n", clock_text(result.seconds));
  text += fmt::format("memory       {} at most\n", readable_bytes(memory_use().peak));
  text += fmt::format("ran on       narae {}, {} threads, {}\n\n", conditions.version, conditions.threads,
                      conditions.instruction_set);
  return text + to_text(summarize(model, batched(1, config.model.input), models::input_dtype(config.model)));
}

std::string headline(const TrainResult& result) {
  std::string text = result.run.string() + "  ";
  if (result.interrupted) text += fmt::format("interrupted after {} steps  ", result.steps);
  if (result.epochs > 0) {
    const Task& task = task_of(result.task);
    if (result.test) text += metric_text(task, *result.test) + " (test, best weights)  validation ";
    text += metric_text(task, result.last);
    if (is_better(task, result.best.scores, result.last)) {
      text += fmt::format(" (best {} in epoch {})", metric_value_text(task, metric_of(task, result.best.scores)),
                          result.best.epoch);
    }
    text += "  ";
  }
  return text + "weights " + result.weights;
}

}  // namespace narae
