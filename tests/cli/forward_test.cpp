#include <gtest/gtest.h>

#include <cstring>

#include "narae/io/npy.h"
#include "narae/io/safetensors.h"
#include "narae/models/config.h"
#include "narae/ops/elementwise.h"
#include "narae/train/weights.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;

Array counting(DType dtype, const Shape& shape) {
  Array array = Array::empty(DType::f32, shape);
  auto values = array.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) - 8;
  return cast(Tensor(array), dtype).array();
}

void expect_same(const Array& a, const Array& b) {
  ASSERT_EQ(a.dtype, b.dtype);
  ASSERT_EQ(a.shape, b.shape);
  EXPECT_EQ(std::memcmp(a.buffer.data(), b.buffer.data(), a.bytes()), 0);
}

// A network of 2 x 3 inputs and 2 classes with known weights: a folder with weights.safetensors and config.json.
class ForwardCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.model = {.name = "mlp",
                     .options = {{"hidden", std::vector<std::int64_t>{4}}, {"activation", std::string("tanh")}},
                     .input = {2, 3},
                     .num_classes = 2};
    model_ = models::make_model(config_.model);
    model_->eval();
    save_weights(folder_ / "weights.safetensors", *model_);
    write_whole(folder_ / "config.json", models::to_json(config_));
    write_npy(folder_ / "x.npy", input_);
  }

  [[nodiscard]] CommandResult forward(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "forward");
    return run_command(arguments, {.folder = folder_});
  }
  [[nodiscard]] Array expected(const Array& x) const { return (*model_)(cast(Tensor(x), DType::f32)).array(); }

  fs::path folder_ = temporary_folder();
  models::ModelConfig config_;
  std::shared_ptr<nn::Module> model_;
  Array input_ = counting(DType::f32, {5, 2, 3});
};

