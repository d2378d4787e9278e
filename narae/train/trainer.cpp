#include "narae/train/trainer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <memory>
#include <set>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/switches.h"
#include "narae/train/append_file.h"
#include "narae/train/evaluate.h"
#include "narae/train/forecast_report.h"
#include "narae/train/learner.h"
#include "narae/train/optimization.h"
#include "narae/train/run_folder.h"
#include "narae/train/run_pictures.h"
#include "narae/train/run_summary.h"
#include "narae/train/task.h"
#include "narae/train/task_data.h"
#include "narae/train/trace.h"
#include "narae/train/trained_model.h"
#include "narae/train/translation.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t most_translations = 2000;  // that are made at the end of a run
constexpr std::string_view steps_header = "step,epoch,loss,lr,grad_norm\n";

std::string results_header(const Task& task, std::int64_t classes) {
  const bool top5 = task.answers == Answers::sample_classes && classes > classes_without_top5;
  return fmt::format("epoch,step,train_loss,train_{0},val_loss,val_{0}{1},lr,seconds\n", task.metric.column,
                     top5 ? ",val_top5" : "");
}

std::unique_ptr<optim::EarlyStopping> make_stopping(const Task& task, const TrainRecipe& recipe) {
  if (recipe.patience == 0) return nullptr;
  return std::make_unique<optim::EarlyStopping>(
      optim::EarlyStoppingOptions{.patience = recipe.patience,
                                  .min_delta = recipe.min_delta,
                                  .mode = task.metric.higher_is_better ? optim::Mode::max : optim::Mode::min});
}

bool has_checkpoint(const fs::path& run) {
  return !run.empty() && !checkpoints_in(run / "checkpoints").empty();
}

bool is_finite(const nn::Module& model) {
  for (const auto& [name, array] : model.state_dict()) {
    const bool finite = visit_dtype(array.dtype, [&array = array](auto zero) {
      using T = decltype(zero);
      if constexpr (!std::is_floating_point_v<T>) {
        return true;
      } else {
        const auto values = array.template values<T>();
        return std::all_of(values.begin(), values.end(), [](T value) { return std::isfinite(value); });
      }
    });
    if (!finite) return false;
  }
  return true;
}

// After all that can be known to fail.
RunFolder make_folder(const Recipe& recipe, const TrainOptions& options, const Learner& learner, const Loader& loader) {
  require_steps(recipe, learner, loader);
  if (!options.resume.empty()) return RunFolder::open(options.resume);
  return RunFolder::create(options.project, recipe.name, options.name, options.exist_ok);
}

// At most so many pairs, in their order.
TextPairs drawn_from(const TextPairs& pairs, std::int64_t most) {
  if (pairs.size() <= most) return pairs;
  std::vector<std::int64_t> positions = permutation(pairs.size(), RandomStream(0, hash_of("translations")));
  positions.resize(static_cast<std::size_t>(most));
  std::sort(positions.begin(), positions.end());
  TextPairs drawn;
  for (const std::int64_t i : positions) {
    drawn.sources.push_back(pairs.sources[static_cast<std::size_t>(i)]);
    drawn.targets.push_back(pairs.targets[static_cast<std::size_t>(i)]);
  }
  return drawn;
}

// One training run from its recipe to its last file.
class Trainer {
 public:
  Trainer(const Recipe& recipe, const TrainOptions& options, TaskData data)
      : recipe_(recipe),
        task_(task_of(recipe.task)),
        options_(options),
        data_(std::move(data)),
        config_(model_config(recipe, data_.train)),
        learner_(recipe, config_, has_checkpoint(options.resume)),
        loader_(training_loader(recipe, data_.train)),
        judge_(evaluation_loader(config_, data_.judged, recipe.data.workers)),
        steps_per_epoch_(learner_.steps(loader_.batches())),
        rate_(recipe.train, steps_per_epoch_),
        stopping_(make_stopping(task_, recipe.train)),
        folder_(make_folder(recipe, options, learner_, loader_)),
        progress_(options.progress) {}

