#include "narae/train/trainer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/graph/grad.h"
#include "narae/ops/elementwise.h"
#include "narae/train/append_file.h"
#include "narae/train/evaluate.h"
#include "narae/train/optimization.h"
#include "narae/train/run_folder.h"
#include "narae/train/run_pictures.h"
#include "narae/train/run_summary.h"
#include "narae/train/task_data.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::string_view results_header = "epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds\n";
constexpr std::string_view steps_header = "step,epoch,loss,lr,grad_norm\n";

// "features,fc.weight" taken apart at the commas.
std::vector<std::string> patterns_of(std::string_view list) {
  std::vector<std::string> patterns;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) patterns.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return patterns;
}

std::shared_ptr<nn::Module> make_network(const Recipe& recipe, const models::ModelConfig& config) {
  manual_seed(static_cast<std::uint64_t>(recipe.train.seed));
  std::shared_ptr<nn::Module> model = models::make_model(config.model);
  const TrainRecipe& train = recipe.train;
  if (!train.weights.empty()) {
    load_weights(train.weights, *model, patterns_of(train.fresh));
  } else if (!train.fresh.empty()) {
    throw UsageError("train.fresh = '" + train.fresh + "' says what train.weights is not read for, but there is none");
  }
  for (const std::string& pattern : patterns_of(train.freeze)) model->freeze(pattern);
  if (model->parameters().empty()) {
    throw UsageError("train.freeze = '" + recipe.train.freeze + "' leaves no parameter to be trained");
  }
  return model;
}

std::unique_ptr<optim::EarlyStopping> make_stopping(const TrainRecipe& recipe) {
  if (recipe.patience == 0) return nullptr;
  return std::make_unique<optim::EarlyStopping>(optim::EarlyStoppingOptions{
      .patience = recipe.patience, .min_delta = recipe.min_delta, .mode = optim::Mode::max});
}

RunFolder make_folder(const Recipe& recipe, const TrainOptions& options) {
  if (!options.resume.empty()) return RunFolder::open(options.resume);
  return RunFolder::create(options.project, recipe.name, options.name, options.exist_ok);
}

// One training run from its recipe to its last file.
class Trainer {
 public:
  Trainer(const Recipe& recipe, const TrainOptions& options, TaskData data)
      : recipe_(recipe),
        options_(options),
        data_(std::move(data)),
        config_(model_config(recipe, data_.train)),
        model_(make_network(recipe, config_)),
        parameters_(model_->parameters()),
        optimizer_(make_optimizer(recipe.train, parameters_)),
        loader_(training_loader(recipe, data_.train)),
        judge_(evaluation_loader(config_, data_.judged, recipe.data.workers)),
        rate_(recipe.train, loader_.batches()),
        stopping_(make_stopping(recipe.train)),
        folder_(make_folder(recipe, options)),
        progress_(options.progress) {}

  TrainResult run() {
    start();
    while (state_.loader.epoch < recipe_.train.epochs && !stopped_early() && !interrupted()) {
      if (train_epoch()) finish_epoch();
    }
    return finish();
  }

 private:
  // The rest of the epoch that the loader stands in. False when it was left in the middle.
  bool train_epoch() {
    const std::int64_t epoch = loader_.state().epoch;
    const std::int64_t batches = loader_.batches();
    progress_.begin({.number = epoch + 1,
                     .epochs = recipe_.train.epochs,
                     .steps = batches,
                     .batch_size = recipe_.train.batch_size});
    model_->train();
    for (const auto& [image, label] : loader_) {
      const double lr = rate_(state_.step);
      optimizer_->set_lr(lr);
      const std::vector<nn::TrainingOutput> outputs = model_->training_outputs(image);
      const Tensor loss = training_loss(recipe_.train, outputs, label);
      const Tensor penalty = loss_penalty(recipe_.train, parameters_);
      const optim::StepResult result = optimizer_->step(grad(penalty.defined() ? loss + penalty : loss, parameters_));
      if (!result.applied) stop_at_non_finite(epoch, result.first_non_finite);

      ++state_.step;
      state_.epoch_tally.add(loss.item(), outputs.front().logits.array(), label);
      steps_->write(fmt::format("{},{},{},{},{}\n", state_.step, epoch + 1, loss.item(), lr, result.gradient_norm()));
      progress_.step(loader_.state().batch, state_.epoch_tally.scores().loss);
      // At an epoch's last batch its end follows at once, with a checkpoint of its own.
      if (loader_.state().batch == batches) continue;
      if (interrupted()) {
        save(loader_.state());
        return false;
      }
      if (recipe_.train.save_every > 0 && state_.step % recipe_.train.save_every == 0) save(loader_.state());
    }
    return true;
  }

