#include <cmath>

#include "narae/ops/cross_entropy.h"
#include "narae/ops/local_response_norm.h"
#include "narae/ops/norm.h"
#include "narae/ops/softmax.h"
#include "tests/ops/operator_case.h"

namespace narae::test {

std::vector<OperatorCase> normalisation_cases() {
  std::vector<OperatorCase> cases;
  for (const Shape& shape : {Shape{7}, Shape{1}, Shape{3, 5}, Shape{2, 4, 3}, Shape{5, 257}, Shape{0, 3}}) {
    for (const std::int64_t axis : {std::int64_t{0}, std::int64_t{-1}}) {
      if (axis == 0 && shape[0] == 0) continue;
      const std::string label = to_string(shape) + " axis " + std::to_string(axis);
      const InputSpec x{.shape = shape, .low = -9, .high = 9};
      cases.push_back(
          {.ops = {"softmax", "softmax_gradient"}, .label = label, .inputs = {x}, .function = [axis](Inputs in) {
             return Results{softmax(in[0], axis)};
           }});
      cases.push_back({.ops = {"log_softmax", "log_softmax_gradient"},
                       .label = label,
                       .inputs = {x},
                       .function = [axis](Inputs in) { return Results{log_softmax(in[0], axis)}; }});
      cases.push_back({.ops = {"logsumexp"}, .label = label, .inputs = {x}, .function = [axis](Inputs in) {
                         return Results{logsumexp(in[0], {axis}), logsumexp(in[0], {axis}, {.keep = true})};
                       }});
    }
  }
  cases.push_back({.ops = {"logsumexp"},
                   .label = "of all",
                   .inputs = {{.shape = {3, 4}, .low = 500, .high = 505}},
                   .function = [](Inputs x) { return Results{logsumexp(x[0])}; }});
  const std::vector<double> special = {-INFINITY, 0, 1, 2, NAN, 0, 1, 2, 1e30, -1e30, 0, 5};
  cases.push_back({.ops = {"softmax", "log_softmax", "logsumexp"},
                   .label = "special values",
                   .inputs = {{.shape = {3, 4}, .values = special}},
                   .function =
                       [](Inputs x) {
                         return Results{softmax(x[0], 1), log_softmax(x[0], 1), logsumexp(x[0], {1})};
                       },
                   .differentiable = false});
  for (const std::int64_t ignored : {std::int64_t{-100}, std::int64_t{2}}) {
    cases.push_back(
        {.ops = {"cross_entropy", "cross_entropy_gradient"},
         .label = "ignoring " + std::to_string(ignored),
         .inputs = {{.shape = {6, 4}},
                    {.shape = {6}, .dtype = DType::i64, .values = {0, 1, 2, 3, 2, 0}},
                    {.shape = {4}, .low = 0.3},
                    {.values = {0.125}}},
         .function = [ignored](Inputs x) { return Results{cross_entropy_rows(x[0], x[1], x[2], x[3], ignored)}; }});
  }
  cases.push_back({.ops = {"cross_entropy"},
                   .label = "out of range",
                   .inputs = {{.shape = {3, 4}},
                              {.shape = {3}, .dtype = DType::i64, .values = {4, 1, -1}},
                              {.shape = {4}, .low = 0.3},
                              {.values = {0}}},
                   .function = [](Inputs x) { return Results{cross_entropy_rows(x[0], x[1], x[2], x[3])}; },
                   .differentiable = false});
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 3, 4, 5}, Shape{2, 1, 3}, Shape{4, 17, 3, 3}}) {
    const InputSpec channels{.shape = {shape[1]}, .low = 0.3};
    cases.push_back({.ops = {"batch_norm", "batch_norm_gradient"},
                     .label = to_string(shape),
                     .inputs = {{.shape = shape}, channels, channels, {.values = {0.01}}},
                     .function =
                         [](Inputs x) {
                           const auto [y, mean, variance] = batch_norm(x[0], x[1], x[2], x[3]);
                           return Results{y, mean, variance};
                         },
                     .tolerance_f32 = 2e-4});
    cases.push_back({.ops = {"batch_norm"},
                     .label = "y alone " + to_string(shape),
                     .inputs = {{.shape = shape}, channels, channels},
                     .function = [](Inputs x) { return Results{batch_norm(x[0], x[1], x[2], 1e-3).y}; },
                     .tolerance_f32 = 2e-4});
  }
  for (const auto& [shape, axes] :
       {std::pair<Shape, Shape>{{4, 6}, {6}}, {{2, 3, 5}, {3, 5}}, {{7}, {7}}, {{3, 65}, {65}}}) {
    cases.push_back({.ops = {"layer_norm", "layer_norm_gradient"},
                     .label = to_string(shape),
                     .inputs = {{.shape = shape}, {.shape = axes, .low = 0.3}, {.shape = axes}, {.values = {0.01}}},
                     .function =
                         [](Inputs x) {
                           const auto [y, mean, rstd] = layer_norm_with_statistics(x[0], x[1], x[2], x[3]);
                           return Results{y, mean, rstd};
                         },
                     .tolerance_f32 = 2e-4});
  }
  for (const auto& [shape, groups] :
       {std::pair<Shape, std::int64_t>{{2, 6, 4, 5}, 3}, {{3, 4, 7}, 1}, {{2, 3, 5, 3}, 3}, {{5, 6}, 2}}) {
    const std::int64_t parts = groups;  // clang 14 does not capture structured bindings
    const InputSpec channels{.shape = {shape[1]}, .low = 0.3};
    cases.push_back({.ops = {"group_norm", "group_norm_gradient"},
                     .label = to_string(shape) + " in " + std::to_string(groups),
                     .inputs = {{.shape = shape}, channels, channels, {.values = {0.01}}},
                     .function =
                         [parts](Inputs x) {
                           const auto [y, mean, variance] = group_norm(x[0], parts, x[1], x[2], x[3]);
                           return Results{y, mean, variance};
                         },
                     .tolerance_f32 = 2e-4});
  }
  for (const auto& [shape, axes] :
       {std::pair<Shape, Shape>{{4, 6}, {6}}, {{2, 3, 5}, {3, 5}}, {{7}, {7}}, {{3, 65}, {65}}}) {
    cases.push_back({.ops = {"rms_norm", "rms_norm_gradient"},
                     .label = to_string(shape),
                     .inputs = {{.shape = shape}, {.shape = axes, .low = 0.3}, {.values = {0.01}}},
                     .function =
                         [](Inputs x) {
                           const auto [y, rstd] = rms_norm_with_statistics(x[0], x[1], x[2]);
                           return Results{y, rstd};
                         },
                     .tolerance_f32 = 2e-4});
  }
  for (const auto& [shape, size] : {std::pair<Shape, std::int64_t>{{2, 7, 3, 5}, 5},
                                    {{1, 3, 9, 8}, 4},
                                    {{2, 2, 4}, 1},
                                    {{3, 2}, 5},
                                    {{2, 20, 13, 11}, 3}}) {
    const std::int64_t window = size;
    cases.push_back(
        {.ops = {"local_response_norm", "local_response_norm_gradient"},
         .label = to_string(shape) + " over " + std::to_string(size),
         .inputs = {{.shape = shape}, {.values = {0.7}}, {.values = {0.75}}, {.values = {1.5}}},
         .function = [window](Inputs x) { return Results{local_response_norm(x[0], window, x[1], x[2], x[3])}; },
         .tolerance_f32 = 1e-4});
  }
  return cases;
}

}  // namespace narae::test