  TrainResult run() {
    const SwitchScope switches(recipe_.train.winograd, recipe_.train.tile_units);
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
    progress_.begin({.number = epoch + 1,
                     .epochs = recipe_.train.epochs,
                     .steps = steps_per_epoch_,
                     .batch_size = recipe_.train.batch_size * recipe_.train.accumulate});
    learner_.begin_training();
    const double waited = loader_.waited();
    const Clock::time_point begun = Clock::now();
    while (const auto step = learner_.step(loader_, rate_(state_.step), state_.epoch_tally)) {
      if (!step->applied) stop_at_non_finite(epoch, step->first_non_finite);
      ++state_.step;
      steps_->write(fmt::format("{},{},{},{},{}\n", state_.step, epoch + 1, step->loss, learner_.optimizer().lr(),
                                step->gradient_norm));
      progress_.step(learner_.steps(loader_.state().batch), state_.epoch_tally.scores().loss);
      // At an epoch's last batch its end follows at once, with a checkpoint of its own.
      if (loader_.state().batch == loader_.batches()) continue;
      if (interrupted()) {
        save(loader_.state());
        return false;
      }
      if (recipe_.train.save_every > 0 && state_.step % recipe_.train.save_every == 0) save(loader_.state());
    }
    report_data(epoch, loader_.waited() - waited, std::chrono::duration<double>(Clock::now() - begun).count());
    return true;
  }

  // How long the steps of an epoch waited for their batches, and which files turned out to be damaged in it.
  void report_data(std::int64_t epoch, double waited, double seconds) {
    log(fmt::format("epoch {}: {:.1f} s of training, {:.1f} % of it waiting for data ({} workers)", epoch + 1, seconds,
                    seconds > 0 ? 100 * waited / seconds : 0, recipe_.data.workers));
    report_skipped();
  }

  void report_skipped() {
    const std::size_t before = skipped_.size();
    for (const Dataset* dataset : {&data_.train, &data_.judged, &data_.test}) {
      if (!dataset->files) continue;
      for (const std::string& message : dataset->files->skipped.messages()) {
        if (skipped_.insert(message).second) log("left out: " + message);
      }
    }
    if (skipped_.size() == before) return;
    say(fmt::format("{} files are no sound pictures and are left out (log.txt names them)", skipped_.size()));
  }

  void finish_epoch() {
    const Scores trained = state_.epoch_tally.scores();
    state_.last = evaluate(learner_.judged(), judge_, recipe_).scores;
    if (!std::isfinite(state_.last.loss)) {
      stop_for(fmt::format("after step {} (epoch {}) the {} loss is no longer finite", state_.step,
                           state_.loader.epoch + 1, judged()));
    }
    const std::int64_t epoch = state_.loader.epoch + 1;
    const double lr = learner_.optimizer().lr();
    rate_.report(state_.last.loss);
    if (stopping_) stopping_->report(metric_of(task_, state_.last));
    const bool better = state_.best.epoch == 0 || is_better(task_, state_.last, state_.best.scores);
    if (better) state_.best = {.epoch = epoch, .scores = state_.last};
    state_.epoch_tally = {};
    const auto& top5 = state_.last.top5;
    results_->write(fmt::format("{},{},{},{},{},{}{},{},{:.3f}\n", epoch, state_.step, trained.loss,
                                metric_of(task_, trained), state_.last.loss, metric_of(task_, state_.last),
                                top5 ? fmt::format(",{}", *top5) : "", lr, seconds()));
    save(loader_.state());
    save_weights_of_epoch();
    say(fmt::format(
        "epoch {}/{}  loss {}  {}  {} loss {}  {} {}{}  {}{}", epoch, recipe_.train.epochs, loss_text(trained.loss),
        metric_text(task_, trained), judged(), loss_text(state_.last.loss), judged(), metric_text(task_, state_.last),
        top5 ? fmt::format(" (top 5 {:.2f} %)", 100 * *top5) : "", clock_text(seconds()), better ? "  best" : ""));
    draw_curves(folder_.path(), task_.metric,
                {.title = title(), .judged = judged(), .steps_per_epoch = steps_per_epoch_});
  }

