#include "narae/ops/activation.h"
#include "narae/ops/checkpoint.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/view.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

struct View {
  std::string_view op;
  Shape shape;
  Tensor (*f)(const Tensor&);
};

const View views[] = {
    {"reshape",
     {6, 4},
     [](const Tensor& x) {
       return reshape(x, {2, -1, 3});
     }},
    {"reshape",
     {5},
     [](const Tensor& x) {
       return reshape(x, {5, 1});
     }},
    {"reshape", {1, 1}, [](const Tensor& x) { return reshape(x, Shape{}); }},
    {"reshape",
     {0, 3},
     [](const Tensor& x) {
       return reshape(x, {3, 0, 2});
     }},
    {"reshape", {2, 3, 4}, [](const Tensor& x) { return flatten(x, 1); }},
    {"reshape", {2, 1, 3}, [](const Tensor& x) { return unsqueeze(squeeze(x, 1), -1); }},
    {"broadcast_to",
     {},
     [](const Tensor& x) {
       return broadcast_to(x, {3, 257});
     }},
    {"broadcast_to",
     {3, 1, 2},
     [](const Tensor& x) {
       return broadcast_to(x, {2, 3, 4, 2});
     }},
    {"broadcast_to", {1}, [](const Tensor& x) { return broadcast_to(x, {0}); }},
    {"broadcast_to",
     {1, 1},
     [](const Tensor& x) {
       return broadcast_to(x, {2, 1, 1});
     }},
    {"transpose", {3, 5}, [](const Tensor& x) { return t(x); }},
    {"transpose",
     {2, 3, 4, 5},
     [](const Tensor& x) {
       return transpose(x, {2, 0, 3, 1});
     }},
    {"transpose", {2, 3, 4}, [](const Tensor& x) { return transpose(x, 0, -1) * 2; }},
    {"transpose", {17, 1}, [](const Tensor& x) { return t(x); }},
    {"transpose", {0, 4}, [](const Tensor& x) { return t(x); }},
    {"slice", {7}, [](const Tensor& x) { return slice(x, 0, 1, 6); }},
    {"slice", {3, 8, 2}, [](const Tensor& x) { return slice(x, 1, -7, -1, 3); }},
    {"slice", {3, 5}, [](const Tensor& x) { return slice(x, 0, 2, 2); }},
    {"slice", {3, 0}, [](const Tensor& x) { return narrow(x, 1, 0, 0); }},
    {"slice", {4, 257}, [](const Tensor& x) { return slice(x, 1, 3, 1000, 2); }},
    {"slice",
     {6, 2},
     [](const Tensor& x) {
       return split(x, {4, 2}, 0)[1] * split(x, {2, 4}, 0)[0];
     }},
    {"split3",
     {6, 2},
     [](const Tensor& x) {
       return split(x, {1, 2, 3}, 0)[1] + split(x, 3, 0)[2];
     }},
    {"slice_scatter", {3, 2}, [](const Tensor& x) { return slice_scatter(x, 0, scalar_integer(1), 8, 2); }},
    {"slice_scatter", {2, 5}, [](const Tensor& x) { return slice_scatter(x, 1, scalar_integer(0), 5); }},
    {"slice_scatter", {0}, [](const Tensor& x) { return slice_scatter(x, 0, scalar_integer(2), 4); }},
    {"pad",
     {3},
     [](const Tensor& x) {
       return pad(x, {2, 1});
     }},
    {"pad",
     {2, 3, 2},
     [](const Tensor& x) {
       return pad(x, {0, 1, 2, 0, 0, 0}, 0.5);
     }},
    {"pad",
     {0, 2},
     [](const Tensor& x) {
       return pad(x, {1, 0, 0, 0}, 3);
     }},
    {"flip", {7}, [](const Tensor& x) { return flip(x, {0}); }},
    {"flip",
     {2, 3, 4},
     [](const Tensor& x) {
       return flip(x, {0, -1});
     }},
    {"flip", {3, 0}, [](const Tensor& x) { return flip(x, {1}); }},
    {"roll", {7}, [](const Tensor& x) { return roll(x, 0, 2); }},
    {"roll", {2, 5, 3}, [](const Tensor& x) { return roll(x, 1, -12); }},
    {"roll", {0}, [](const Tensor& x) { return roll(x, 0, 1); }},
    {"detach", {5}, [](const Tensor& x) { return x * detach(square(x)); }},
};

}  // namespace

