// Products with rows that are looked up in a small table are computed once for each row of the table.
#include <gtest/gtest.h>

#include <cmath>

#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"

namespace narae::plan {
namespace {

constexpr std::int64_t width = 5;
constexpr std::int64_t outputs = 7;

// The projected rows of a table of some entries at 4 x 9 indices, with bias or without; gradients of table and weights.
std::vector<Tensor> recipe(std::int64_t entries, bool bias, DType dtype = DType::f64) {
  manual_seed(1);
  const Tensor table = variable(uniform({entries, width}, -1, 1, dtype));
  const Tensor w = variable(uniform({outputs, width}, -1, 1, dtype));
  const Tensor b = variable(uniform({outputs}, -1, 1, dtype));
  Tensor indices = cast(uniform({4, 9}) * static_cast<double>(entries), DType::i64);
  const Tensor y = linear(embedding(table, indices), w, bias ? b : Tensor());
  const Gradients gradients = grad(sum(square(y) * uniform({4, 9, outputs}, -1, 1, dtype)), {table, w, b});
  std::vector<Tensor> all = {y};
  all.insert(all.end(), gradients.begin(), gradients.end());
  return all;
}

std::vector<std::vector<double>> values_of(const std::vector<Tensor>& tensors) {
  eval(tensors);
  std::vector<std::vector<double>> values;
  for (const Tensor& t : tensors) values.push_back(t.to_vector<double>());
  return values;
}

// The same, with a product for every index: the lookup is handed out and computed first.
std::vector<std::vector<double>> row_by_row(std::int64_t entries, bool bias) {
  manual_seed(1);
  const Tensor table = uniform({entries, width}, -1, 1, DType::f64).eval();
  const Tensor w = uniform({outputs, width}, -1, 1, DType::f64).eval();
  const Tensor b = uniform({outputs}, -1, 1, DType::f64).eval();
  const Tensor indices = cast(uniform({4, 9}) * static_cast<double>(entries), DType::i64).eval();
  const Tensor x = reshape(embedding(table, indices), {36, width}).eval();
  const Tensor y = (matmul(x, t(w)) + (bias ? b : zeros_like(b))).eval();
  const Tensor dy = (2.0 * y * reshape(uniform({4, 9, outputs}, -1, 1, DType::f64), {36, outputs})).eval();
  const Tensor dx = matmul(dy, w).eval();
  const Tensor dtable = segment_sum(dx, flatten(indices), table.size(0));
  return values_of({y, dtable, matmul(t(dy), x), bias ? sum(dy, 0) : zeros_like(b)});
}

// Whether some value has that many rows of outputs.
bool has_rows(std::int64_t rows) {
  return last_plan().text.find(" = linear") != std::string::npos &&
         last_plan().text.find(" : f64" + to_string(Shape{rows, outputs}) + "\n") != std::string::npos;
}

TEST(RepeatedRows, ValuesAndGradientsAreThoseOfEveryRow) {
  for (const bool bias : {true, false}) {
    for (const std::int64_t entries : {3, 18, 30}) {
      const auto got = values_of(recipe(entries, bias));
      const auto expected = row_by_row(entries, bias);
      ASSERT_EQ(got.size(), expected.size());
      for (std::size_t k = 0; k < got.size(); ++k) {
        ASSERT_EQ(got[k].size(), expected[k].size());
        for (std::size_t i = 0; i < got[k].size(); ++i)
          EXPECT_NEAR(got[k][i], expected[k][i], 1e-12) << entries << " entries, result " << k << " element " << i;
      }
    }
  }
}

TEST(RepeatedRows, ATableOfFewRowsIsMultipliedInsteadOfItsLookups) {
  (void)values_of({recipe(3, true)[0]});
  EXPECT_TRUE(has_rows(3)) << last_plan().text;
  (void)values_of({recipe(30, true)[0]});
  EXPECT_FALSE(has_rows(30)) << last_plan().text;
}

}  // namespace
}  // namespace narae::plan