  // Beside a checkpoint at the end of an epoch, and again when the run goes on from one: whatever happened between the
  // checkpoint and these files is made good.
  void save_weights_of_epoch() {
    save_weights(folder_.weights("last"), learner_.judged());
    if (state_.best.epoch == state_.loader.epoch) save_weights(folder_.weights("best"), learner_.judged());
  }

  void start() {
    const std::vector<std::string> remarks = restore();
    results_.emplace(folder_.file("results.csv"));
    steps_.emplace(folder_.file("steps.csv"));
    log_.emplace(folder_.file("log.txt"));
    write_file(folder_.file("recipe.toml"), to_toml(recipe_));
    write_file(folder_.file("config.json"), models::to_json(config_));
    if (data_.tokenizer) save_tokenizer_of(folder_.path(), *data_.tokenizer);
    cut_back(*results_, state_.results_bytes, results_header(task_, config_.model.num_classes));
    cut_back(*steps_, state_.steps_bytes, steps_header);
    begun_ = Clock::now();
    say(fmt::format("{}: {} parameters, {} training and {} {} samples of {}, seed {}, {} threads",
                    folder_.path().string(), learner_.network().parameter_count(), data_.train.size(),
                    data_.judged.size(), judged(), recipe_.data.name, recipe_.train.seed,
                    current_conditions().threads));
    if (rate_.warmup_steps() < recipe_.train.schedule.warmup_steps) {
      say(fmt::format("the run is short: its warm-up has {} steps instead of {}", rate_.warmup_steps(),
                      recipe_.train.schedule.warmup_steps));
    }
    if (recipe_.train.checkpoint_activations && learner_.recomputed_modules() == 0) {
      say("train.checkpoint_activations: the network has no blocks whose values could be computed again");
    }
    for (const std::string& remark : data_.remarks) say(remark);
    for (const std::string& remark : remarks) say(remark);
    report_skipped();
  }

  // Goes on from the newest checkpoint if there is one. Returns what is to be said about it.
  std::vector<std::string> restore() {
    std::vector<std::string> remarks;
    if (options_.resume.empty()) return remarks;
    require_same_network();
    const auto warn = [&](const std::string& text) { remarks.push_back(text); };
    nn::StateDict carried;
    const std::optional<TrainState> saved = load_checkpoint(folder_.checkpoints(), learner_.network(),
                                                            learner_.optimizer(), warn, learner_.average(), &carried);
    if (!saved) {
      folder_.clear();
      remarks.emplace_back("there is no checkpoint to go on from yet: the run begins anew");
      return remarks;
    }
    state_ = *saved;
    learner_.load_carried_state(carried);
    require_epochs_left();
    loader_.restore(state_.loader);
    set_random_state(state_.random);
    rate_.load_state(state_.schedule);
    if (const std::int64_t epochs = rate_.planned_epochs();
        epochs != recipe_.train.epochs && state_.loader.epoch < recipe_.train.epochs) {
      remarks.push_back(
          fmt::format("the run was planned for {} epochs and has {} now: the rest of its learning-rate "
                      "schedule is planned anew",
                      epochs, recipe_.train.epochs));
    }
    if (stopping_ && !state_.stopping.empty()) stopping_->load_state(state_.stopping);
    if (state_.loader.batch == 0) save_weights_of_epoch();
    remarks.push_back(fmt::format("resumed after {} steps, {} epochs", state_.step, state_.loader.epoch));
    if (const std::string changed = difference(state_.conditions, current_conditions()); !changed.empty()) {
      remarks.push_back("resumed under other conditions (" + changed +
                        "): the weights may differ in their last bits from those of an undisturbed run");
    }
    return remarks;
  }

