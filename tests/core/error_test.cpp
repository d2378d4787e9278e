#include "narae/core/error.h"

#include <gtest/gtest.h>

#include <vector>

#include "narae/core/shape.h"

namespace narae {
namespace {

TEST(EditDistance, CountsLettersAddedLeftOutExchangedAndSwapped) {
  EXPECT_EQ(detail::edit_distance("hidden", "hidden"), 0);
  EXPECT_EQ(detail::edit_distance("hiden", "hidden"), 1);
  EXPECT_EQ(detail::edit_distance("hiddden", "hidden"), 1);
  EXPECT_EQ(detail::edit_distance("hudden", "hidden"), 1);
  EXPECT_EQ(detail::edit_distance("ihdden", "hidden"), 1);
  EXPECT_EQ(detail::edit_distance("", "abc"), 3);
  EXPECT_EQ(detail::edit_distance("kitten", "sitting"), 3);
}

TEST(DidYouMean, NamesTheNearestThatIsNotTooFar) {
  const std::vector<std::string> known = {"mlp", "lenet5", "resnet20"};
  EXPECT_EQ(did_you_mean("lpm", std::vector<std::string>{"lmp"}), "; did you mean 'lmp'?");
  EXPECT_EQ(did_you_mean("lenet", known), "; did you mean 'lenet5'?");
  EXPECT_EQ(did_you_mean("nlp", known), "; did you mean 'mlp'?");
  EXPECT_EQ(did_you_mean("resnet", known), "; did you mean 'resnet20'?");
  EXPECT_EQ(did_you_mean("transformer", known), "");
  EXPECT_EQ(did_you_mean("nonexist", std::vector<std::string>{"mnist"}), "");
  EXPECT_EQ(did_you_mean("q", std::vector<std::string>{"x"}), "");
  EXPECT_EQ(did_you_mean(std::string(1000, 'm'), known), "");
}

TEST(Shape, OfABatchHasTheCountFirst) {
  EXPECT_EQ(batched(5, {3, 4}), Shape({5, 3, 4}));
  EXPECT_EQ(batched(1, Shape()), Shape({1}));
  EXPECT_THROW(static_cast<void>(batched(2, {1, 1, 1, 1, 1, 1, 1, 1})), Error);
}

}  // namespace
}  // namespace narae
