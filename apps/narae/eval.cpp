#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/profile.h"
#include "apps/narae/runs.h"
#include "apps/narae/search_flags.h"
#include "apps/narae/table.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/data/image.h"
#include "narae/draw/pictures.h"
#include "narae/train/evaluate.h"
#include "narae/train/forecast_report.h"
#include "narae/train/task.h"
#include "narae/train/task_data.h"
#include "narae/train/text_score.h"
#include "narae/train/trained_model.h"
#include "narae/train/translation.h"
#include "narae/train/weights.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t most_listed_classes = 100;
constexpr std::int64_t usual_top = 5;

struct Arguments {
  std::vector<std::string> runs;
  std::string data;
  std::string split = "test";
  std::string text;
  std::string save;
  std::int64_t top = 0;  // 0: five, where there are more classes
  bool last = false;
  bool strict = false;
  bool json = false;
  TranslationOptions search;
  bool searches = false;  // --beams or --length-penalty was given
};

// A run that takes part, with its recipe (on the data that was asked for).
struct Judged {
  fs::path run;
  Recipe recipe;
  TrainedModel model;
};

struct Report {
  std::vector<Judged> judged;
  Split split;
  std::string weights;  // "best" or "last"
  Evaluation evaluation;
  std::int64_t skipped = 0;  // files that are no sound pictures
  std::int64_t top = 0;      // 0: not told
  double top_share = 0;      // answers among the `top` likeliest
  std::optional<ForecastReport> forecast = {};
  std::optional<TranslationReport> translation = {};

  [[nodiscard]] const Task& task() const { return task_of(judged.front().recipe.task); }
  [[nodiscard]] bool has_classes() const { return task().answers == Answers::sample_classes; }
  [[nodiscard]] const std::vector<std::string>& classes() const { return judged.front().model.config.classes; }
  [[nodiscard]] std::string runs() const {
    std::string text;
    for (const Judged& j : judged) text += (text.empty() ? "" : " + ") + j.run.string();
    return text;
  }
};

// What runs must have in common for their probabilities to be averaged.
void require_alike(const Judged& first, const Judged& other, Split split) {
  const std::string both = first.run.string() + " and " + other.run.string();
  if (first.model.config.classes != other.model.config.classes) {
    throw UsageError(fmt::format("{} don't tell the same classes apart: {} (first {}) and {} (first {})", both,
                                 first.model.config.classes.size(), first.model.config.classes.front(),
                                 other.model.config.classes.size(), other.model.config.classes.front()));
  }
  if (first.recipe.data.name != other.recipe.data.name) {
    throw UsageError(fmt::format("{} learned from different data ({} and {}): choose one with --data", both,
                                 first.recipe.data.name, other.recipe.data.name));
  }
  if (first.model.tokenizer != other.model.tokenizer) {
    throw UsageError(both + " have different vocabularies: the tokens of one mean nothing to the other");
  }
  const double share = first.recipe.data.val_fraction;
  const bool same_samples = share == other.recipe.data.val_fraction &&
                            (share == 0 || first.recipe.data.split_seed == other.recipe.data.split_seed);
  if (split != Split::test && !same_samples) {
    throw UsageError(both + " set aside different validation samples; judge them together by --split test");
  }
}

// A run that is averaged with itself counts twice, which nobody means.
void require_another(const std::vector<Judged>& judged, const fs::path& run) {
  for (const Judged& other : judged) {
    if (fs::equivalent(other.run, run)) throw UsageError(run.string() + " is given twice; name each run once");
  }
}

Dataset split_of(const Judged& judged, Split split) {
  const TrainedModel& model = judged.model;
  return open_split(judged.recipe, split, model.config.model.input, model.tokenizer ? &*model.tokenizer : nullptr);
}

// Every text of the part is answered; --save keeps the answers beside what was to be said.
TranslationReport judge_translations(const Judged& judged, Split split, const Arguments& arguments) {
  const TextPairs pairs = open_pair_texts(judged.recipe, split);
  const auto answers = translate(translator_of(judged.model), *judged.model.tokenizer, pairs.sources, arguments.search);
  if (!arguments.save.empty()) write_translations(arguments.save, pairs.sources, pairs.targets, answers);
  return translation_report(answers, pairs.targets);
}

