#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/core/shape.h"
#include "narae/models/options.h"
#include "narae/nn/module.h"

namespace narae::models {

/// What decides a network: everything that `make_model` needs.
struct ModelSpec {
  std::string name = "mlp";
  Options options = {};           ///< those of the model (ModelInfo::options); the others keep their defaults
  Shape input = {1, 28, 28};      ///< one sample: (channels, height, width), (features), (steps), (steps, features)
  std::int64_t num_classes = 10;  ///< or the numbers that it answers with
  std::int64_t vocabulary = 0;    ///< different tokens, where its input consists of tokens
};

/// What a network's input holds: token numbers i64 where it has a vocabulary, numbers f32 elsewhere.
[[nodiscard]] inline DType input_dtype(const ModelSpec& spec) {
  return spec.vocabulary > 0 ? DType::i64 : DType::f32;
}

/// One option of a model, for reading and for people.
struct ModelOption {
  std::string name;
  OptionValue initial;               ///< the default; values have its type (an integer does for a number)
  std::vector<std::string> choices;  ///< of a text option; empty: any
  double low = 0;                    ///< least value of numbers and list elements
  double high = 0;                   ///< largest value; no bound when it is not above `low`
  std::string doc;
};

/// A model that can be made by name.
struct ModelInfo {
  std::string name;
  std::string description;
  Shape input;  ///< of the summary unless told otherwise
  std::int64_t num_classes;
  std::vector<ModelOption> options;
  std::int64_t vocabulary = 0;                    ///< of the summary; above 0 for networks that take tokens
  std::vector<std::string> tasks = {"classify"};  ///< of a recipe, that it can learn
};

/// Every model, in the order in which they are taught.
[[nodiscard]] NARAE_API std::span<const ModelInfo> models();

/// Throws UsageError naming the nearest known model for an unknown name.
[[nodiscard]] NARAE_API const ModelInfo& model_info(const std::string& name);

/// The same with every option of the model given, in the model's order. Throws UsageError for an unknown model or
/// option (naming the nearest known one), a value of another type, or one out of range (naming what is allowed).
[[nodiscard]] NARAE_API ModelSpec resolved(const ModelSpec& spec);

/// Builds the network with fresh weights: (batch, input...) -> (batch, classes). They are a function of the process's
/// random generator (see manual_seed). Throws UsageError as `resolved` does, and Error when the network can't take the
/// input's shape.
[[nodiscard]] NARAE_API std::shared_ptr<nn::Module> make_model(const ModelSpec& spec);

}  // namespace narae::models
