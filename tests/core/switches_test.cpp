// Switches that change how results are rounded: scopes, and that plans follow them.
#include "narae/core/switches.h"

#include <gtest/gtest.h>

#include <optional>

#include "narae/graph/eval.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

class Switches : public ::testing::Test {
 protected:
  void SetUp() override {
    allow_winograd(true);
    allow_tile_units(true);
  }
  void TearDown() override {
    allow_winograd(winograd_);
    allow_tile_units(tile_units_);
  }

 private:
  bool winograd_ = winograd_allowed();
  bool tile_units_ = tile_units_allowed();
};

TEST_F(Switches, ScopesTakeAwayAndGiveBackInAnyOrder) {
  std::optional<SwitchScope> first(std::in_place, false, true);
  EXPECT_FALSE(winograd_allowed());
  EXPECT_TRUE(tile_units_allowed());
  std::optional<SwitchScope> second(std::in_place, false, false);
  first.reset();
  EXPECT_FALSE(winograd_allowed());
  EXPECT_FALSE(tile_units_allowed());
  second.reset();
  EXPECT_TRUE(winograd_allowed());
  EXPECT_TRUE(tile_units_allowed());
}

TEST_F(Switches, AScopeGivesNothingThatIsNotAllowed) {
  allow_tile_units(false);
  const SwitchScope scope(true, true);
  EXPECT_FALSE(tile_units_allowed());
}

TEST_F(Switches, APlanIsMadeForWhatIsAllowed) {
  const Tensor a = ones({7, 11}).eval();
  const Tensor b = ones({11, 3}).eval();
  const auto plans = [&] {
    const std::int64_t before = engine_counts().plans_built;
    EXPECT_EQ((matmul(a, b) * 5.0 - 1.0).to_vector<float>()[0], 54);
    return engine_counts().plans_built - before;
  };
  static_cast<void>(plans());
  EXPECT_EQ(plans(), 0);
  {
    const SwitchScope scope(true, false);
    EXPECT_EQ(plans(), 1);
    EXPECT_EQ(plans(), 0);
  }
  EXPECT_EQ(plans(), 0);
}

}  // namespace
}  // namespace narae
