// narae inspect gradients: how far back the gradient of a loss at the end of a sequence reaches.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/inspect.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/data/synth_text.h"
#include "narae/draw/chart.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::int64_t steps = 100;
  std::int64_t hidden = 64;
  std::int64_t batch = 16;
  std::uint64_t seed = 0;
  std::string save = "gradients.svg";
  bool json = false;
};

struct Network {
  std::string name;
  std::string kind;
  nn::RecurrentOptions options = {};
};

const std::vector<Network>& networks() {
  static const std::vector<Network> all = {
      {"tanh RNN", "rnn"},
      {"identity ReLU RNN",
       "rnn",
       {.nonlinearity = Nonlinearity::relu, .recurrent_start = nn::RecurrentStart::identity}},
      {"LSTM", "lstm"},
      {"GRU", "gru"}};
  return all;
}

struct Batch {
  Tensor x;       // (batch, steps, 2)
  Tensor target;  // (batch)
};

Batch adding_batch(const Arguments& arguments) {
  const Dataset data = synth_adding(Split::train, arguments.batch, arguments.steps, arguments.seed);
  return {cast(read_field(data, "image", 0, arguments.batch), DType::f64),
          cast(read_field(data, "label", 0, arguments.batch), DType::f64)};
}

// |dL/d(state after step t)| for each t, over the whole batch, in a network as it is built, with the squared error of
// one number that is read from its last state. In float64: squares of what is left after many steps would be zero in
// float32.
std::vector<double> gradient_norms(const Network& network, const Batch& batch, const Arguments& arguments) {
  manual_seed(arguments.seed);
  nn::RecurrentOptions options = network.options;
  options.dtype = DType::f64;
  const nn::Recurrent layer = nn::make_recurrent(network.kind, 2, arguments.hidden, options);
  const nn::Linear head(arguments.hidden, 1, {.dtype = DType::f64});
  std::vector<Tensor> states;
  nn::RecurrentState state;
  for (std::int64_t t = 0; t < arguments.steps; ++t) {
    state = layer(narrow(batch.x, 1, t, 1), state).state;
    states.push_back(state.h);
    if (state.c.defined()) states.push_back(state.c);
  }
  const Tensor answer = reshape(head(squeeze(state.h, 0)), {arguments.batch});
  const Gradients gradients = grad(mean(square(answer - batch.target)), states);
  const std::size_t parts = states.size() / static_cast<std::size_t>(arguments.steps);
  std::vector<Tensor> squares;
  for (std::size_t i = 0; i < states.size(); i += parts) {
    Tensor total = sum(square(gradients[i]));
    if (parts == 2) total = total + sum(square(gradients[i + 1]));
    squares.push_back(total);
  }
  eval(squares);
  std::vector<double> norms;
  for (const Tensor& s : squares) norms.push_back(std::sqrt(s.item()));
  return norms;
}

void require_svg(const std::string& save) {
  if (std::filesystem::path(save).extension() == ".svg") return;
  throw UsageError("--save: '" + save + "' must end in .svg; the numbers go beside it as .csv");
}

std::string csv(const std::vector<std::vector<double>>& norms) {
  std::string text = "step";
  for (const Network& network : networks()) text += "," + network.name;
  for (std::size_t t = 0; t < norms[0].size(); ++t) {
    text += fmt::format("\n{}", t + 1);
    for (const auto& of_network : norms) text += fmt::format(",{:.9g}", of_network[t]);
  }
  return text + "\n";
}

draw::Chart chart(const std::vector<std::vector<double>>& norms, const Arguments& arguments) {
  draw::Chart result{.title = fmt::format("{} units, loss after step {}", arguments.hidden, arguments.steps),
                     .x_label = "time step",
                     .y_label = "norm of the gradient by the state",
                     .log_y = true};
  for (std::size_t i = 0; i < norms.size(); ++i) result.series.push_back({.name = networks()[i].name, .y = norms[i]});
  return result;
}

void run(const Arguments& arguments) {
  require_svg(arguments.save);
  const Batch batch = adding_batch(arguments);
  std::vector<std::vector<double>> norms;
  for (const Network& network : networks()) norms.push_back(gradient_norms(network, batch, arguments));
  const std::string numbers = std::filesystem::path(arguments.save).replace_extension(".csv").string();
  const std::vector charts = {chart(norms, arguments)};
  write_file(arguments.save, draw::svg(charts, {.title = "How far back the gradient reaches", .columns = 1}));
  write_file(numbers, csv(norms));
  if (arguments.json) {
    Json json = {{"picture", arguments.save}, {"numbers", numbers}, {"norms", Json::object()}};
    for (std::size_t i = 0; i < norms.size(); ++i) json["norms"][networks()[i].name] = norms[i];
    return print_json(json);
  }
  std::string text =
      fmt::format("{:20} {:>12} {:>12} {:>12}\n", "gradient by the state", "first step", "middle", "last step");
  for (std::size_t i = 0; i < norms.size(); ++i) {
    text += fmt::format("{:20}  {:12.3e} {:12.3e} {:12.3e}\n", networks()[i].name, norms[i].front(),
                        norms[i][norms[i].size() / 2], norms[i].back());
  }
  print(text + "Picture: " + arguments.save + ", numbers: " + numbers + "\n");
}

}  // namespace

void add_inspect_gradients(CLI::App& inspect) {
  CLI::App* command = inspect.add_subcommand(
      "gradients",
      "How the gradient of a loss at the end of a sequence fades (or grows) on its way back: tanh RNN, "
      "identity ReLU RNN, LSTM and GRU as they are built, on the adding problem");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--steps", arguments->steps, "Time steps")->check(CLI::Range(2, 10000))->capture_default_str();
  command->add_option("--hidden", arguments->hidden, "Units of each network")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--batch-size", arguments->batch, "Sequences")->check(CLI::Range(1, 4096))->capture_default_str();
  command->add_option("--seed", arguments->seed, "Of the weights and the data")->capture_default_str();
  command->add_option("--save", arguments->save, "Where the chart goes; its numbers go beside it as .csv")
      ->type_name("FILE.svg")
      ->capture_default_str();
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace narae::cli
