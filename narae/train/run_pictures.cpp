#include "narae/train/run_pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/data/image.h"
#include "narae/data/transforms.h"
#include "narae/draw/chart.h"
#include "narae/draw/pictures.h"
#include "narae/graph/eval.h"
#include "narae/train/table.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t shown_samples = 48;
constexpr std::size_t shown_points = 2000;
constexpr std::size_t shown_bins = 200;
constexpr int shown_columns = 8;
constexpr std::int64_t most_drawn_classes = 100;  // beyond, a confusion matrix is no longer readable
constexpr std::int64_t grid_side = 161;

bool is_picture(const Shape& sample) {
  return sample.rank() == 3 && (sample[0] == 1 || sample[0] == 3);
}

std::vector<draw::Prediction> predictions_of(const models::ModelConfig& config, const Dataset& dataset,
                                             const Evaluation& evaluation, const std::vector<std::size_t>& which) {
  const auto name = [&](std::int64_t c) { return config.classes.at(static_cast<std::size_t>(c)); };
  std::vector<draw::Prediction> result;
  for (const std::size_t i : which) {
    result.push_back({.image = picture_of(dataset, static_cast<std::int64_t>(i)),
                      .predicted = name(evaluation.answers[i].predicted),
                      .probability = evaluation.answers[i].probability,
                      .truth = name(evaluation.labels[i])});
  }
  return result;
}

// The wrong answers that the network was surest of.
std::vector<std::size_t> surest_mistakes(const Evaluation& evaluation) {
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < evaluation.labels.size(); ++i)
    if (evaluation.answers[i].predicted != evaluation.labels[i]) wrong.push_back(i);
  std::stable_sort(wrong.begin(), wrong.end(), [&](std::size_t a, std::size_t b) {
    return evaluation.answers[a].probability > evaluation.answers[b].probability;
  });
  if (wrong.size() > shown_samples) wrong.resize(shown_samples);
  return wrong;
}

void draw_pictures(const fs::path& folder, const std::string& title, const models::ModelConfig& config,
                   const Dataset& dataset, const Evaluation& evaluation) {
  std::vector<std::size_t> beginning(std::min(shown_samples, evaluation.labels.size()));
  std::iota(beginning.begin(), beginning.end(), std::size_t{0});
  const auto grid = [&](const std::vector<std::size_t>& which, const std::string& what) {
    return draw::prediction_grid(predictions_of(config, dataset, evaluation, which),
                                 {.title = title + what, .columns = shown_columns, .tile_size = 84});
  };
  write_png(folder / "predictions.png", grid(beginning, ": first samples"));
  if (const auto wrong = surest_mistakes(evaluation); !wrong.empty()) {
    write_png(folder / "mistakes.png", grid(wrong, ": surest mistakes"));
  } else {
    fs::remove(folder / "mistakes.png");
  }
}

// The smallest and largest coordinate along an axis, with a margin.
std::pair<float, float> range_of(const Array& points, std::size_t axis) {
  const auto values = points.values<float>();
  float low = values[axis];
  float high = values[axis];
  for (std::size_t i = axis; i < values.size(); i += 2) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  const float margin = 0.1F * std::max(high - low, 1e-3F);
  return {low - margin, high + margin};
}

std::vector<double> column_of(const Table& table, const std::string& name) {
  std::vector<double> values;
  for (std::size_t row = 0; row < table.rows.size(); ++row) values.push_back(table.number(row, name));
  return values;
}

// Means of neighbours, so that what is left shows the trend of noisy values.
std::vector<double> binned(const std::vector<double>& values) {
  const std::size_t width = (values.size() + shown_bins - 1) / shown_bins;
  std::vector<double> result;
  for (std::size_t i = 0; i < values.size(); i += width) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i);
    const std::size_t count = std::min(width, values.size() - i);
    result.push_back(std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(count), 0.0) /
                     static_cast<double>(count));
  }
  return result;
}

}  // namespace

Array picture_of(const Dataset& dataset, std::int64_t index) {
  const Array sample = read_field(dataset, "image", index, index + 1);
  const Shape shape(sample.shape.dims().subspan(1));
  if (!is_picture(shape)) throw Error("a sample of shape " + to_string(shape) + " is no picture to be shown");
  if (sample.dtype == DType::u8) return {DType::u8, shape, sample.buffer};
  if (sample.dtype != DType::f32) throw Error("pictures of " + std::string(name_of(sample.dtype)) + " can't be shown");
  Array picture = Array::empty(DType::u8, shape);
  const auto from = sample.values<float>();
  const auto to = picture.mutable_values<std::uint8_t>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(from[i], 0.0F, 1.0F)));
  }
  return picture;
}

