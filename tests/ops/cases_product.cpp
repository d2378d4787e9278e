#include "narae/ops/conv.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/view.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

struct Product {
  Shape a;
  Shape b;
  MatmulOptions options = {};
};

const Product products[] = {
    {{3, 4}, {4, 5}},
    {{1, 1}, {1, 1}},
    {{7, 33}, {33, 17}},
    {{4, 3}, {4, 5}, {.transpose_a = true}},
    {{3, 4}, {5, 4}, {.transpose_b = true}},
    {{4, 3}, {5, 4}, {.transpose_a = true, .transpose_b = true}},
    {{2, 3, 4}, {4, 5}},
    {{2, 3, 4}, {2, 4, 5}},
    {{2, 1, 3, 4}, {3, 4, 2}},
    {{2, 4, 3}, {2, 5, 4}, {.transpose_a = true, .transpose_b = true}},
    {{4}, {4}},
    {{4}, {4, 3}},
    {{3, 4}, {4}},
    {{2, 3, 4}, {4}},
    {{0, 4}, {4, 3}},
    {{3, 0}, {0, 2}},
};

struct Convolution {
  Shape x;
  Shape w;
  Conv2dOptions options = {};
};

const Convolution convolutions[] = {
    {{2, 3, 6, 5}, {4, 3, 3, 3}, {}},
    {{2, 3, 6, 5}, {4, 3, 3, 3}, {.padding = 1}},
    {{1, 1, 7, 7}, {2, 1, 5, 5}, {.padding = 2}},
    {{2, 2, 7, 8}, {3, 2, 3, 2}, {.stride = {2, 3}, .padding = {1, 0}}},
    {{1, 2, 9, 9}, {2, 2, 3, 3}, {.stride = 2, .padding = 2, .dilation = 2}},
    {{2, 4, 5, 5}, {6, 2, 3, 3}, {.padding = 1, .groups = 2}},
    {{2, 3, 5, 4}, {3, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 3}},
    {{1, 3, 1, 1}, {5, 3, 1, 1}, {}},
    {{3, 16, 8, 8}, {16, 16, 3, 3}, {.padding = 1}},
};

struct TransposedConvolution {
  Shape x;
  Shape w;
  ConvTranspose2dOptions options = {};
};

const TransposedConvolution transposed_convolutions[] = {
    {{2, 3, 4, 5}, {3, 2, 3, 3}, {}},
    {{2, 3, 4, 5}, {3, 4, 3, 2}, {.stride = {2, 3}, .padding = {1, 0}, .output_padding = {1, 2}}},
    {{1, 2, 4, 4}, {2, 2, 3, 3}, {.stride = 2, .padding = 1, .output_padding = 1, .dilation = 2}},
    {{2, 4, 3, 3}, {4, 3, 2, 2}, {.stride = 2, .groups = 2}},
    {{2, 16, 4, 4}, {16, 16, 4, 4}, {.stride = 2, .padding = 1}},
};

}  // namespace

std::vector<OperatorCase> product_cases() {
  std::vector<OperatorCase> cases;
  for (const Product& p : products) {
    const std::string label =
        to_string(p.a) + to_string(p.b) + (p.options.transpose_a ? " ta" : "") + (p.options.transpose_b ? " tb" : "");
    cases.push_back(
        {.ops = {"matmul"}, .label = label, .inputs = {{.shape = p.a}, {.shape = p.b}}, .function = [&p](Inputs x) {
           return Results{matmul(x[0], x[1], p.options)};
         }});
  }
  cases.push_back({.ops = {"matmul"},
                   .label = "of transposed views",
                   .inputs = {{.shape = {4, 3}}, {.shape = {5, 4}}},
                   .function = [](Inputs x) {
                     return Results{matmul(t(x[0]), t(x[1])), matmul(t(t(x[1])), x[0])};
                   }});
  cases.push_back({.ops = {"matmul"},
                   .label = "i32",
                   .inputs = {{.shape = {3, 4}, .dtype = DType::i32, .low = -9, .high = 9},
                              {.shape = {4, 5}, .dtype = DType::i32, .low = -9, .high = 9}},
                   .function = [](Inputs x) { return Results{matmul(x[0], x[1])}; },
                   .differentiable = false});
  for (const auto& [x, w] : {std::pair<Shape, Shape>{{3, 4}, {5, 4}},
                             {{1, 1}, {1, 1}},
                             {{2, 3, 4}, {2, 4}},
                             {{4}, {3, 4}},
                             {{65, 33}, {17, 33}},
                             {{0, 4}, {3, 4}}}) {
    cases.push_back({.ops = {"linear"},
                     .label = to_string(x) + to_string(w),
                     .inputs = {{.shape = x}, {.shape = w}, {.shape = {w[0]}}},
                     .function = [](Inputs in) {
                       return Results{linear(in[0], in[1], in[2]), linear(in[0], in[1])};
                     }});
  }
  for (const Convolution& c : convolutions) {
    const std::string label = to_string(c.x) + to_string(c.w) + std::to_string(&c - convolutions);
    cases.push_back({.ops = {"conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"},
                     .label = label,
                     .inputs = {{.shape = c.x}, {.shape = c.w}},
                     .function = [&c](Inputs x) { return Results{conv2d(x[0], x[1], {}, c.options)}; },
                     .tolerance_f32 = 1e-4});
    cases.push_back({.ops = {"conv2d_bias"},
                     .label = label,
                     .inputs = {{.shape = c.x}, {.shape = c.w}, {.shape = {c.w[0]}}},
                     .function = [&c](Inputs x) { return Results{conv2d(x[0], x[1], x[2], c.options)}; },
                     .tolerance_f32 = 1e-4});
  }
  for (const TransposedConvolution& c : transposed_convolutions) {
    cases.push_back({.ops = {"conv2d_input_gradient", "conv2d", "conv2d_weight_gradient"},
                     .label = "transposed " + to_string(c.x) + to_string(c.w),
                     .inputs = {{.shape = c.x}, {.shape = c.w}, {.shape = {c.w[1] * c.options.groups}}},
                     .function =
                         [&c](Inputs x) {
                           return Results{conv_transpose2d(x[0], x[1], {}, c.options),
                                          conv_transpose2d(x[0], x[1], x[2], c.options)};
                         },
                     .tolerance_f32 = 1e-4});
  }
  return cases;
}

}  // namespace narae::test