std::vector<OperatorCase> view_cases() {
  std::vector<OperatorCase> cases;
  for (const View& v : views) {
    const auto number = std::to_string(&v - views);
    // What is detached is a constant to the gradient but not to differences.
    const bool differentiable = v.op != "detach";
    cases.push_back({.ops = {v.op},
                     .label = number + to_string(v.shape),
                     .inputs = {{.shape = v.shape}},
                     .function = [&v](Inputs x) { return Results{v.f(x[0])}; },
                     .differentiable = differentiable});
    if (v.op == "detach" || v.op == "transpose") continue;
    cases.push_back({.ops = {v.op},
                     .label = number + " i64",
                     .inputs = {{.shape = v.shape, .dtype = DType::i64, .low = -9, .high = 9}},
                     .function = [&v](Inputs x) { return Results{v.f(cast(x[0], DType::f32))}; },
                     .differentiable = false});
  }
  for (const DType dtype : {DType::u8, DType::boolean, DType::f16, DType::i32}) {
    cases.push_back({.ops = {"concat", "transpose", "flip", "reshape", "broadcast_to"},
                     .label = std::string(name_of(dtype)),
                     .inputs = {{.shape = {2, 3}, .dtype = dtype, .low = 0, .high = 2}},
                     .function =
                         [](Inputs x) {
                           return Results{concat({x[0], x[0]}, 1), t(x[0]), flip(x[0], {1}), flatten(x[0]),
                                          broadcast_to(x[0], {2, 2, 3})};
                         },
                     .differentiable = false});
  }
  cases.push_back({.ops = {"split3"}, .label = "three", .inputs = {{.shape = {2, 7, 3}}}, .function = [](Inputs x) {
                     const std::vector<Tensor> parts = split(x[0], {2, 4, 1}, 1);
                     return Results{concat({square(parts[1]), parts[0] * 3.0}, 1), parts[1]};
                   }});
  cases.push_back({.ops = {"concat"},
                   .label = "three",
                   .inputs = {{.shape = {2, 3}}, {.shape = {2, 0}}, {.shape = {2, 4}}},
                   .function = [](Inputs x) { return Results{concat(x, -1)}; }});
  cases.push_back(
      {.ops = {"concat"}, .label = "stack", .inputs = {{.shape = {3}}, {.shape = {3}}}, .function = [](Inputs x) {
         return Results{stack(x, 1), stack({x[0]}), concat({x[1]}, 0)};
       }});
  cases.push_back(
      {.ops = {"pad"}, .label = "with a tensor", .inputs = {{.shape = {2, 2}}, {}}, .function = [](Inputs x) {
         return Results{pad(x[0], std::vector<std::int64_t>{1, 0, 0, 2}, x[1])};
       }});
  cases.push_back({.ops = {"slice", "slice_scatter"},
                   .label = "at a computed place",
                   .inputs = {{.shape = {3, 6}}, {.dtype = DType::i64, .values = {4}}},
                   .function = [](Inputs x) {
                     return Results{dynamic_slice(x[0], 1, x[1], 2), dynamic_slice(x[0], 1, x[1] + 40, 3)};
                   }});
  cases.push_back({.ops = {"roll"},
                   .label = "by a computed number",
                   .inputs = {{.shape = {5}}, {.dtype = DType::i64, .values = {3}}},
                   .function = [](Inputs x) { return Results{roll(x[0], 0, x[1])}; }});
  cases.push_back({.ops = {"checkpoint", "after"},
                   .label = "of a small network",
                   .inputs = {{.shape = {4, 3}}, {.shape = {3, 5}}, {.shape = {4, 5}}},
                   .function = [](Inputs x) {
                     const Tensor& outside = x[2];
                     const auto f = [&](Inputs in) { return tanh(square(matmul(tanh(in[0]), in[1])) * outside) + 1; };
                     return Results{checkpoint(f, x.first(2)) * x[2]};
                   }});
  return cases;
}

}  // namespace narae::test
