#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/nn/module.h"

namespace narae {

/// What one layer does to the input of a summary.
struct LayerSummary {
  std::string name = {};              ///< module path ("features.0"); "" for what the network itself computes
  std::string type = {};              ///< "Conv2d"
  std::string details = {};           ///< "1, 6, kernel 5x5"
  Shape output = {};                  ///< with the batch
  std::int64_t parameters = 0;        ///< a variable that several layers share counts at the first
  std::int64_t multiply_adds = 0;     ///< of products and convolutions
  std::int64_t activation_bytes = 0;  ///< stored results; elementwise layers work in place, views store nothing
  /// Height and width of the input's window on which one element of the output depends, in pixels, as if the picture
  /// went on beyond its border; 0 without a picture.
  std::int64_t receptive_height = 0;
  std::int64_t receptive_width = 0;
  std::string note = {};  ///< a stride that does not divide, ...
};

struct ModelSummary {
  Shape input = {};  ///< with the batch
  std::vector<LayerSummary> layers = {};
  std::int64_t parameters = 0;
  std::int64_t trainable_parameters = 0;
  std::int64_t multiply_adds = 0;
  std::int64_t input_bytes = 0;
  std::int64_t activation_bytes = 0;  ///< of all layers and the input
  std::int64_t parameter_bytes = 0;   ///< parameters and buffers
};

/// Counts a built network by writing down one forward pass in evaluation mode over an input of shape `input`, batch
/// included; nothing is computed. Throws Error when the input doesn't fit the network.
[[nodiscard]] NARAE_API ModelSummary summarize(const nn::Module& model, const Shape& input, DType dtype = DType::f32);

/// Memory of a training step, in bytes.
struct TrainingMemory {
  std::int64_t parameters = 0;  ///< and buffers
  std::int64_t optimizer = 0;   ///< its state
  std::int64_t batch = 0;       ///< input and targets
  std::int64_t arena = 0;       ///< activations, gradients and scratch of the planned step
  [[nodiscard]] std::int64_t total() const { return parameters + optimizer + batch + arena; }
};

/// Plans forward, backward and a plain update of a classifier (cross entropy over the last axis) for a batch of shape
/// `input`, without running it: what the step's arena will need. `optimizer_state`: bytes that the optimiser keeps.
[[nodiscard]] NARAE_API TrainingMemory training_memory(const nn::Module& model, const Shape& input,
                                                       std::int64_t optimizer_state = 0, DType dtype = DType::f32);

/// The table for people, with totals: a line a layer.
[[nodiscard]] NARAE_API std::string to_text(const ModelSummary& summary);
/// "412.5 KB", "1.2 GB" (of 1000).
[[nodiscard]] NARAE_API std::string readable_bytes(std::int64_t bytes);

}  // namespace narae