Report judge(const Arguments& arguments) {
  Report report{.judged = {},
                .split = split_from(arguments.split),
                .weights = arguments.last ? "last" : "best",
                .evaluation = {},
                .top = arguments.top};
  for (const std::string& name : arguments.runs) {
    Judged next{.run = find_run(name), .recipe = {}, .model = {}};
    require_another(report.judged, next.run);
    next.recipe = load_recipe(next.run.string());
    if (!arguments.data.empty()) next.recipe.data.name = arguments.data;
    if (arguments.strict) next.recipe.data.strict = true;
    next.model = load_trained(next.run, report.weights);
    if (!report.judged.empty()) require_alike(report.judged.front(), next, report.split);
    if (!report.judged.empty() && !report.has_classes()) {
      throw UsageError(
          "the answers of several runs can be averaged where they are classes of samples, not in the task " +
          next.recipe.task);
    }
    if (arguments.searches && next.recipe.task != "translate") {
      throw UsageError("--beams: the task " + next.recipe.task + " has no answers that are searched for");
    }
    if (arguments.top > 0 && task_of(next.recipe.task).answers != Answers::sample_classes) {
      throw UsageError("--top: the task " + next.recipe.task + " has no classes of samples");
    }
    report.judged.push_back(std::move(next));
  }
  const Recipe& recipe = report.judged.front().recipe;
  const Dataset dataset = split_of(report.judged.front(), report.split);
  std::vector<Loader> loaders;
  for (const Judged& j : report.judged) {
    // A pile of texts has the test samples that the run's recipe took from it: they have to be the same ones.
    const bool shared = &j == &report.judged.front() || !j.model.tokenizer;
    loaders.push_back(
        evaluation_loader(j.model.config, shared ? dataset : split_of(j, report.split), recipe.data.workers));
  }
  if (loaders.size() == 1) {
    report.evaluation = evaluate(*report.judged[0].model.network, loaders[0], recipe);
  } else {
    std::vector<Member> members;
    for (std::size_t i = 0; i < loaders.size(); ++i) {
      members.push_back({report.judged[i].model.network.get(), &loaders[i]});
    }
    report.evaluation = evaluate(members);
  }
  if (recipe.task == "forecast") {
    report.forecast =
        forecast_report(open_windows(recipe), report.split, report.evaluation.numbers, recipe.data.season);
  }
  if (recipe.task == "translate") {
    report.translation = judge_translations(report.judged.front(), report.split, arguments);
  }
  if (dataset.files) report.skipped = dataset.files->skipped.count();
  if (!report.has_classes()) return report;
  if (report.top == 0 && report.evaluation.scores.top5) report.top = usual_top;
  if (report.top > 0) report.top_share = top_accuracy(report.evaluation, report.top);
  return report;
}

Json class_json(const std::string& name, const ClassScores& scores) {
  return {{"class", name},
          {"precision", scores.precision},
          {"recall", scores.recall},
          {"f1", scores.f1},
          {"support", scores.support}};
}

// In the series' units.
Json forecast_json(const ForecastReport& report) {
  const auto errors = [](const ForecastErrors& e) { return Json{{"mae", e.mae}, {"rmse", std::sqrt(e.mse)}}; };
  Json json{{"network", errors(report.network)}, {"naive", errors(report.naive)}};
  if (report.seasonal) json["seasonal_naive"] = errors(*report.seasonal);
  return json;
}

Json translation_json(const TranslationReport& report) {
  return {{"samples", report.samples},
          {"exact", report.exact},
          {"bleu", report.bleu.meaningful ? Json(report.bleu.bleu) : Json()},
          {"signature", text::bleu_signature},
          {"precisions", report.bleu.precisions},
          {"brevity_penalty", report.bleu.brevity_penalty}};
}

Json to_json(const Report& report) {
  const Judged& first = report.judged.front();
  const Scores& scores = report.evaluation.scores;
  Json json;
  if (report.judged.size() == 1) {
    json["run"] = first.run.string();
    json["hash"] = weights_hash(*first.model.network);
  } else {
    json["runs"] = Json::array();
    for (const Judged& j : report.judged) {
      json["runs"].push_back({{"run", j.run.string()}, {"hash", weights_hash(*j.model.network)}});
    }
  }
  json["weights"] = report.weights;
  json["data"] = first.recipe.data.name;
  json["split"] = name_of(report.split);
  json["samples"] = scores.samples;
  json["skipped"] = report.skipped;
  json[std::string(report.task().metric.column)] = metric_of(report.task(), scores);
  if (report.top > 0) json["top" + std::to_string(report.top)] = report.top_share;
  json["loss"] = scores.loss;
  if (report.forecast) json["forecast"] = forecast_json(*report.forecast);
  if (report.translation) json["translation"] = translation_json(*report.translation);
  if (!report.has_classes()) return json;
  const std::vector<ClassScores> of_classes = class_scores(report.evaluation.confusion);
  // The share of each class's samples that were recognised; null for a class without samples.
  json["recall"] = Json::object();
  json["classes"] = Json::array();
  for (std::size_t c = 0; c < of_classes.size(); ++c) {
    const std::string& name = report.classes()[c];
    json["recall"][name] = of_classes[c].support == 0 ? Json() : Json(of_classes[c].recall);
    json["classes"].push_back(class_json(name, of_classes[c]));
  }
  json["mean"] = class_json("mean", mean_of(of_classes));
  json["mean"].erase("class");
  return json;
}

std::vector<std::string> class_row(const std::string& name, const ClassScores& scores) {
  const auto percent = [](double share) { return fmt::format("{:6.2f} %", 100 * share); };
  return {name, percent(scores.precision), percent(scores.recall), fmt::format("{:.4f}", scores.f1),
          std::to_string(scores.support)};
}