Array boundary_picture(const std::string& title, const nn::Module& model, const models::ModelConfig& config,
                       const Array& points, const Array& labels) {
  const auto [x_min, x_max] = range_of(points, 0);
  const auto [y_min, y_max] = range_of(points, 1);
  Array plane = Array::empty(DType::f32, {grid_side * grid_side, 2});
  const auto at = plane.mutable_values<float>();
  for (std::int64_t i = 0; i < grid_side * grid_side; ++i) {
    const auto share = [](std::int64_t k) { return static_cast<float>(k) / static_cast<float>(grid_side - 1); };
    at[static_cast<std::size_t>(2 * i)] = x_min + share(i % grid_side) * (x_max - x_min);
    at[static_cast<std::size_t>(2 * i + 1)] = y_min + share(i / grid_side) * (y_max - y_min);
  }
  const Normalizer normalizer(DType::f32, config.model.input, config.mean, config.stddev);
  for (std::size_t i = 0; i < at.size(); i += 2) normalizer.apply_in_place(at.subspan(i, 2));
  const NoGrad no_grad;
  const bool training = model.is_training();
  model.eval();
  const Array probabilities = probabilities_of(model(plane).array());
  model.train(training);
  Array second = Array::empty(DType::f32, {grid_side, grid_side});
  for (std::size_t i = 0; i < second.mutable_values<float>().size(); ++i) {
    second.mutable_values<float>()[i] = probabilities.values<float>()[2 * i + 1];
  }
  return draw::decision_boundary({.probability = second,
                                  .x_min = x_min,
                                  .x_max = x_max,
                                  .y_min = y_min,
                                  .y_max = y_max,
                                  .points = points,
                                  .labels = labels,
                                  .title = title,
                                  .class_names = config.classes});
}

void draw_answers(const fs::path& folder, const std::string& title, const nn::Module& model,
                  const models::ModelConfig& config, const Dataset& dataset, const Evaluation& evaluation) {
  if (config.model.num_classes <= most_drawn_classes) {
    write_png(folder / "confusion.png", draw::confusion_matrix(evaluation.confusion, config.classes, title));
  }
  if (is_picture(config.model.input)) draw_pictures(folder, title, config, dataset, evaluation);
  if (config.model.input == Shape{2} && config.model.vocabulary == 0 && config.model.num_classes == 2) {
    const auto count = std::min<std::int64_t>(dataset.size(), shown_points);
    write_png(folder / "boundary.png", boundary_picture(title, model, config, read_field(dataset, "image", 0, count),
                                                        read_field(dataset, "label", 0, count)));
  }
}

void draw_curves(const fs::path& folder, const Metric& metric, const CurveOptions& options) {
  const Table results = read_table(folder / "results.csv");
  const Table steps = read_table(folder / "steps.csv");
  if (steps.rows.empty()) return;
  const std::vector<double> epochs = column_of(results, "epoch");
  std::vector<double> at = column_of(steps, "step");
  for (double& x : at) x /= static_cast<double>(options.steps_per_epoch);
  const auto by_epoch = [&](const std::string& name, const std::string& column) {
    return draw::Series{.name = name, .y = column_of(results, column), .x = epochs};
  };
  const auto by_step = [&](const std::string& name, const std::string& column) {
    return draw::Series{.name = name, .y = binned(column_of(steps, column)), .x = binned(at)};
  };
  const std::vector<draw::Chart> charts = {
      {.title = "loss",
       .x_label = "epoch",
       .y_label = "loss",
       .series = {by_step("training", "loss"), by_epoch(options.judged, "val_loss")},
       .log_y = true},
      {.title = std::string(metric.name),
       .x_label = "epoch",
       .y_label = std::string(metric.axis),
       .series = {by_epoch("training", fmt::format("train_{}", metric.column)),
                  by_epoch(options.judged, fmt::format("val_{}", metric.column))},
       .log_y = !metric.higher_is_better},
      {.title = "learning rate",
       .x_label = "epoch",
       .y_label = "learning rate",
       .series = {{.name = "learning rate", .y = column_of(steps, "lr"), .x = at}}},
      {.title = "gradient",
       .x_label = "epoch",
       .y_label = "norm before clipping",
       .series = {by_step("gradient norm", "grad_norm")},
       .log_y = true}};
  write_file(folder / "curves.svg", draw::svg(charts, {.title = options.title}));
}

std::string comparison_of(std::span<const ComparedRun> runs, const Metric& metric, const std::string& title) {
  std::vector<draw::Chart> charts = {{.title = "training loss", .x_label = "epoch", .y_label = "loss", .log_y = true},
                                     {.title = fmt::format("{} on test or validation samples", metric.name),
                                      .x_label = "epoch",
                                      .y_label = std::string(metric.axis),
                                      .log_y = !metric.higher_is_better}};
  constexpr std::size_t colors = 8;  // then the same again, dashed
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const fs::path file = runs[i].folder / "results.csv";
    const Table results = fs::exists(file) ? read_table(file) : Table{};
    const auto curve = [&](const std::string& column) {
      return draw::Series{.name = runs[i].name,
                          .y = column_of(results, column),
                          .x = column_of(results, "epoch"),
                          .dashed = i / colors % 2 == 1};
    };
    charts[0].series.push_back(curve("train_loss"));
    charts[1].series.push_back(curve(fmt::format("val_{}", metric.column)));
  }
  return draw::svg(charts, {.title = title, .panel_width = 640, .panel_height = 440});
}

}  // namespace narae
