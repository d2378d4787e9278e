// The networks for sequences against PyTorch in float32: answers, final states, the task's loss and its gradients. See
// tests/reference/make_sequence_models.py, make_gpt.py and make_transformer.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "narae/core/error.h"
#include "narae/graph/grad.h"
#include "narae/models/recurrent_language_model.h"
#include "narae/models/registry.h"
#include "narae/nn/init.h"
#include "narae/nn/sequence.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/ops/reduce.h"
#include "narae/train/optimization.h"
#include "narae/train/weight_average.h"
#include "tests/models/zoo_reference.h"

namespace narae {
namespace {

using nlohmann::json;

// The files that hold cases: recurrent networks and text-cnn; decoders, which Hugging Face computed; encoder-decoders.
const std::vector<const testing::ReferenceFile*>& files() {
  static const testing::ReferenceFile recurrent("sequence_models.safetensors", "cases");
  static const testing::ReferenceFile decoders("gpt.safetensors", "cases");
  static const testing::ReferenceFile pairs("transformer.safetensors", "cases");
  static const std::vector<const testing::ReferenceFile*> all = {&recurrent, &decoders, &pairs};
  return all;
}

const testing::ReferenceFile& file_of(const std::string& name) {
  for (const testing::ReferenceFile* file : files())
    if (file->description.contains(name)) return *file;
  throw Error("no case " + name);
}

Array narrowed(const Array& a) {
  return a.dtype == DType::f64 ? cast(a, DType::f32).array() : a;
}

std::shared_ptr<nn::SequenceModule> network_of(const std::string& name) {
  json description = file_of(name).description[name];
  description["input"].insert(description["input"].begin(), 1);  // the batch
  auto network = std::dynamic_pointer_cast<nn::SequenceModule>(testing::undefined_network(description));
  network->load_state_dict(file_of(name).group(name + ".param"));
  return network;
}

// Networks of texts have dropout unless told otherwise; in evaluation mode it does nothing.
std::map<std::string, Array> computed(const std::string& name) {
  const auto network = network_of(name);
  network->eval();
  std::map<std::string, Array> in;
  for (const auto& [key, array] : file_of(name).group(name + ".in")) in[key] = narrowed(array);
  nn::SequenceInput input{.x = in.at("x")};
  if (in.contains("lengths")) input.lengths = in.at("lengths");
  if (in.contains("target")) input.target = in.at("target");
  if (in.contains("before")) {
    for (const Tensor& part : (*network)({.x = in.at("before")}).state) input.state.push_back(detach(part));
  }
  const nn::SequenceOutput output = (*network)(input);
  const Task& task = task_of(file_of(name).description[name]["task"].get<std::string>());
  TrainRecipe recipe;
  recipe.loss = task.losses.front();
  const Tensor loss = task_loss(task, recipe, output.logits, in.at("labels"), true);
  const Gradients gradients = grad(loss, network->parameters());
  std::vector<Tensor> wanted = gradients.values;
  wanted.insert(wanted.end(), {loss, output.logits});
  wanted.insert(wanted.end(), output.state.begin(), output.state.end());
  eval(wanted);

  std::map<std::string, Array> values = {{"out.logits", output.logits.array()}, {"out.loss", loss.array()}};
  for (std::size_t i = 0; i < output.state.size(); ++i) {
    values["out.state." + std::to_string(i)] = output.state[i].array();
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    values["grad." + gradients.variables[i].name()] = gradients[i].array();
  }
  return values;
}

class SequenceModels : public ::testing::TestWithParam<std::string> {};

TEST_P(SequenceModels, FollowPyTorch) {
  const std::string& name = GetParam();
  const json& theirs = file_of(name).description[name]["float32"];
  const std::map<std::string, Array> values = computed(name);
  std::set<std::string> keys;
  for (const auto& [key, array] : values) {
    keys.insert(key);
    ASSERT_TRUE(theirs.contains(key)) << key;
    const Array& expected = file_of(name).tensors.at(testing::key_of(name, key));
    if (key != "out.loss") ASSERT_TRUE(array.shape == expected.shape) << key << " " << to_string(array.shape);
    EXPECT_LE(testing::relative_error(array, expected), std::max(1e-5, 4 * theirs[key].get<double>())) << key;
  }
  for (const auto& [key, error] : theirs.items()) EXPECT_TRUE(keys.contains(key)) << key << " is not computed";
}

std::vector<std::string> all_cases() {
  std::vector<std::string> names;
  for (const testing::ReferenceFile* file : files())
    for (const auto& [name, description] : file->description.items()) names.push_back(name);
  return names;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, SequenceModels, ::testing::ValuesIn(all_cases()), test_name);

TEST(SequenceModel, EveryOneIsComparedWithPyTorch) {
  std::set<std::string> compared;
  for (const std::string& name : all_cases()) {
    compared.insert(file_of(name).description[name]["model"].get<std::string>());
  }
  const nn::init::Skip skip;
  for (const models::ModelInfo& info : models::models()) {
    const auto network = models::make_model(
        {.name = info.name, .input = info.input, .num_classes = info.num_classes, .vocabulary = info.vocabulary});
    if (dynamic_cast<const nn::SequenceModule*>(network.get()) == nullptr) continue;
    EXPECT_TRUE(compared.contains(info.name)) << info.name;
  }
}

// One variable under two names.
TEST(SequenceModel, EmbeddingsBeginAsSmallAsTheyAreToldTo) {
  for (const char* name : {"text-cnn", "rnn-classifier", "rnn-tagger"}) {
    for (const double stddev : {0.1, 1.0}) {
      const auto network = models::make_model(
          {.name = name, .options = {{"embedding_std", stddev}}, .input = {8}, .num_classes = 2, .vocabulary = 500});
      const Tensor weight = network->parameters().front();
      ASSERT_EQ(weight.name(), "embedding.weight");
      EXPECT_NEAR(mean(weight * weight).to_vector<float>()[0], stddev * stddev, 0.05 * stddev * stddev) << name;
    }
  }
}

// With everything dropped, states that still depend on the tokens come from embeddings that are not.
TEST(SequenceModel, EmbeddedTokensCanBeLeftOutOfTheDropout) {
  for (const bool drop : {true, false}) {
    const models::RecurrentLanguageModel network(
        5, {.embedding = 4, .hidden = 8, .layers = 1, .dropout = 1, .drop_embedded = drop});
    const auto state = [&](const std::vector<std::int64_t>& tokens) {
      return network({.x = Tensor::of(std::span<const std::int64_t>(tokens), {1, 3})}).state.front().to_vector<float>();
    };
    EXPECT_EQ(state({0, 1, 2}) == state({3, 4, 0}), drop);
  }
}

TEST(SequenceModel, TiedWeightsAreOneVariable) {
  constexpr std::int64_t vocabulary = 11;
  constexpr std::int64_t width = 6;
  const auto make = [&](bool tied) {
    return models::make_model({.name = "rnn-lm",
                               .options = {{"embedding", width}, {"hidden", width}, {"tied", tied}},
                               .input = {5},
                               .num_classes = vocabulary,
                               .vocabulary = vocabulary});
  };
  const auto network = make(true);
  const auto untied = make(false);
  EXPECT_EQ(network->parameter_count(), untied->parameter_count() - vocabulary * width);
  EXPECT_EQ(network->parameters().size() + 1, untied->parameters().size());
  EXPECT_EQ(network->parameters().front().name(), "encoder.weight");

  const nn::StateDict state = network->state_dict();
  const nn::StateDict names = untied->state_dict();
  ASSERT_EQ(state.size(), names.size());
  for (std::size_t i = 0; i < state.size(); ++i) EXPECT_EQ(state[i].first, names[i].first);

  const Tensor weight = network->parameters().front();
  weight.assign(full(weight.shape(), 0.25, DType::f32));
  for (const auto& [name, array] : network->state_dict()) {
    if (name == "encoder.weight" || name == "decoder.weight") EXPECT_EQ(array.values<float>()[7], 0.25F) << name;
  }

  nn::StateDict once = network->state_dict();
  std::erase_if(once, [](const auto& entry) { return entry.first == "decoder.weight"; });
  weight.assign(full(weight.shape(), 0.5, DType::f32));
  network->load_state_dict(once);
  EXPECT_EQ(weight.to_vector<float>()[7], 0.25F) << "files may name a shared weight once";
  EXPECT_THROW(untied->load_state_dict(once), Error);

  EXPECT_EQ(network->freeze("decoder.weight"), 1);
  EXPECT_FALSE(weight.is_trainable());
}

TEST(SequenceModel, TiedWeightsAreAveragedOnce) {
  const auto make = [] {
    return models::make_model({.name = "rnn-lm",
                               .options = {{"embedding", std::int64_t{4}}, {"hidden", std::int64_t{4}}, {"tied", true}},
                               .input = {5},
                               .num_classes = 3,
                               .vocabulary = 3});
  };
  const auto network = make();
  const Tensor weight = network->parameters().front();
  weight.assign(full(weight.shape(), 1, DType::f32));
  const WeightAverage average(*network, make(), 0.9);
  weight.assign(full(weight.shape(), 3, DType::f32));
  average.update(1);  // decay 2 / 11
  EXPECT_NEAR(average.model().parameters().front().to_vector<float>()[0], 2.0 / 11 * 1 + 9.0 / 11 * 3, 1e-6);
}

}  // namespace
}  // namespace narae
