#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
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

}  // namespace
}  // namespace narae::cli
