#pragma once

#include <utility>
#include <vector>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"
#include "narae/nn/module.h"
#include "narae/ops/random.h"

// Graphs that are written down to be looked at and never computed.
namespace narae {
class Learner;
class Loader;
struct Recipe;

namespace detail {

/// A data leaf without data: enough to write a graph that nobody computes.
[[nodiscard]] Tensor placeholder(DType dtype, const Shape& shape);

/// A traced pass sets the training mode, moves running statistics and takes random numbers: all of it is put back when
/// this goes.
class Untouched {
 public:
  explicit Untouched(const nn::Module& model);
  Untouched(const Untouched&) = delete;
  Untouched& operator=(const Untouched&) = delete;
  ~Untouched();

 private:
  void note_modes(const nn::Module& module);

  RandomState random_;
  std::vector<std::pair<nn::Module, bool>> modes_;
  std::vector<std::pair<Tensor, Tensor>> buffers_;
};

}  // namespace detail

/// Writes down a training step for a full batch of the loader and, where it differs, for the last one of an epoch, so
/// that whatever a layer can't take shows before anything is computed. Throws Error for a network that can't learn from
/// such samples, and UsageError naming train.batch_size where the last batch alone is too small.
NARAE_API void require_steps(const Recipe& recipe, const Learner& learner, const Loader& loader);

}  // namespace narae
