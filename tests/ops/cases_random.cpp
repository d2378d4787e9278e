#include "narae/ops/dropout.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "tests/ops/operator_case.h"

namespace narae::test {

// Every call draws from the same place, so that recipes written twice hold the same numbers.
std::vector<OperatorCase> random_cases() {
  std::vector<OperatorCase> cases;
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{0}, Shape{7}, Shape{3, 5}, Shape{257}, Shape{1023}}) {
    cases.push_back({.ops = {"random_uniform", "random_normal"},
                     .label = to_string(shape),
                     .inputs = {{.shape = shape}},
                     .function = [shape](Inputs x) {
                       const RandomState before = random_state();
                       set_random_state({.seed = 11, .counter = 1ULL << 33});
                       const DType dtype = x[0].dtype();
                       Results results = {x[0] * uniform(shape, -1, 3, dtype), x[0] + normal(shape, 1, 2, dtype),
                                          bernoulli(shape, 0.3, dtype)};
                       set_random_state(before);
                       return results;
                     }});
    cases.push_back({.ops = {"random_normal"},
                     .label = to_string(shape),
                     .inputs = {{.shape = shape}},
                     .function = [shape](Inputs x) {
                       const RandomState before = random_state();
                       set_random_state({.seed = 5, .counter = 2});
                       Results results = {x[0] * normal(shape, 0, 1, x[0].dtype())};
                       set_random_state(before);
                       return results;
                     }});
    cases.push_back({.ops = {"dropout"},
                     .label = to_string(shape),
                     .inputs = {{.shape = shape},
                                {.values = {0.375}},
                                {.dtype = DType::i64, .values = {7}},
                                {.dtype = DType::i64, .values = {3}}},
                     .function = [](Inputs x) { return Results{dropout(x[0], x[1], x[2], x[3])}; }});
  }
  return cases;
}

}  // namespace narae::test
