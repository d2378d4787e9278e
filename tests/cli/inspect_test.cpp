#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "narae/data/image.h"
#include "narae/io/npy.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

TEST(InspectFilters, DrawsASheetAndWritesTheKernels) {
  const fs::path folder = temporary_folder();
  const CommandResult result = run_command({"inspect", "filters"}, {.folder = folder});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* name : {"box", "gaussian", "sharpen", "horizontal_edge", "vertical_edge", "motion"}) {
    EXPECT_SAYS(result.out, name);
  }
  EXPECT_SAYS(result.out, "Picture: filters.png, kernels: filters.npz");
  const auto kernels = read_npz(folder / "filters.npz");
  EXPECT_EQ(kernels.size(), 6U);
  EXPECT_EQ(kernels.at("sharpen").values<float>()[4], 5);
  const Array sheet = read_png(folder / "filters.png");
  EXPECT_GT(sheet.shape[2], 4 * 192);
}

// A black and white picture: what the edge filters draw is where its edges run.
TEST(InspectFilters, FiltersAGivenPicture) {
  const fs::path folder = temporary_folder();
  Array picture = Array::zeros(DType::u8, {1, 8, 8});
  auto pixels = picture.mutable_values<std::uint8_t>();
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = i % 8 < 4 ? 0 : 40;
  write_png(folder / "half.png", picture);
  const CommandResult result =
      run_command({"inspect", "filters", "--image", "half.png", "--save", "out.png", "--json"}, {.folder = folder});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["picture"], "out.png");
  EXPECT_EQ(json["numbers"], "out.npz");
  EXPECT_EQ(json["kernels"]["vertical_edge"][1], (Json{-2, 0, 2}));
  const Array sheet = read_png(folder / "out.png");
  const auto values = sheet.values<std::uint8_t>();
  // Two columns of 8 pixels answer with (1 + 2 + 1) * 40, each pixel enlarged 16 times; nothing else on the sheet is of
  // this grey.
  const auto plane = values.first(values.size() / 3);
  EXPECT_EQ(std::count(plane.begin(), plane.end(), 160), 2 * 8 * 16 * 16);
}

TEST(InspectFilters, SaysWhichFileIsWrong) {
  const fs::path folder = temporary_folder();
  const CommandResult result = run_command({"inspect", "filters", "--image", "none.png"}, {.folder = folder});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_SAYS(result.err, "none.png");
  EXPECT_FALSE(fs::exists(folder / "filters.png"));
}

TEST(InspectBptt, PrintsEveryNumber) {
  const fs::path folder = temporary_folder();
  const CommandResult text = run_command({"inspect", "bptt"}, {.folder = folder});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_SAYS(text.out, "L = 2.0654561313");
  EXPECT_SAYS(text.out, "h [ 0.282135, -0.197375]");
  EXPECT_SAYS(text.out, "dL/dWhh = [[ 0.068447,  0.044962], [-0.150695,  0.194715]]");
  const CommandResult result = run_command({"inspect", "bptt", "--json"}, {.folder = folder});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["steps"].size(), 4U);
  double sum = 0;
  for (const Json& step : json["steps"]) sum += step["adds"]["xh"][2][1].get<double>();
  EXPECT_NEAR(sum, json["gradients"]["xh"][2][1].get<double>(), 1e-15);
  EXPECT_NEAR(sum, -0.048004, 5.1e-7);
}

TEST(InspectGradients, DrawsHowGradientsFade) {
  const fs::path folder = temporary_folder();
  const CommandResult result = run_command(
      {"inspect", "gradients", "--steps", "30", "--hidden", "16", "--seed", "3", "--save", "far.svg", "--json"},
      {.folder = folder});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json norms = Json::parse(result.out)["norms"];
  ASSERT_EQ(norms.size(), 4U);
  for (const auto& [name, of_steps] : norms.items()) EXPECT_EQ(of_steps.size(), 30U) << name;
  // A network with small tanh weights forgets; identity weights hand the gradient back as it is.
  const auto kept = [&](const char* name) { return norms[name][0].get<double>() / norms[name][29].get<double>(); };
  EXPECT_LT(kept("tanh RNN"), 1e-3);
  EXPECT_GT(kept("identity ReLU RNN"), 0.1);
  EXPECT_GT(kept("LSTM"), kept("tanh RNN"));
  EXPECT_GT(fs::file_size(folder / "far.svg"), 1000U);
  std::ifstream csv(folder / "far.csv");
  std::string line;
  std::getline(csv, line);
  EXPECT_EQ(line, "step,tanh RNN,identity ReLU RNN,LSTM,GRU");
  int rows = 0;
  while (std::getline(csv, line)) ++rows;
  EXPECT_EQ(rows, 30);
  // Another seed, other weights.
  const CommandResult other =
      run_command({"inspect", "gradients", "--steps", "30", "--hidden", "16", "--json"}, {.folder = folder});
  EXPECT_NE(Json::parse(other.out)["norms"], norms);
  EXPECT_TRUE(fs::exists(folder / "gradients.svg"));
}

TEST(InspectGradients, TakesSvgAlone) {
  const fs::path folder = temporary_folder();
  const CommandResult result = run_command({"inspect", "gradients", "--save", "far.png"}, {.folder = folder});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_SAYS(result.err, ".svg");
}

}  // namespace
}  // namespace narae::cli
