#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/profile.h"
#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/io/npy.h"
#include "narae/io/safetensors.h"
#include "narae/models/config.h"
#include "narae/models/registry.h"
#include "narae/nn/fine_tune.h"
#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/train/recipe.h"
#include "narae/train/weights.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using NamedArrays = std::vector<std::pair<std::string, Array>>;

struct Arguments {
  std::string model;
  std::vector<std::string> overrides;
  std::int64_t classes = 0;
  std::string weights;
  std::vector<std::string> fresh;
  std::string config;
  std::vector<std::string> inputs;
  std::string output;
};

constexpr const char* formats = ".npy, .npz or .safetensors";

[[noreturn]] void refuse_format(const std::string& flag, const std::string& file) {
  throw UsageError(flag + ": '" + file + "' is no array file; its name must end in " + formats);
}

NamedArrays read_arrays(const std::string& file) {
  const std::string extension = fs::path(file).extension().string();
  NamedArrays arrays;
  if (extension == ".npy") {
    arrays.emplace_back(fs::path(file).stem().string(), read_npy(file));
  } else if (extension == ".npz") {
    for (auto& [name, array] : read_npz(file)) arrays.emplace_back(name, array);
  } else if (extension == ".safetensors") {
    const TensorFile content = read_safetensors(file);
    for (const std::string& name : content.order) arrays.emplace_back(name, content.tensors.at(name));
  } else {
    refuse_format("--input", file);
  }
  if (arrays.empty()) throw Error(file + ": holds no arrays");
  return arrays;
}

void write_arrays(const std::string& file, const NamedArrays& arrays) {
  const std::string extension = fs::path(file).extension().string();
  if (extension == ".npy") {
    write_npy(file, arrays.front().second);
  } else if (extension == ".npz") {
    write_npz(file, std::map<std::string, Array>(arrays.begin(), arrays.end()));
  } else {
    write_safetensors(file, arrays);
  }
}

NamedArrays read_inputs(const std::vector<std::string>& files) {
  NamedArrays inputs;
  for (const std::string& file : files) {
    for (auto& [name, array] : read_arrays(file)) {
      const auto same = [&name = name](const auto& other) { return other.first == name; };
      if (std::any_of(inputs.begin(), inputs.end(), same)) {
        throw UsageError(fmt::format("--input: two arrays are called '{}', the second in {}", name, file));
      }
      inputs.emplace_back(name, std::move(array));
    }
  }
  return inputs;
}

struct Network {
  models::ModelSpec spec;
  bool spec_is_known = false;  ///< from a config.json; otherwise the input follows the arrays
  std::string weights;
  fs::path config = {};
};

// "model.auxiliary=false" for a model that no config.json describes.
Options options_of(const std::string& model, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    if (!text.starts_with("model.") || text.starts_with("model.name=")) {
      throw UsageError("'" + text + "': only options of the model can be set here, as in model.dropout=0");
    }
  }
  Recipe recipe = parse_recipe("[model]\nname = \"" + model + "\"\n", model);
  apply_overrides(recipe, overrides);
  return recipe.model.options;
}

Network network_of(const Arguments& arguments) {
  Network network{.spec = {}, .weights = arguments.weights};
  fs::path config = arguments.config;
  std::error_code ignored;
  if (fs::is_directory(arguments.model, ignored)) {
    const fs::path run = arguments.model;
    if (config.empty()) config = run / "config.json";
    if (network.weights.empty()) network.weights = (run / "weights" / "best.safetensors").string();
  } else {
    const models::ModelInfo& info = models::model_info(arguments.model);
    network.spec = {.name = info.name,
                    .options = options_of(info.name, arguments.overrides),
                    .input = info.input,
                    .num_classes = arguments.classes > 0 ? arguments.classes : info.num_classes};
  }
  if (!config.empty()) {
    if (!arguments.overrides.empty() || arguments.classes > 0) {
      throw UsageError("options and classes of the network are those of " + config.string() + " and can't be changed");
    }
    models::ModelSpec described = models::read_config(config).model;
    if (!network.spec.name.empty() && fs::is_directory(arguments.model, ignored)) network.spec.name = described.name;
    if (network.spec.name != described.name) {
      throw UsageError("--config: " + config.string() + " describes '" + described.name + "', not '" + arguments.model +
                       "'");
    }
    network.spec = std::move(described);
    network.spec_is_known = true;
    network.config = config;
  }
  return network;
}

