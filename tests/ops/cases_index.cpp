#include "narae/ops/index.h"
#include "narae/ops/sort.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

InputSpec indices(const Shape& shape, double end, DType dtype = DType::i64) {
  return {.shape = shape, .dtype = dtype, .low = 0, .high = end};
}

}  // namespace

std::vector<OperatorCase> index_cases() {
  std::vector<OperatorCase> cases;
  for (const DType dtype : {DType::i64, DType::i32}) {
    const std::string type(name_of(dtype));
    cases.push_back({.ops = {"take", "segment_sum"},
                     .label = "rows " + type,
                     .inputs = {{.shape = {5, 3}}, indices({2, 4}, 5, dtype)},
                     .function = [](Inputs x) { return Results{embedding(x[0], x[1])}; }});
    cases.push_back({.ops = {"segment_sum", "take"},
                     .label = type,
                     .inputs = {{.shape = {6, 2, 3}}, indices({6}, 4, dtype)},
                     .function = [](Inputs x) { return Results{segment_sum(x[0], x[1], 4)}; }});
    cases.push_back({.ops = {"first_occurrence"},
                     .label = type,
                     .inputs = {{.shape = {7}, .dtype = dtype, .values = {3, 0, 3, -1, 5, 0, 4}}},
                     .function = [](Inputs x) { return Results{first_occurrence(x[0], 5)}; },
                     .differentiable = false});
    cases.push_back({.ops = {"take", "index_add"},
                     .label = "middle axis " + type,
                     .inputs = {{.shape = {2, 4, 3}}, indices({5}, 4, dtype)},
                     .function = [](Inputs x) {
                       return Results{take(x[0], x[1], 1), take(x[0], x[1], -2)};
                     }});
    cases.push_back({.ops = {"index_add"},
                     .label = type,
                     .inputs = {{.shape = {4, 3}}, indices({6}, 4, dtype), {.shape = {6, 3}}},
                     .function = [](Inputs x) { return Results{index_add(x[0], 0, x[1], x[2])}; }});
    cases.push_back({.ops = {"gather", "scatter_add"},
                     .label = type,
                     .inputs = {{.shape = {4, 5}}, indices({2, 5}, 4, dtype)},
                     .function = [](Inputs x) { return Results{gather(x[0], 0, x[1])}; }});
    cases.push_back({.ops = {"scatter_add", "gather"},
                     .label = type,
                     .inputs = {{.shape = {3, 4, 2}}, indices({3, 6, 1}, 4, dtype), {.shape = {3, 6, 1}}},
                     .function = [](Inputs x) { return Results{scatter_add(x[0], 1, x[1], x[2])}; }});
    cases.push_back(
        {.ops = {"write_rows"},
         .label = type,
         .inputs = {{.shape = {3, 5, 2}}, {.shape = {3, 2, 2}}, {.shape = {3}, .dtype = dtype, .values = {3, 0, 2}}},
         .function = [](Inputs x) { return Results{write_rows(x[0], x[1], x[2])}; }});
    cases.push_back(
        {.ops = {"write_rows"},
         .label = "beyond the ends " + type,
         .inputs = {{.shape = {4, 3}}, {.shape = {4, 2}}, {.shape = {4}, .dtype = dtype, .values = {2, -1, 3, -9}}},
         .function = [](Inputs x) { return Results{write_rows(x[0], x[1], x[2])}; }});
    cases.push_back({.ops = {"one_hot"},
                     .label = type,
                     .inputs = {indices({3, 2}, 7, dtype)},
                     .function =
                         [](Inputs x) {
                           return Results{one_hot(x[0], 5), one_hot(x[0], 7, DType::i64)};
                         },
                     .differentiable = false});
  }
  cases.push_back({.ops = {"take"},
                   .label = "scalar index",
                   .inputs = {{.shape = {5, 3}}, {.dtype = DType::i64, .values = {2}}},
                   .function = [](Inputs x) { return Results{take(x[0], x[1])}; }});
  cases.push_back({.ops = {"segment_sum", "first_occurrence"},
                   .label = "nothing",
                   .inputs = {{.shape = {0, 3}}, indices({0}, 1)},
                   .function = [](Inputs x) {
                     return Results{segment_sum(x[0], x[1], 2), first_occurrence(x[1], 2)};
                   }});
  cases.push_back({.ops = {"take", "index_add", "gather", "scatter_add", "one_hot"},
                   .label = "nothing",
                   .inputs = {{.shape = {5, 3}}, indices({0}, 1), indices({0, 3}, 1), {.shape = {0, 3}}},
                   .function = [](Inputs x) {
                     return Results{take(x[0], x[1]), index_add(x[0], 0, x[1], x[3]), gather(x[0], 0, x[2]),
                                    scatter_add(x[0], 0, x[2], x[3]), one_hot(x[1], 3)};
                   }});
  cases.push_back({.ops = {"take", "gather"},
                   .label = "out of range",
                   .inputs = {{.shape = {3, 2}},
                              {.shape = {4}, .dtype = DType::i64, .values = {0, 3, -1, 1LL << 40}},
                              {.shape = {1, 2}, .dtype = DType::i64, .values = {-1, 2}}},
                   .function =
                       [](Inputs x) {
                         return Results{take(x[0], x[1]), gather(x[0], 0, x[2])};
                       },
                   .differentiable = false});
  for (const bool descending : {false, true}) {
    const std::string order = descending ? " descending" : "";
    for (const Shape& shape : {Shape{7}, Shape{1}, Shape{0}, Shape{3, 5}, Shape{2, 65, 3}}) {
      cases.push_back({.ops = {"sort"},
                       .label = to_string(shape) + order,
                       .inputs = {{.shape = shape}},
                       .function = [descending](Inputs x) {
                         const Sorted s = sort(x[0], {.descending = descending});
                         const Sorted first = sort(x[0], {.axis = 0, .descending = descending});
                         return Results{s.values, s.indices, first.values};
                       }});
    }
    cases.push_back(
        {.ops = {"sort"}, .label = "topk" + order, .inputs = {{.shape = {4, 6}}}, .function = [descending](Inputs x) {
           const Sorted s = topk(x[0], 2, 1, descending);
           return Results{s.values, s.indices, argsort(x[0])};
         }});
    cases.push_back({.ops = {"sort"},
                     .label = "u8" + order,
                     .inputs = {{.shape = {300}, .dtype = DType::u8, .low = 0, .high = 9}},
                     .function =
                         [descending](Inputs x) {
                           const Sorted s = sort(x[0], {.descending = descending});
                           return Results{s.values, s.indices};
                         },
                     .differentiable = false});
  }
  return cases;
}

}  // namespace narae::test
