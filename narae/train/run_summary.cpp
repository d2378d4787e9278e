#include "narae/train/run_summary.h"

#include <fmt/format.h>

#include "narae/core/buffer.h"
#include "narae/train/summary.h"

namespace narae {
namespace {

std::string scores_text(const Scores& scores) {
  const std::string top5 = scores.top5 ? fmt::format(", top 5 {:.2f} %", 100 * *scores.top5) : "";
  return fmt::format("accuracy {:.2f} %{}, loss {} ({} samples)", 100 * scores.accuracy, top5, loss_text(scores.loss),
                     scores.samples);
}

}  // namespace

std::string run_summary(const Recipe& recipe, const models::ModelConfig& config, const nn::Module& model,
                        const TrainResult& result) {
  const Conditions conditions = current_conditions();
  std::string text = fmt::format("{}: {} on {}\n\n", recipe.name, recipe.model.name, recipe.data.name);
  text += fmt::format("epochs       {} of {}{}, {} steps\n", result.epochs, recipe.train.epochs,
                      result.stopped_early ? " (stopped for lack of progress)" : "", result.steps);
  text += fmt::format("last epoch   {}: {}\n", result.judged, scores_text(result.last));
  text += fmt::format("best epoch   {}, {}: {}\n", result.best.epoch, result.judged, scores_text(result.best.scores));
  if (result.test) text += fmt::format("best weights test: {}\n", scores_text(*result.test));
  text += fmt::format("weights      {} (hash of weights/last.safetensors)\n", result.weights);
  text += fmt::format("time         {} of training\n", clock_text(result.seconds));
  text += fmt::format("memory       {} at most\n", readable_bytes(memory_use().peak));
  text += fmt::format("ran on       narae {}, {} threads, {}\n\n", conditions.version, conditions.threads,
                      conditions.instruction_set);
  return text + to_text(summarize(model, batched(1, config.model.input)));
}

std::string headline(const TrainResult& result) {
  std::string text = result.run.string() + "  ";
  if (result.interrupted) text += fmt::format("interrupted after {} steps  ", result.steps);
  if (result.epochs > 0) {
    if (result.test) {
      text += fmt::format("accuracy {:.2f} % (test, best weights)  validation ", 100 * result.test->accuracy);
    }
    text += fmt::format("accuracy {:.2f} %", 100 * result.last.accuracy);
    if (result.best.scores.accuracy > result.last.accuracy) {
      text += fmt::format(" (best {:.2f} % in epoch {})", 100 * result.best.scores.accuracy, result.best.epoch);
    }
    text += "  ";
  }
  return text + "weights " + result.weights;
}

}  // namespace narae