// The samples' shape without the batch.
Shape sample_of(const std::string& name, const Array& array) {
  if (array.shape.rank() < 2) {
    throw Error("input '" + name + "' has shape " + to_string(array.shape) +
                "; the first axis is the batch, so two or more are needed");
  }
  return Shape(array.shape.dims().subspan(1));
}

std::shared_ptr<nn::Module> make_network(const Network& network, const std::vector<std::string>& fresh) {
  manual_seed(0);
  if (network.weights.empty()) {
    if (!fresh.empty()) throw UsageError("--fresh says what --weights is not read for, but there is none");
    return models::make_model(network.spec);
  }
  std::optional<nn::init::Skip> skip;
  if (fresh.empty()) skip.emplace();  // every value comes from the file
  auto model = models::make_model(network.spec);
  load_weights(network.weights, *model, nn::patterns_of(fmt::format("{}", fmt::join(fresh, ","))));
  return model;
}

void run_forward(const Arguments& arguments) {
  const std::string extension = fs::path(arguments.output).extension().string();
  if (extension != ".npy" && extension != ".npz" && extension != ".safetensors") {
    refuse_format("--output", arguments.output);
  }
  Network network = network_of(arguments);
  std::vector<fs::path> read(arguments.inputs.begin(), arguments.inputs.end());
  for (const fs::path& file : {fs::path(network.weights), network.config}) read.push_back(file);
  refuse_overwriting("--output", arguments.output, read);
  const NamedArrays inputs = read_inputs(arguments.inputs);
  if (extension == ".npy" && inputs.size() > 1) {
    throw UsageError("--output: a .npy file holds one array, there are " + std::to_string(inputs.size()) +
                     " inputs; write .npz or .safetensors");
  }
  if (!network.spec_is_known) network.spec.input = sample_of(inputs.front().first, inputs.front().second);
  const auto model = make_network(network, arguments.fresh);
  model->eval();
  const NoGrad no_grad;
  NamedArrays outputs;
  for (const auto& [name, array] : inputs) {
    if (sample_of(name, array) != network.spec.input) {
      throw Error("input '" + name + "' has shape " + to_string(array.shape) + ", the network takes (batch, " +
                  to_string(network.spec.input).substr(1));
    }
    outputs.emplace_back(name, (*model)(cast(Tensor(array), DType::f32)).array());
  }
  write_arrays(arguments.output, outputs);
}

}  // namespace

void add_forward(CLI::App& app) {
  CLI::App* command = app.add_subcommand("forward", "Run arrays through a network and write what comes out");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("model", arguments->model, "A model's name, or a run folder")->required();
  command->add_option("overrides", arguments->overrides, "Options of the model, as in model.dropout=0")
      ->type_name("KEY=VALUE");
  command->add_option("--classes", arguments->classes, "Number of classes; the model's usual one unless given")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24));
  command
      ->add_option("--weights", arguments->weights,
                   "Weights, names and shapes as the network's: .safetensors or .safetensors.index.json; fresh ones "
                   "without")
      ->type_name("FILE");
  command->add_option("--fresh", arguments->fresh, "Tensors that are not taken from --weights: a module or a pattern")
      ->type_name("PATTERN")
      ->check(not_empty())
      ->expected(1)
      ->take_all();
  command->add_option("--config", arguments->config, "config.json of a run: options, input and classes of the network")
      ->type_name("FILE");
  command->add_option("--input", arguments->inputs, std::string("Arrays (batch, ...), taken as they are: ") + formats)
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--output", arguments->output, std::string("Where the results go, by the inputs' names: ") + formats)
      ->type_name("FILE")
      ->required();
  add_threads_flag(*command);
  add_profile_flag(*command);
  command->callback([arguments] { run_forward(*arguments); });
}

}  // namespace narae::cli