  void finish_epoch() {
    const Scores trained = state_.epoch_tally.scores();
    state_.last = evaluate(*model_, judge_, recipe_.train).scores;
    const std::int64_t epoch = state_.loader.epoch + 1;
    const double lr = optimizer_->lr();
    rate_.report(state_.last.loss);
    if (stopping_) stopping_->report(state_.last.accuracy);
    const bool better = state_.best.epoch == 0 || state_.last.accuracy > state_.best.scores.accuracy;
    if (better) state_.best = {.epoch = epoch, .scores = state_.last};
    state_.epoch_tally = {};
    results_->write(fmt::format("{},{},{},{},{},{},{},{:.3f}\n", epoch, state_.step, trained.loss, trained.accuracy,
                                state_.last.loss, state_.last.accuracy, lr, seconds()));
    save(loader_.state());
    save_weights_of_epoch();
    say(fmt::format("epoch {}/{}  loss {:.4f}  accuracy {:.2f} %  {} loss {:.4f}  {} accuracy {:.2f} %  {}{}", epoch,
                    recipe_.train.epochs, trained.loss, 100 * trained.accuracy, judged(), state_.last.loss, judged(),
                    100 * state_.last.accuracy, clock_text(seconds()), better ? "  best" : ""));
    draw_curves(folder_.path(), {.title = title(), .judged = judged(), .steps_per_epoch = loader_.batches()});
  }

  // Beside a checkpoint at the end of an epoch, and again when the run goes on from one: whatever happened between the
  // checkpoint and these files is made good.
  void save_weights_of_epoch() {
    save_weights(folder_.weights("last"), *model_);
    if (state_.best.epoch == state_.loader.epoch) save_weights(folder_.weights("best"), *model_);
  }

  void start() {
    const std::vector<std::string> remarks = restore();
    results_.emplace(folder_.file("results.csv"));
    steps_.emplace(folder_.file("steps.csv"));
    log_.emplace(folder_.file("log.txt"));
    write_file(folder_.file("recipe.toml"), to_toml(recipe_));
    write_file(folder_.file("config.json"), models::to_json(config_));
    cut_back(*results_, state_.results_bytes, results_header);
    cut_back(*steps_, state_.steps_bytes, steps_header);
    begun_ = Clock::now();
    say(fmt::format("{}: {} parameters, {} training and {} {} samples of {}, seed {}, {} threads",
                    folder_.path().string(), model_->parameter_count(), data_.train.size(), data_.judged.size(),
                    judged(), recipe_.data.name, recipe_.train.seed, current_conditions().threads));
    if (rate_.warmup_steps() < recipe_.train.schedule.warmup_steps) {
      say(fmt::format("the run is short: its warm-up has {} steps instead of {}", rate_.warmup_steps(),
                      recipe_.train.schedule.warmup_steps));
    }
    for (const std::string& remark : remarks) say(remark);
  }

  // Goes on from the newest checkpoint if there is one. Returns what is to be said about it.
  std::vector<std::string> restore() {
    std::vector<std::string> remarks;
    if (options_.resume.empty()) return remarks;
    const auto warn = [&](const std::string& text) { remarks.push_back(text); };
    const std::optional<TrainState> saved = load_checkpoint(folder_.checkpoints(), *model_, *optimizer_, warn);
    if (!saved) {
      folder_.clear();
      remarks.emplace_back("there is no checkpoint to go on from yet: the run begins anew");
      return remarks;
    }
    state_ = *saved;
    loader_.restore(state_.loader);
    set_random_state(state_.random);
    rate_.load_state(state_.schedule);
    if (stopping_ && !state_.stopping.empty()) stopping_->load_state(state_.stopping);
    if (state_.loader.batch == 0) save_weights_of_epoch();
    remarks.push_back(fmt::format("resumed after {} steps, {} epochs", state_.step, state_.loader.epoch));
    if (const std::string changed = difference(state_.conditions, current_conditions()); !changed.empty()) {
      remarks.push_back("resumed under other conditions (" + changed +
                        "): the weights may differ in their last bits from those of an undisturbed run");
    }
    return remarks;
  }

  // A table as it was at the checkpoint; its first line when there was none.
  void cut_back(AppendFile& table, std::uint64_t bytes, std::string_view header) {
    if (table.size() < bytes) say("a table is shorter than at the checkpoint: rows are missing");
    table.cut(bytes);
    if (table.size() == 0) table.write(header);
  }

