#include <cmath>

#include "narae/ops/cumulative.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

struct Reduction {
  std::string_view op;
  Tensor (*f)(const Tensor&, const Axes&, const ReduceOptions&);
  bool of_nothing = true;  // has a value over an empty axis
  bool of_integers = true;
};

constexpr Reduction reductions[] = {
    {"sum", sum},
    {"sum_of_squares", sum_of_squares},
    {"prod", prod},
    {"max", max, false},
    {"min", min, false},
    {"sum", mean, false, false},
    {"sum",
     [](const Tensor& x, const Axes& axes, const ReduceOptions& o) {
       return variance(x, axes, {.correction = 0, .keep = o.keep});
     },
     false, false},
    {"sum",
     [](const Tensor& x, const Axes& axes, const ReduceOptions& o) {
       return standard_deviation(x, axes, {.correction = 0.5, .keep = o.keep});
     },
     false, false},
    {"sum_of_squares", norm, true, false},
};

struct Place {
  Shape shape;
  Axes axes = {};
  bool keep = false;
};

const Place places[] = {{{}},
                        {{1}},
                        {{7}, 0},
                        {{255}},
                        {{3, 257}, 1},
                        {{257, 3}, 0},
                        {{3, 5}, -1},
                        {{2, 3, 4}, {0, 2}},
                        {{2, 3, 4}, 1, true},
                        {{2, 3, 4}, {}, true},
                        {{0, 3}, 1},
                        {{1023}, 0}};

}  // namespace

std::vector<OperatorCase> reduction_cases() {
  std::vector<OperatorCase> cases;
  for (const Reduction& r : reductions) {
    const auto number = std::to_string(&r - reductions) + " ";
    for (const Place& p : places) {
      // A product of many numbers has no useful digits unless they are near 1, a deviation of one number no gradient.
      const bool positive = r.op == "prod" && p.shape.count() > 100;
      if (r.f == reductions[6].f && p.shape.count() <= 1) continue;
      cases.push_back({.ops = {r.op},
                       .label = number + to_string(p.shape) + (p.keep ? " keep" : ""),
                       .inputs = {{.shape = p.shape, .low = positive ? 0.98 : -2, .high = positive ? 1.02 : 2}},
                       .function = [&r, &p](Inputs x) { return Results{r.f(x[0], p.axes, {.keep = p.keep})}; },
                       .tolerance_f32 = 1e-4});
    }
    if (r.of_nothing) {
      cases.push_back({.ops = {r.op},
                       .label = number + "over nothing",
                       .inputs = {{.shape = {3, 0, 2}}},
                       .function = [&r](Inputs x) { return Results{r.f(x[0], 1, {})}; }});
    }
    cases.push_back({.ops = {r.op},
                     .label = number + "special values",
                     .inputs = {{.shape = {2, 4}, .values = {1, NAN, 2, 3, INFINITY, -INFINITY, 0, 1}},
                                {.shape = {40, 3}, .values = std::vector<double>(120, -INFINITY)}},
                     .function =
                         [&r](Inputs x) {
                           return Results{r.f(x[0], 0, {}), r.f(x[0], 1, {}), r.f(x[1], 0, {}), r.f(x[1], {}, {})};
                         },
                     .differentiable = false});
    if (!r.of_integers) continue;
    for (const DType dtype : {DType::i32, DType::i64, DType::u8}) {
      cases.push_back({.ops = {r.op},
                       .label = number + std::string(name_of(dtype)),
                       .inputs = {{.shape = {3, 5}, .dtype = dtype, .low = dtype == DType::u8 ? 0.0 : -3.0, .high = 4}},
                       .function =
                           [&r](Inputs x) {
                             return Results{r.f(x[0], 1, {}), r.f(x[0], {}, {})};
                           },
                       .differentiable = false});
    }
  }
  cases.push_back({.ops = {"prod"},
                   .label = "with zeros",
                   .inputs = {{.shape = {4, 3}, .values = {1, 2, 3, 0, 2, 3, 0, 0, 2, 0, 0, 0}}},
                   .function = [](Inputs x) { return Results{prod(x[0], 1)}; }});
  for (const Place& p : places) {
    if (p.shape.rank() == 0 || p.shape.count() == 0) continue;
    cases.push_back({.ops = {"argmax", "argmin"},
                     .label = to_string(p.shape),
                     .inputs = {{.shape = p.shape}},
                     .function =
                         [](Inputs x) {
                           return Results{argmax(x[0]), argmin(x[0], 0, {.keep = true}), argmax(x[0], 0)};
                         },
                     .differentiable = false});
  }
  for (const Shape& shape : {Shape{7}, Shape{1}, Shape{0}, Shape{3, 5}, Shape{2, 257, 3}}) {
    for (const bool reverse : {false, true}) {
      cases.push_back({.ops = {"cumsum"},
                       .label = to_string(shape) + (reverse ? " reverse" : ""),
                       .inputs = {{.shape = shape}},
                       .function =
                           [reverse](Inputs x) {
                             return Results{cumsum(x[0], 0, reverse), cumsum(x[0], -1, !reverse)};
                           },
                       .tolerance_f32 = 1e-4});
    }
  }
  cases.push_back({.ops = {"cumsum"},
                   .label = "i32",
                   .inputs = {{.shape = {3, 5}, .dtype = DType::i32, .low = -9, .high = 9}},
                   .function = [](Inputs x) { return Results{cumsum(x[0], 1)}; },
                   .differentiable = false});
  cases.push_back({.ops = {"sum"},
                   .label = "all_finite",
                   .inputs = {{.shape = {300}}, {.shape = {2, 2}, .values = {1, 2, INFINITY, 3}}},
                   .function =
                       [](Inputs x) {
                         return Results{all_finite(x), all_finite(x.first(1))};
                       },
                   .differentiable = false});
  return cases;
}

}  // namespace narae::test