const std::vector<std::string> known = {"mlp", "--config", "config.json", "--weights", "weights.safetensors"};

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(ForwardCommand, NpyInAndOutIsOneForwardPass) {
  const CommandResult result = forward(with(known, {"--input", "x.npy", "--output", "y.npy"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out + result.err, "");
  expect_same(read_npy(folder_ / "y.npy"), expected(input_));
}

TEST_F(ForwardCommand, SeveralArraysKeepTheirNamesInNpzAndSafetensors) {
  const Array second = counting(DType::f32, {1, 2, 3});
  const Array bytes = counting(DType::u8, {2, 2, 3});
  const Array doubles = counting(DType::f64, {3, 2, 3});
  write_npz(folder_ / "more.npz", {{"second", second}, {"bytes", bytes}});
  const std::vector<std::pair<std::string, Array>> named = {{"doubles", doubles}};
  write_safetensors(folder_ / "third.safetensors", named);
  const std::vector<std::string> inputs = {"--input", "x.npy", "more.npz", "third.safetensors", "--output"};
  ASSERT_EQ(forward(with(with(known, inputs), {"y.npz"})).exit_code, 0);
  const auto arrays = read_npz(folder_ / "y.npz");
  ASSERT_EQ(arrays.size(), 4U);
  expect_same(arrays.at("x"), expected(input_));
  expect_same(arrays.at("second"), expected(second));
  expect_same(arrays.at("bytes"), expected(bytes));
  expect_same(arrays.at("doubles"), expected(doubles));
  ASSERT_EQ(forward(with(with(known, inputs), {"y.safetensors"})).exit_code, 0);
  expect_same(read_safetensors(folder_ / "y.safetensors").tensors.at("second"), expected(second));
}

TEST_F(ForwardCommand, ARunFolderBringsItsConfigAndBestWeights) {
  fs::create_directories(folder_ / "run" / "weights");
  fs::copy(folder_ / "config.json", folder_ / "run" / "config.json");
  fs::copy(folder_ / "weights.safetensors", folder_ / "run" / "weights" / "best.safetensors");
  EXPECT_EQ(forward({"run", "--input", "x.npy", "--output", "y.npy"}).exit_code, 0);
  expect_same(read_npy(folder_ / "y.npy"), expected(input_));
}

TEST_F(ForwardCommand, WithoutConfigTheInputDecidesTheShapeAndWithoutWeightsTheyAreFreshButTheSame) {
  EXPECT_EQ(forward({"mlp", "--input", "x.npy", "--output", "a.npy"}).exit_code, 0);
  EXPECT_EQ(forward({"mlp", "--input", "x.npy", "--output", "b.npy", "--threads", "1"}).exit_code, 0);
  const Array a = read_npy(folder_ / "a.npy");
  EXPECT_EQ(a.shape, (Shape{5, 10}));
  expect_same(a, read_npy(folder_ / "b.npy"));
}

TEST_F(ForwardCommand, StrictWeightsListEverythingThatIsWrong) {
  const std::vector<std::pair<std::string, Array>> wrong = {{"0.weight", counting(DType::f32, {4, 5})},
                                                            {"extra", counting(DType::f32, {1})}};
  write_safetensors(folder_ / "wrong.safetensors", wrong);
  const CommandResult result = forward(
      {"mlp", "--config", "config.json", "--weights", "wrong.safetensors", "--input", "x.npy", "--output", "y.npy"});
  EXPECT_EQ(result.exit_code, 1);
  for (const char* part : {"wrong.safetensors", "0.weight", "(4, 5)", "(4, 6)", "extra", "0.bias", "2.weight"}) {
    EXPECT_SAYS(result.err, part);
  }
  EXPECT_FALSE(fs::exists(folder_ / "y.npy"));
}

// A model by its name alone: options and classes on the command line.
TEST_F(ForwardCommand, OptionsAndClassesMakeTheNetwork) {
  const std::vector<std::string> same = {"mlp", "model.hidden=4", "model.activation=tanh", "--classes",
                                         "2",   "--weights",      "weights.safetensors"};
  EXPECT_EQ(forward(with(same, {"--input", "x.npy", "--output", "y.npy"})).exit_code, 0);
  expect_same(read_npy(folder_ / "y.npy"), expected(input_));
}

TEST_F(ForwardCommand, AFreshHeadIsNotLookedForInTheWeights) {
  const std::vector<std::string> three = {"mlp", "model.hidden=4", "model.activation=tanh", "--classes",
                                          "3",   "--weights",      "weights.safetensors"};
  const CommandResult misfit = forward(with(three, {"--input", "x.npy", "--output", "y.npy"}));
  EXPECT_EQ(misfit.exit_code, 1);
  EXPECT_SAYS(misfit.err, "2.weight is f32 (2, 4) instead of f32 (3, 4)");
  EXPECT_SAYS(misfit.err, "--fresh");
  EXPECT_EQ(forward(with(three, {"--fresh", "2", "--input", "x.npy", "--output", "y.npy"})).exit_code, 0);
  EXPECT_EQ(read_npy(folder_ / "y.npy").shape, (Shape{5, 3}));
}

TEST_F(ForwardCommand, ShardsAreReadThroughTheirIndex) {
  std::string map;
  const nn::StateDict state = model_->state_dict();
  for (std::size_t i = 0; i < state.size(); ++i) {
    const std::string shard = "model-" + std::to_string(i % 2) + ".safetensors";
    map += (i == 0 ? "\"" : ", \"") + state[i].first + "\": \"" + shard + "\"";
  }
  for (std::size_t first : {0U, 1U}) {
    nn::StateDict part;
    for (std::size_t i = first; i < state.size(); i += 2) part.push_back(state[i]);
    write_safetensors(folder_ / ("model-" + std::to_string(first) + ".safetensors"), part);
  }
  write_whole(folder_ / "model.safetensors.index.json", "{\"metadata\": {}, \"weight_map\": {" + map + "}}");
  const std::vector<std::string> sharded = {"mlp", "--config", "config.json", "--weights",
                                            "model.safetensors.index.json"};
  const CommandResult result = forward(with(sharded, {"--input", "x.npy", "--output", "y.npy"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  expect_same(read_npy(folder_ / "y.npy"), expected(input_));
}

TEST_F(ForwardCommand, MistakesAreExplainedAndLeaveNoFile) {
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string says;
  };
  write_npy(folder_ / "flat.npy", counting(DType::f32, {6}));
  write_npy(folder_ / "wide.npy", counting(DType::f32, {5, 2, 4}));
  write_whole(folder_ / "broken.npy", "\x93NUMPY");
  write_whole(folder_ / "broken.json", "{");
  const Case cases[] = {
      {with(known, {"--input", "x.npy", "--output", "y.txt"}), 2, "must end in .npy"},
      {with(known, {"--input", "x.txt", "--output", "y.npy"}), 2, "must end in .npy"},
      {with(known, {"--input", "missing.npy", "--output", "y.npy"}), 1, "missing.npy"},
      {with(known, {"--input", "broken.npy", "--output", "y.npy"}), 1, "broken.npy"},
      {with(known, {"--input", "flat.npy", "--output", "y.npy"}), 1, "the first axis is the batch"},
      {with(known, {"--input", "wide.npy", "--output", "y.npy"}), 1, "(5, 2, 4), the network takes (batch, 2, 3)"},
      {with(known, {"--input", "x.npy", "x.npy", "--output", "y.npz"}), 2, "two arrays are called 'x'"},
      {with(known, {"--input", "x.npy", "wide.npy", "--output", "y.npy"}), 2, "a .npy file holds one array"},
      {with(known, {"--input", "x.npy", "--output", "no/folder/y.npy"}), 1, "no/folder"},
      {{"nlp", "--input", "x.npy", "--output", "y.npy"}, 2, "did you mean 'mlp'?"},
      {{"lenet5", "--config", "config.json", "--input", "x.npy", "--output", "y.npy"}, 2, "describes 'mlp'"},
      {{"mlp", "--config", "broken.json", "--input", "x.npy", "--output", "y.npy"}, 1, "broken.json"},
      {{"mlp", "--config", "none.json", "--input", "x.npy", "--output", "y.npy"}, 1, "none.json"},
      {{"mlp", "--weights", "none.safetensors", "--input", "x.npy", "--output", "y.npy"}, 1, "none.safetensors"},
      {{"mlp", "--output", "y.npy"}, 2, "--input is required"},
      {{"mlp", "model.hiden=3", "--input", "x.npy", "--output", "y.npy"}, 2, "did you mean 'hidden'?"},
      {{"mlp", "train.epochs=3", "--input", "x.npy", "--output", "y.npy"}, 2, "only options of the model"},
      {{"mlp", "--fresh", "0", "--input", "x.npy", "--output", "y.npy"}, 2, "--weights is not read for"},
      {with(known, {"--classes", "3", "--input", "x.npy", "--output", "y.npy"}), 2, "can't be changed"},
      {with(known, {"--fresh", "9", "--input", "x.npy", "--output", "y.npy"}), 2, "no tensor matches '9'"},
      {with(known, {"--fresh", "0,,2", "--input", "x.npy", "--output", "y.npy"}), 2, "between commas is empty"},
      {with(known, {"--fresh", "", "--input", "x.npy", "--output", "y.npy"}), 2, "--fresh: it is empty"},
      {{"mlp", "model.name=lenet5", "--input", "x.npy", "--output", "y.npy"}, 2, "only options of the model"},
      {with(known, {"--input", "x.npy", "--output", "x.npy"}), 2, "would overwrite what is read"},
      {with(known, {"--input", "x.npy", "--output", "./weights.safetensors"}), 2, "would overwrite what is read"},
      {{"mlp", "--input", "x.npy"}, 2, "--output is required"},
  };
  for (const Case& c : cases) {
    const CommandResult result = forward(c.arguments);
    EXPECT_EQ(result.exit_code, c.code) << c.says << "\n" << result.err;
    EXPECT_SAYS(result.err, c.says);
    for (const char* file : {"y.npy", "y.npz", "y.txt"}) EXPECT_FALSE(fs::exists(folder_ / file)) << c.says;
  }
}

}  // namespace
}  // namespace narae::cli
