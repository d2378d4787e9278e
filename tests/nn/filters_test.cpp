// Fixed filters: their weights, and what they make of pictures that can be worked out by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "narae/nn/filters.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

double total(const nn::ImageFilter& filter) {
  double sum = 0;
  for (const float w : filter.kernel.values<float>()) sum += static_cast<double>(w);
  return sum;
}

TEST(Filters, WeightsAddUpToOneOrToZero) {
  const auto filters = nn::image_filters();
  std::vector<std::string> names;
  for (const nn::ImageFilter& filter : filters) {
    names.push_back(filter.name);
    EXPECT_NEAR(total(filter), filter.finds_edges ? 0 : 1, 1e-6) << filter.name;
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"box", "gaussian", "sharpen", "horizontal_edge", "vertical_edge", "motion"}));
}

TEST(Filters, GaussianWeightsFollowTheBell) {
  const nn::ImageFilter filter = nn::gaussian_filter(5, 0.8);
  const auto w = filter.kernel.values<float>();
  EXPECT_NEAR(w[13] / w[12], std::exp(-1 / (2 * 0.8 * 0.8)), 1e-6);
  EXPECT_NEAR(w[0] / w[12], std::exp(-8 / (2 * 0.8 * 0.8)), 1e-6);
}

// 0 1 2 / 3 4 5 / 6 7 8: brightness rises by 1 to the right and by 3 downwards.
Tensor slope() {
  return reshape(arange(0, 9), {1, 1, 3, 3});
}

TEST(Filters, AnswersOnASlope) {
  const auto middle = [](const nn::ImageFilter& filter) {
    return nn::apply_filter(slope(), filter).to_vector<float>()[4];
  };
  EXPECT_NEAR(middle(nn::box_filter(3)), 4, 1e-5);
  EXPECT_NEAR(middle(nn::sharpen_filter()), 4, 1e-5);
  EXPECT_NEAR(middle(nn::horizontal_edge_filter()), 4 * 6, 1e-5);  // 1 + 2 + 1 times the difference over two rows
  EXPECT_NEAR(middle(nn::vertical_edge_filter()), 4 * 2, 1e-5);
  EXPECT_NEAR(middle(nn::motion_filter(3)), 4, 1e-5);
  // The corner sees itself four times, its neighbours twice: the border is repeated.
  EXPECT_NEAR(nn::apply_filter(slope(), nn::box_filter(3)).to_vector<float>()[0], (4 * 0 + 2 * 1 + 2 * 3 + 4) / 9.0,
              1e-5);
}

TEST(Filters, ChannelsStayApart) {
  const Tensor x = concat({slope(), slope() * 10.0}, 1);
  const Tensor y = nn::apply_filter(cast(x, DType::f64), nn::box_filter());
  EXPECT_EQ(y.shape(), (Shape{1, 2, 3, 3}));
  EXPECT_EQ(y.dtype(), DType::f64);
  const auto values = y.to_vector<double>();
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(values[9 + i], 10 * values[i], 1e-5);
}

TEST(Filters, RefuseWhatMakesNoSense) {
  EXPECT_THROW((void)nn::box_filter(4), Error);
  EXPECT_THROW((void)nn::motion_filter(-1), Error);
  EXPECT_THROW((void)nn::gaussian_filter(5, 0), Error);
  EXPECT_THROW((void)nn::apply_filter(zeros({3, 3}), nn::box_filter()), Error);
  EXPECT_THROW((void)nn::apply_filter(zeros({1, 1, 3, 3}, DType::u8), nn::box_filter()), Error);
  EXPECT_THROW(
      (void)nn::apply_filter(zeros({1, 1, 3, 3}), {.name = "even", .kernel = Array::zeros(DType::f32, {2, 3})}), Error);
}

}  // namespace
}  // namespace narae