std::string to_text(const Report& report) {
  const Scores& scores = report.evaluation.scores;
  std::string text = fmt::format("{}  {}", report.runs(), metric_text(report.task(), scores));
  if (report.top > 0) {
    text += fmt::format("  top {} {:.2f} %", report.top, 100 * report.top_share);
  }
  text += fmt::format("  loss {}  ({} {} {} of {}, {} weights)\n", loss_text(scores.loss), scores.samples,
                      name_of(report.split), unit_of(report.task()), report.judged.front().recipe.data.name,
                      report.weights);
  if (report.skipped > 0) {
    text +=
        fmt::format("{} files are no sound pictures and were left out (--strict names the first)\n", report.skipped);
  }
  if (report.forecast) text += "in the units of the series:\n" + narae::to_text(*report.forecast);
  if (report.translation) text += narae::to_text(*report.translation) + "\n";
  if (!report.has_classes()) return text;
  const std::vector<ClassScores> of_classes = class_scores(report.evaluation.confusion);
  if (of_classes.size() > most_listed_classes) {
    return text + fmt::format("{} classes: --json lists how each fares\n", of_classes.size());
  }
  std::vector<std::vector<std::string>> rows;
  for (std::size_t c = 0; c < of_classes.size(); ++c) rows.push_back(class_row(report.classes()[c], of_classes[c]));
  rows.push_back(class_row("mean", mean_of(of_classes)));
  return text + "\n" + table({"class", "precision", "recall", "F1", "support"}, rows);
}

// How well a language model foresees the text of a file.
void run_text(const Arguments& arguments) {
  if (arguments.runs.size() != 1) throw UsageError("--text: one run is judged by a text at a time");
  const TrainedModel model = load_run(arguments.runs.front(), arguments.last ? "last" : "best");
  const TextScore score = score_text(model, read_text(arguments.text == "-" ? "/dev/stdin" : arguments.text));
  if (arguments.json) {
    print_json({{"run", arguments.runs.front()},
                {"text", arguments.text},
                {"tokens", score.tokens},
                {"loss", score.loss},
                {"perplexity", score.perplexity},
                {"bits_per_byte", score.bits_per_byte}});
    return;
  }
  print(fmt::format("{}  perplexity {:.4g}  loss {}  {:.4f} bits a byte  ({} tokens of {})\n", arguments.runs.front(),
                    score.perplexity, loss_text(score.loss), score.bits_per_byte, score.tokens, arguments.text));
}

// What --save writes: translations as a table, the confusion matrix of other tasks as a picture.
void require_ending(const Arguments& arguments) {
  if (arguments.save.empty()) return;
  const bool table = load_recipe(find_run(arguments.runs.front()).string()).task == "translate";
  if (fs::path(arguments.save).extension() == (table ? ".tsv" : ".png")) return;
  throw UsageError("--save: '" + arguments.save + "' must end in " +
                   (table ? ".tsv: sources, references and answers are written as a table"
                          : ".png: the confusion matrix is drawn as a picture"));
}

void run_eval(const Arguments& arguments) {
  if (!arguments.text.empty()) return run_text(arguments);
  require_ending(arguments);
  const Report report = judge(arguments);
  if (!arguments.save.empty() && !report.translation) {
    if (!report.has_classes()) {
      throw UsageError("--save: the task " + std::string(report.task().name) + " has no confusion matrix to be drawn");
    }
    const std::string title = report.runs() + " on " + report.judged.front().recipe.data.name;
    write_png(arguments.save, draw::confusion_matrix(report.evaluation.confusion, report.classes(), title));
  }
  if (arguments.json) {
    print_json(to_json(report));
  } else {
    print(to_text(report));
  }
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "Judge a run's weights, or several runs together, by a dataset");
  const auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("run", arguments->runs,
                   "Run folders, as paths or as recipe/name below runs/; the probabilities of several are averaged")
      ->type_name("RUN")
      ->required();
  command->add_option("--data", arguments->data, "Another dataset than the run's: a name or a folder")
      ->type_name("NAME|PATH");
  command->add_option("--split", arguments->split, "train, validation or test")
      ->type_name("SPLIT")
      ->capture_default_str();
  command
      ->add_option("--text", arguments->text,
                   "Judge a language model (also a folder saved by transformers) by the text of a file; - reads "
                   "standard input")
      ->type_name("FILE")
      ->excludes("--data")
      ->excludes("--split");
  command
      ->add_option("--top", arguments->top, "Also count an answer among the K likeliest (5 if there are more classes)")
      ->type_name("K")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24))
      ->excludes("--text");
  command
      ->add_option("--save", arguments->save,
                   "Draw the confusion matrix; of translations, write sources, references and answers (FILE.tsv)")
      ->type_name("FILE")
      ->excludes("--text");
  const auto search = add_search_flags(*command, arguments->search);
  for (CLI::Option* option : search.options) option->excludes("--text");
  command->add_flag("--strict", arguments->strict, "A damaged picture in a folder is an error, not left out");
  command->add_flag("--last", arguments->last, "The last weights instead of the best");
  add_threads_flag(*command);
  add_profile_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments, search] {
    arguments->searches = search.given();
    run_eval(*arguments);
  });
}

}  // namespace narae::cli