  // What was seen can't be unseen. As many epochs as were seen end a run that was interrupted in the next one.
  void require_epochs_left() const {
    if (recipe_.train.epochs >= state_.loader.epoch) return;
    throw UsageError(fmt::format("--resume: {} has already seen {} epochs; train.epochs = {} would be fewer",
                                 folder_.path().string(), state_.loader.epoch, recipe_.train.epochs));
  }

  // Other data than the run was begun with may need another network. Its checkpoints are good: they are left alone.
  void require_same_network() const {
    const fs::path file = folder_.file("config.json");
    if (std::error_code ignored; !has_checkpoint(folder_.path()) || !fs::exists(file, ignored)) return;
    const models::ModelSpec before = models::read_config(file).model;
    if (data_.tokenizer && tokenizer_of(folder_.path()) != data_.tokenizer) {
      throw UsageError(fmt::format("--resume: {} has another vocabulary than dataset '{}' gives now",
                                   folder_.path().string(), recipe_.data.name));
    }
    if (before.input == config_.model.input && before.num_classes == config_.model.num_classes) return;
    throw UsageError(fmt::format("--resume: {} learns {} classes of samples {}, but dataset '{}' has {} of {}",
                                 folder_.path().string(), before.num_classes, to_string(before.input),
                                 recipe_.data.name, config_.model.num_classes, to_string(config_.model.input)));
  }

  // A table as it was at the checkpoint; its first line when there was none.
  void cut_back(AppendFile& table, std::uint64_t bytes, std::string_view header) {
    if (table.size() < bytes) {
      say("a table is shorter than at the checkpoint: rows are missing");
      table.keep_whole_lines(header);
    }
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
    save_checkpoint(folder_.checkpoints(), saved, learner_.network(), learner_.optimizer(),
                    recipe_.train.keep_checkpoints, learner_.average(), learner_.carried_state());
  }

  [[noreturn]] void stop_at_non_finite(std::int64_t epoch, const std::string& where) {
    stop_for(
        fmt::format("step {} (epoch {}): the loss or a gradient is no longer finite, first in {}; the update was "
                    "not made",
                    state_.step + 1, epoch + 1, where.empty() ? "the loss" : where));
  }

  // What was written stays; the weights as they are now are saved if they are any good.
  [[noreturn]] void stop_for(std::string message) {
    progress_.clear();
    if (is_finite(learner_.network()) && is_finite(learner_.judged())) {
      save_weights(folder_.weights("last"), learner_.judged());
      message += fmt::format(". The weights before it are in {}", folder_.weights("last").string());
    } else {
      message += ". The update before it has spoiled the weights: they were not saved";
    }
    message += ". A lower train.optimizer.lr, a warm-up or train.clip_norm helps";
    if (has_checkpoint(folder_.path())) message += "; --resume goes on from the last checkpoint";
    log(message);
    throw Error(message);
  }

  TrainResult finish() {
    progress_.clear();
    TrainResult result{.run = folder_.path(),
                       .task = recipe_.task,
                       .interrupted = interrupted() && state_.loader.epoch < recipe_.train.epochs && !stopped_early(),
                       .stopped_early = stopped_early() && state_.loader.epoch < recipe_.train.epochs,
                       .epochs = state_.loader.epoch,
                       .steps = state_.step,
                       .judged = judged(),
                       .last = state_.last,
                       .best = state_.best,
                       .weights = weights_hash(learner_.judged()),
                       .seconds = seconds()};
    if (result.interrupted) {
      save_weights(folder_.weights("last"), learner_.judged());
      log("interrupted; --resume goes on from here");
      return result;
    }
    if (result.stopped_early) say(fmt::format("no progress for {} epochs: stopped", recipe_.train.patience));
    const nn::Module& model = learner_.judged();
    load_weights(folder_.weights("best"), model);
    judge_.set_epoch(0);
    const Evaluation evaluation = evaluate(model, judge_, recipe_);
    if (task_.answers == Answers::sample_classes) {
      draw_answers(folder_.path(), title(), model, config_, data_.judged, evaluation);
    }
    if ((data_.judged_split == Split::validation || data_.windows) && data_.test.size() > 0) {
      Loader test = evaluation_loader(config_, data_.test, recipe_.data.workers);
      const Evaluation tested = evaluate(model, test, recipe_);
      if (data_.judged_split == Split::validation) result.test = tested.scores;
      if (data_.windows) report_forecast(tested.numbers);
    }
    if (const auto* network = dynamic_cast<const nn::EncoderDecoder*>(&model)) report_translations(*network);
    write_file(folder_.file("summary.txt"), run_summary(recipe_, config_, model, result) + report_text_);
    log(headline(result));
    return result;
  }

