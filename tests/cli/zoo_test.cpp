#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "narae/models/registry.h"
#include "narae/train/trained_model.h"
#include "narae/train/weights.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Setting {
  int side = 32;        ///< of the pictures
  std::string options;  ///< further keys of [model], which make the network smaller
};

Setting setting_of(const std::string& model) {
  if (model == "alexnet") return {.side = 64, .options = {}};
  if (model == "alexnet-227") return {.side = 67, .options = {}};
  if (model == "inception-v3") return {.side = 75, .options = "auxiliary = false\n"};
  if (model.starts_with("vgg")) return {.options = "hidden = 64\npooled = 1\n"};
  return {.options = {}};
}

class ZooCommand : public ::testing::TestWithParam<std::string> {
 protected:
  ~ZooCommand() override { fs::remove_all(folder_); }
  const fs::path folder_ = temporary_folder();
};

// One step on four drawn pictures; the run's folder has weights that load strictly and are those of the run's end.
TEST_P(ZooCommand, TakesAStepAndLoadsItsWeights) {
  const Setting setting = setting_of(GetParam());
  write_whole(folder_ / "step.toml",
              "[model]\nname = \"" + GetParam() + "\"\n" + setting.options +
                  "[data]\nname = \"synth:shapes?train=4&test=4&size=" + std::to_string(setting.side) +
                  "\"\nworkers = 0\n"
                  "[train]\nepochs = 1\nbatch_size = 4\n"
                  "optimizer = { name = \"adam\", lr = 0.0001 }\n");
  const CommandResult result = run_command({"train", "step.toml", "--json"}, {.folder = folder_});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["steps"], 1);
  EXPECT_TRUE(std::isfinite(json["last"]["loss"].get<double>()));
  const TrainedModel model = load_trained(folder_ / json["run"].get<std::string>());
  EXPECT_EQ(model.config.model.name, GetParam());
  EXPECT_EQ(weights_hash(*model.network), json["weights"]);
}

std::vector<std::string> convolutional_models() {
  std::vector<std::string> names;
  for (const models::ModelInfo& info : models::models())
    if (info.input[0] == 3) names.push_back(info.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Models, ZooCommand, ::testing::ValuesIn(convolutional_models()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace narae::cli
