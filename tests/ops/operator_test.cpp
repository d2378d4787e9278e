// The one operator test: every operator has a case, and every case holds.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "narae/graph/op.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

std::vector<OperatorCase> all_cases() {
  std::vector<OperatorCase> all;
  for (const auto& family :
       {elementwise_cases(), view_cases(), reduction_cases(), index_cases(), random_cases(), product_cases(),
        pooling_cases(), normalisation_cases(), recurrent_cases(), attention_cases()}) {
    all.insert(all.end(), family.begin(), family.end());
  }
  return all;
}

// Operators that no recipe of a user has an own case for.
bool is_exempt(const Op& op) {
  constexpr std::string_view internal[] = {
      "output",   // reads one result of an operator with several: part of every such case
      "loop",     // made by the plan from elementwise operators
      "reorder",  // made by the plan where the layout of a value changes
  };
  return op.kind == OpClass::leaf || std::find(std::begin(internal), std::end(internal), op.name) != std::end(internal);
}

class OperatorTest : public testing::TestWithParam<std::string_view> {};

TEST_P(OperatorTest, HasCasesThatHold) {
  bool any = false;
  for (const OperatorCase& c : all_cases()) {
    if (c.ops[0] != GetParam()) {
      any = any || std::find(c.ops.begin(), c.ops.end(), GetParam()) != c.ops.end();
      continue;
    }
    any = true;
    std::set<std::string_view> seen;
    check(c, seen);
    for (const std::string_view op : c.ops)
      EXPECT_TRUE(seen.contains(op)) << "the case '" << c.label << "' never uses " << op;
  }
  EXPECT_TRUE(any) << "operator '" << GetParam() << "' has no case in tests/ops/cases_*.cpp";
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> result;
  for (const Op* op : all_ops())
    if (!is_exempt(*op)) result.push_back(op->name);
  return result;
}

INSTANTIATE_TEST_SUITE_P(All, OperatorTest, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });

TEST(OperatorRecords, CasesNameOperatorsThatExist) {
  for (const OperatorCase& c : all_cases())
    for (const std::string_view op : c.ops) EXPECT_NE(find_op(op), nullptr) << op;
}

TEST(OperatorRecords, AreComplete) {
  for (const Op* op : all_ops()) {
    if (op->kind == OpClass::leaf) continue;
    EXPECT_NE(op->infer, nullptr) << op->name;
    EXPECT_FALSE(op->stops_gradient && op->gradient != nullptr) << op->name;
    EXPECT_EQ(op->kind == OpClass::fused, op->compose != nullptr) << op->name;
    if (!is_exempt(*op) && !op->stops_gradient) {
      EXPECT_TRUE(op->gradient != nullptr || op->compose != nullptr) << op->name;
    }
  }
}

}  // namespace
}  // namespace narae::test
