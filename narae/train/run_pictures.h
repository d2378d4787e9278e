#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/data/dataset.h"
#include "narae/models/config.h"
#include "narae/nn/module.h"
#include "narae/train/evaluate.h"
#include "narae/train/task.h"

namespace narae {

/// A dataset's picture as it is stored, as u8 (1 or 3, height, width) for people. Throws Error for other samples.
[[nodiscard]] NARAE_API Array picture_of(const Dataset& dataset, std::int64_t index);

/// Draws what a classifier made of a dataset into a run's folder: confusion.png always; predictions.png (the first
/// samples) and mistakes.png (the surest wrong answers, if there are any) for pictures; boundary.png for points of two
/// classes in the plane. `title` heads each.
NARAE_API void draw_answers(const std::filesystem::path& folder, const std::string& title, const nn::Module& model,
                            const models::ModelConfig& config, const Dataset& dataset, const Evaluation& evaluation);

/// The plane around some points, f32 (n, 2), coloured by the network's answers: u8 (3, height, width). `labels`: i64
/// (n).
[[nodiscard]] NARAE_API Array boundary_picture(const std::string& title, const nn::Module& model,
                                               const models::ModelConfig& config, const Array& points,
                                               const Array& labels);

struct CurveOptions {
  std::string title = {};
  std::string judged = "test";  ///< the samples that epochs are judged by
  std::int64_t steps_per_epoch = 1;
};
/// Draws curves.svg from results.csv and steps.csv.
NARAE_API void draw_curves(const std::filesystem::path& folder, const Metric& metric, const CurveOptions& options);

/// A run in a comparison.
struct ComparedRun {
  std::string name;  ///< in the legend
  std::filesystem::path folder;
};
/// Training loss and the metric on the judged samples, epoch by epoch, of several runs, as an SVG document. A run
/// without results has a name in the legend and no curve. Throws Error for results that can't be read.
[[nodiscard]] NARAE_API std::string comparison_of(std::span<const ComparedRun> runs, const Metric& metric,
                                                  const std::string& title);

}  // namespace narae