  void save(const LoaderState& position) {
    results_->sync();
    steps_->sync();
    state_.loader = position;
    state_.random = random_state();
    state_.stopping = stopping_ ? stopping_->state() : optim::NamedNumbers{};
    state_.schedule = rate_.state();
    state_.results_bytes = results_->size();
    state_.steps_bytes = steps_->size();
    state_.conditions = current_conditions();
    TrainState saved = state_;
    saved.seconds = seconds();
    save_checkpoint(folder_.checkpoints(), saved, *model_, *optimizer_, recipe_.train.keep_checkpoints);
  }

  [[noreturn]] void stop_at_non_finite(std::int64_t epoch, const std::string& where) {
    progress_.clear();
    save_weights(folder_.weights("last"), *model_);  // the update was not made
    const std::string message = fmt::format(
        "step {} (epoch {}): the loss or a gradient is no longer finite, first in {}. The update was not made; the "
        "weights before it are in {}. A lower train.optimizer.lr, a warm-up or train.clip_norm helps; "
        "--resume goes on from the last checkpoint",
        state_.step + 1, epoch + 1, where.empty() ? "the loss" : where, folder_.weights("last").string());
    log(message);
    throw Error(message);
  }

  TrainResult finish() {
    progress_.clear();
    TrainResult result{.run = folder_.path(),
                       .interrupted = interrupted() && state_.loader.epoch < recipe_.train.epochs && !stopped_early(),
                       .stopped_early = stopped_early() && state_.loader.epoch < recipe_.train.epochs,
                       .epochs = state_.loader.epoch,
                       .steps = state_.step,
                       .judged = judged(),
                       .last = state_.last,
                       .best = state_.best,
                       .weights = weights_hash(*model_),
                       .seconds = seconds()};
    if (result.interrupted) {
      save_weights(folder_.weights("last"), *model_);
      log("interrupted; --resume goes on from here");
      return result;
    }
    if (result.stopped_early) say(fmt::format("no progress for {} epochs: stopped", recipe_.train.patience));
    load_weights(folder_.weights("best"), *model_);
    judge_.set_epoch(0);
    draw_answers(folder_.path(), title(), *model_, config_, data_.judged, evaluate(*model_, judge_, recipe_.train));
    if (data_.judged_split == Split::validation && data_.test.size() > 0) {
      Loader test = evaluation_loader(config_, data_.test, recipe_.data.workers);
      result.test = evaluate(*model_, test, recipe_.train).scores;
    }
    write_file(folder_.file("summary.txt"), run_summary(recipe_, config_, *model_, result));
    log(headline(result));
    return result;
  }

  [[nodiscard]] bool interrupted() const { return options_.interrupted && options_.interrupted(); }
  [[nodiscard]] bool stopped_early() const { return stopping_ && stopping_->should_stop(); }
  [[nodiscard]] std::string judged() const { return std::string(name_of(data_.judged_split)); }
  [[nodiscard]] std::string title() const {
    return recipe_.name + " on " + fs::path(recipe_.data.name).filename().string();
  }
  [[nodiscard]] double seconds() const {
    return state_.seconds + std::chrono::duration<double>(Clock::now() - begun_).count();
  }
  void log(const std::string& text) {
    log_->write(fmt::format("{:%Y-%m-%d %H:%M:%S}  {}\n", fmt::localtime(std::time(nullptr)), text));
  }
  void say(const std::string& text) {
    log(text);
    progress_.line(text);
  }

  const Recipe recipe_;
  const TrainOptions options_;
  const TaskData data_;
  const models::ModelConfig config_;
  const std::shared_ptr<nn::Module> model_;
  const std::vector<Tensor> parameters_;
  const std::unique_ptr<optim::Optimizer> optimizer_;
  Loader loader_;
  Loader judge_;
  RateSchedule rate_;
  const std::unique_ptr<optim::EarlyStopping> stopping_;
  RunFolder folder_;
  Progress progress_;
  std::optional<AppendFile> results_;
  std::optional<AppendFile> steps_;
  std::optional<AppendFile> log_;
  TrainState state_;
  Clock::time_point begun_ = Clock::now();
};

}  // namespace

TrainResult train(const Recipe& recipe, const TrainOptions& options) {
  return Trainer(recipe, options, open_task_data(recipe)).run();
}

TrainPlan plan_training(const Recipe& recipe) {
  const TaskData data = open_task_data(recipe);
  const models::ModelConfig config = model_config(recipe, data.train);
  const std::shared_ptr<nn::Module> model = make_network(recipe, config);
  return {.network = nn::to_string(*model),
          .parameters = model->parameter_count(),
          .train_samples = data.train.size(),
          .judged_samples = data.judged.size(),
          .judged = std::string(name_of(data.judged_split)),
          .classes = config.model.num_classes,
          .steps = recipe.train.epochs * training_loader(recipe, data.train).batches()};
}

}  // namespace narae