  // Of the test part, or of what epochs were judged by; of many texts, or where few are to be judged, some from all
  // over.
  void report_translations(const nn::EncoderDecoder& network) {
    const Split split = data_.test.size() > 0 ? Split::test : data_.judged_split;
    const std::int64_t limit = recipe_.data.limit_val;
    const TextPairs pairs =
        drawn_from(data_.pairs->part(split), limit > 0 ? std::min(limit, most_translations) : most_translations);
    network.eval();
    const std::vector<std::string> answers = translate(network, *data_.tokenizer, pairs.sources);
    write_translations(folder_.file("translations.tsv"), pairs.sources, pairs.targets, answers);
    const std::string report =
        fmt::format("{} of {} {} samples, greedy: {}", pairs.size(), data_.pairs->part(split).size(), name_of(split),
                    to_text(translation_report(answers, pairs.targets)));
    report_text_ = "\n" + report + "\n";
    say(report + " (translations.tsv)");
  }

  void report_forecast(std::span<const float> forecasts) {
    report_text_ = "\n" + to_text(forecast_report(*data_.windows, Split::test, forecasts, recipe_.data.season));
    draw_forecast(folder_.path(), title(), *data_.windows, Split::test, forecasts);
    say("forecasts of the test rows, in their units:" + report_text_.substr(0, report_text_.size() - 1));
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
  const Task& task_;
  const TrainOptions options_;
  const TaskData data_;
  const models::ModelConfig config_;
  Learner learner_;
  Loader loader_;
  Loader judge_;
  const std::int64_t steps_per_epoch_;
  RateSchedule rate_;
  const std::unique_ptr<optim::EarlyStopping> stopping_;
  RunFolder folder_;
  Progress progress_;
  std::optional<AppendFile> results_;
  std::optional<AppendFile> steps_;
  std::optional<AppendFile> log_;
  TrainState state_;
  std::string report_text_;        ///< of forecasts and translations, for summary.txt
  std::set<std::string> skipped_;  ///< files that were reported
  Clock::time_point begun_ = Clock::now();
};

}  // namespace

TrainResult train(const Recipe& recipe, const TrainOptions& options) {
  return Trainer(recipe, options, open_task_data(recipe)).run();
}

TrainPlan plan_training(const Recipe& recipe) {
  const TaskData data = open_task_data(recipe);
  const models::ModelConfig config = model_config(recipe, data.train);
  const Learner learner(recipe, config);
  const Loader loader = training_loader(recipe, data.train);
  require_steps(recipe, learner, loader);
  const std::int64_t steps = learner.steps(loader.batches());
  const RateSchedule schedule(recipe.train, steps);  // refuses what can't be a schedule
  return {.network = nn::to_string(learner.network()),
          .parameters = learner.network().parameter_count(),
          .train_samples = data.train.size(),
          .judged_samples = data.judged.size(),
          .judged = std::string(name_of(data.judged_split)),
          .classes = config.model.num_classes,
          .steps = recipe.train.epochs * steps};
}

}  // namespace narae
