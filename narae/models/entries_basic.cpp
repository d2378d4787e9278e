#include "narae/models/activations.h"
#include "narae/models/entries.h"
#include "narae/models/lenet5.h"
#include "narae/models/linear_classifier.h"
#include "narae/models/mlp.h"

namespace narae::models {
namespace {

std::shared_ptr<nn::Module> make_linear(const ModelSpec& spec) {
  return std::make_shared<LinearClassifier>(spec.input.count(), spec.num_classes);
}

std::shared_ptr<nn::Module> make_mlp(const ModelSpec& spec) {
  return std::make_shared<Mlp>(spec.input.count(), spec.num_classes,
                               MlpOptions{.hidden = option<std::vector<std::int64_t>>(spec, "hidden"),
                                          .activation = option<std::string>(spec, "activation"),
                                          .dropout = option<double>(spec, "dropout")});
}

std::shared_ptr<nn::Module> make_lenet5(const ModelSpec& spec) {
  return std::make_shared<LeNet5>(
      spec.input, spec.num_classes,
      LeNet5Options{.activation = option<std::string>(spec, "activation"), .gain = option<double>(spec, "gain")});
}

}  // namespace

std::vector<Entry> basic_entries() {
  const std::span<const std::string> names = activation_names();
  const Shape grey_picture = {1, 28, 28};
  return {
      {{.name = "perceptron",
        .description = "one linear unit a class, made for the hinge loss (Rosenblatt 1958)",
        .input = grey_picture,
        .num_classes = 10,
        .options = {}},
       make_linear},
      {{.name = "softmax",
        .description = "one linear unit a class, made for the cross entropy: softmax regression",
        .input = grey_picture,
        .num_classes = 10,
        .options = {}},
       make_linear},
      {{.name = "mlp",
        .description = "multilayer perceptron, 784-256-10",
        .input = grey_picture,
        .num_classes = 10,
        .options = {{.name = "hidden",
                     .initial = std::vector<std::int64_t>{256},
                     .choices = {},
                     .low = 1,
                     .high = 1 << 20,
                     .doc = "units of each hidden layer; [] for none"},
                    {.name = "activation",
                     .initial = std::string("relu"),
                     .choices = {names.begin(), names.end()},
                     .doc = "between the layers"},
                    {.name = "dropout",
                     .initial = 0.0,
                     .choices = {},
                     .low = 0,
                     .high = 0.99,
                     .doc = "share of the hidden units that is dropped in training"}}},
       make_mlp},
      {{.name = "lenet5",
        .description = "LeNet-5, two convolutions and three linear layers (LeCun et al. 1998)",
        .input = grey_picture,
        .num_classes = 10,
        .options = {{.name = "activation",
                     .initial = std::string("tanh"),
                     .choices = {"sigmoid", "tanh", "relu"},
                     .doc = "sigmoid and tanh go with average pooling, relu with max pooling"},
                    {.name = "gain",
                     .initial = 0.0,
                     .choices = {},
                     .low = 0,
                     .high = 100,
                     .doc = "of the first weights; 0: 4 for sigmoid, 1 for tanh, sqrt(2) for relu"}}},
       make_lenet5},
  };
}

}  // namespace narae::models
