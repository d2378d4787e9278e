#include "narae/optim/clip.h"

#include "narae/ops/ops.h"
#include "tests/nn/reference_values.h"

namespace narae {
namespace {

using testing::reference_values;

Gradients gradients_of(const std::string& name) {
  Gradients result;
  for (const auto& [key, array] : reference_values().group(name + ".in")) {
    result.variables.emplace_back();
    result.values.emplace_back(array);
  }
  return result;
}

void expect_values(const Gradients& got, const std::string& name) {
  std::size_t i = 0;
  const std::string out = name + ".out.";
  for (const auto& [key, array] : reference_values().group(name + ".in"))
    testing::expect_near(got[i++].array(), reference_values().tensors.at(out + key), 1e-13, 0, out + key);
}

TEST(Clip, NormsFollowPyTorch) {
  int checked = 0;
  for (const auto& [name, arguments] : reference_values().description.items()) {
    if (arguments["kind"] != "clip_grad_norm") continue;
    const double norm_type = std::stod(arguments["norm_type"].get<std::string>());
    const auto clipped = optim::clip_norm(gradients_of(name), arguments["max_norm"], {.norm_type = norm_type});
    expect_values(clipped.gradients, name);
    testing::expect_near(clipped.norm.array(), reference_values().tensors.at(name + ".out.total_norm"), 1e-13, 0, name);
    ++checked;
  }
  EXPECT_EQ(checked, 3);
}

TEST(Clip, ValuesFollowPyTorch) {
  const double bound = reference_values().description["clip_grad_value"]["clip_value"];
  expect_values(optim::clip_value(gradients_of("clip_grad_value"), bound), "clip_grad_value");
}

TEST(Clip, RefusesWhatMakesNoSense) {
  const Gradients some{{}, {Tensor()}, {zeros({2})}};
  EXPECT_THROW((void)optim::clip_norm(some, 0), Error);
  EXPECT_THROW((void)optim::clip_norm(some, 1, {.norm_type = 1}), Error);
  EXPECT_THROW((void)optim::clip_norm({}, 1), Error);
  EXPECT_THROW((void)optim::clip_value(some, -1), Error);
}

}  // namespace
}  // namespace narae
