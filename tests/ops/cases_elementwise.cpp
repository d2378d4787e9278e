#include <cmath>
#include <utility>

#include "narae/graph/grad.h"
#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

// Sizes around the lengths of vectors and tiles, scalars and nothing.
const std::vector<Shape> shapes = {{}, {1}, {0}, {7}, {3, 5}, {255}, {257}, {1023}};

struct Unary {
  std::string_view op;
  Tensor (*f)(const Tensor&);
  double low = -2;
  double high = 2;
  bool differentiable = true;
};

// The derivative of a function of one number.
template <Tensor (*f)(const Tensor&)>
Tensor slope_of(const Tensor& x) {
  return grad(sum(f(x)), {x})[0];
}

constexpr Unary unary[] = {
    {"neg", [](const Tensor& x) { return -x; }},
    {"abs", abs},
    {"sign", sign, -2, 2, false},
    {"square", square},
    {"exp", exp},
    {"expm1", expm1},
    {"log", log, 0.2, 3},
    {"log1p", log1p, -0.5, 3},
    {"sqrt", sqrt, 0.2, 3},
    {"rsqrt", rsqrt, 0.2, 3},
    {"reciprocal", reciprocal, 0.3, 3},
    {"sin", sin, -5, 5},
    {"cos", cos, -5, 5},
    {"tanh", tanh, -5, 5},
    {"erf", erf},
    {"floor", floor, -5, 5, false},
    {"ceil", ceil, -5, 5, false},
    {"round", round, -5, 5, false},
    {"relu", relu},
    {"sigmoid", sigmoid, -9, 9},
    {"softplus", softplus, -9, 9},
    {"gelu", gelu, -6, 6},
    {"gelu_tanh", gelu_tanh, -6, 6},
    {"silu", silu, -9, 9},
    {"gelu_slope", slope_of<gelu>, -6, 6},
    {"gelu_tanh_slope", slope_of<gelu_tanh>, -6, 6},
    {"silu_slope", slope_of<silu>, -9, 9},
};

// Functions without a node of their own, under an operator that they use.
constexpr Unary composed[] = {
    {"where", [](const Tensor& x) { return clip(x, -0.7, 1.1); }},
    {"maximum", [](const Tensor& x) { return maximum(x, -0.7) * minimum(x, 1.1); }},
    {"where", [](const Tensor& x) { return leaky_relu(x, 0.2); }},
    {"expm1", [](const Tensor& x) { return elu(x, 1.3); }},
    {"equal", is_finite, -2, 2, false},
    {"mul", [](const Tensor& x) { return x * (3 - x) / 2 + 1.5; }},
    {"where", [](const Tensor& x) { return where(greater(x, 0), x * x, -1) + where(less(x, 0.5), 2, x); }},
    {"pow", [](const Tensor& x) { return pow(x, 3); }},
    {"pow", [](const Tensor& x) { return pow(x, 2.5); }, 0.2, 2},
    {"add", [](const Tensor& x) { return ones_like(x) + x * zeros_like(x) - full(x.shape(), 2, x.dtype()); }},
};

struct Binary {
  std::string_view op;
  Tensor (*f)(const Tensor&, const Tensor&);
  bool differentiable = true;
  double low = -2;
};

constexpr Binary binary[] = {
    {"add", [](const Tensor& a, const Tensor& b) { return a + b; }},
    {"sub", [](const Tensor& a, const Tensor& b) { return a - b; }},
    {"mul", [](const Tensor& a, const Tensor& b) { return a * b; }},
    {"div", [](const Tensor& a, const Tensor& b) { return a / b; }, true, 0.4},
    {"maximum", maximum},
    {"minimum", minimum},
    {"pow", pow, true, 0.4},
    {"equal", equal, false},
    {"not_equal", not_equal, false},
    {"less", less, false},
    {"less_equal", less_equal, false},
    {"greater", greater, false},
    {"greater_equal", greater_equal, false},
};

const std::pair<Shape, Shape> pairs[] = {{{}, {}},         {{1}, {1}},     {{0}, {0}},      {{7}, {7}},
                                         {{255}, {255}},   {{257}, {257}}, {{1023}, {1}},   {{2, 3}, {3}},
                                         {{4, 1}, {1, 5}}, {{}, {257}},    {{3, 0}, {1, 1}}};

void add_casts(std::vector<OperatorCase>& cases) {
  const std::vector<double> values = {0, 1, -1, 2.5, -2.5, 100.75, 255, 300, -300, 3e9, -3e9, 7e4, 1e19, -1e19};
  const std::vector<double> whole = {0, 1, 2, 100, 127, 128, 200, 255};
  constexpr DType types[] = {DType::f32, DType::f64,     DType::i32,  DType::i64,
                             DType::u8,  DType::boolean, DType::bf16, DType::f16};
  for (const DType from : types) {
    for (const DType to : types) {
      if (from == DType::f64 && to == DType::f64) continue;
      InputSpec input{.dtype = from, .values = from == DType::f32 ? values : whole};
      if (from == DType::f32) input.values.insert(input.values.end(), {NAN, INFINITY, -INFINITY});
      input.shape = {static_cast<std::int64_t>(input.values.size())};
      cases.push_back({.ops = {"cast"},
                       .label = std::string(name_of(from)) + " to " + std::string(name_of(to)),
                       .inputs = {input},
                       .function = [to](Inputs x) { return Results{cast(cast(x[0], to), DType::f64)}; },
                       .differentiable = false});
    }
  }
  for (const Shape& shape : shapes) {
    cases.push_back({.ops = {"cast"},
                     .label = "there and back " + to_string(shape),
                     .inputs = {{.shape = shape}},
                     .function = [](Inputs x) { return Results{cast(square(cast(x[0], DType::f64)), x[0].dtype())}; }});
  }
}

// NaN, infinities and zeros of either sign, each with each.
void add_special_values(std::vector<OperatorCase>& cases) {
  const std::vector<double> special = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1, -1.5, 1e30, -1e30};
  const auto n = static_cast<std::int64_t>(special.size());
  for (const Unary& u : unary) {
    cases.push_back({.ops = {u.op},
                     .label = "special values",
                     .inputs = {{.shape = {n}, .values = special}},
                     .function = [&u](Inputs x) { return Results{u.f(x[0])}; },
                     .differentiable = false});
  }
  for (const Binary& b : binary) {
    cases.push_back({.ops = {b.op},
                     .label = "special values",
                     .inputs = {{.shape = {n, 1}, .values = special}, {.shape = {n}, .values = special}},
                     .function = [&b](Inputs x) { return Results{b.f(x[0], x[1])}; },
                     .differentiable = false});
  }
}

}  // namespace

std::vector<OperatorCase> elementwise_cases() {
  std::vector<OperatorCase> cases;
  add_special_values(cases);
  for (const Unary& u : unary) {
    for (const Shape& shape : shapes) {
      cases.push_back({.ops = {u.op},
                       .label = to_string(shape),
                       .inputs = {{.shape = shape, .low = u.low, .high = u.high}},
                       .function = [&u](Inputs x) { return Results{u.f(x[0])}; },
                       .differentiable = u.differentiable});
    }
  }
  for (const Unary& u : composed) {
    for (const Shape& shape : {Shape{7}, Shape{3, 90}}) {
      cases.push_back({.ops = {u.op},
                       .label = "composed " + std::to_string(&u - composed) + to_string(shape),
                       .inputs = {{.shape = shape, .low = u.low, .high = u.high}},
                       .function = [&u](Inputs x) { return Results{u.f(x[0])}; },
                       .differentiable = u.differentiable});
    }
  }
  for (const Binary& b : binary) {
    for (const auto& [left, right] : pairs) {
      cases.push_back({.ops = {b.op},
                       .label = to_string(left) + to_string(right),
                       .inputs = {{.shape = left, .low = b.low}, {.shape = right, .low = b.low}},
                       .function = [&b](Inputs x) { return Results{b.f(x[0], x[1])}; },
                       .differentiable = b.differentiable});
    }
    if (b.op == "pow") continue;
    for (const DType dtype : {DType::i32, DType::i64, DType::u8}) {
      const double low = dtype == DType::u8 ? 0 : -4;
      cases.push_back({.ops = {b.op},
                       .label = std::string(name_of(dtype)),
                       .inputs = {{.shape = {40}, .dtype = dtype, .low = low, .high = 5},
                                  {.shape = {40}, .dtype = dtype, .low = low, .high = 5}},
                       .function = [&b](Inputs x) { return Results{b.f(x[0], x[1])}; },
                       .differentiable = false});
    }
  }
  for (const Unary& u : unary) {
    if (u.op != "neg" && u.op != "abs" && u.op != "sign" && u.op != "square") continue;
    for (const DType dtype : {DType::i32, DType::i64}) {
      cases.push_back({.ops = {u.op},
                       .label = std::string(name_of(dtype)),
                       .inputs = {{.shape = {17}, .dtype = dtype, .low = -9, .high = 9}},
                       .function = [&u](Inputs x) { return Results{u.f(x[0])}; },
                       .differentiable = false});
    }
  }
  for (const Shape& shape : shapes) {
    const InputSpec mask{.shape = shape, .dtype = DType::boolean, .low = 0, .high = 2};
    cases.push_back({.ops = {"logical_and", "logical_or", "logical_not"},
                     .label = to_string(shape),
                     .inputs = {mask, mask},
                     .function =
                         [](Inputs x) {
                           return Results{logical_and(x[0], x[1]), logical_or(x[0], x[1]), logical_not(x[0])};
                         },
                     .differentiable = false});
    cases.push_back({.ops = {"where"},
                     .label = to_string(shape),
                     .inputs = {mask, {.shape = shape}, {.shape = shape}},
                     .function = [](Inputs x) { return Results{where(x[0], x[1], x[2])}; }});
    // One chain of many operators with several results: a fused loop.
    cases.push_back({.ops = {"add"},
                     .label = "chain " + to_string(shape),
                     .inputs = {{.shape = shape, .low = 0.5}, {.shape = shape, .low = 0.5}},
                     .function = [](Inputs x) {
                       const Tensor a = tanh(x[0] * x[1] + 0.5);
                       const Tensor b = where(greater(a, 0.7), a / x[1], exp(-x[0]));
                       return Results{sqrt(square(a) + square(b) + 1e-3), a, maximum(a, b) * log(x[0] + 1)};
                     }});
  }
  cases.push_back({.ops = {"where"},
                   .label = "broadcast",
                   .inputs = {{.shape = {3, 1}, .dtype = DType::boolean, .low = 0, .high = 2}, {.shape = {4}}, {}},
                   .function = [](Inputs x) { return Results{where(x[0], x[1], x[2])}; }});
  add_casts(cases);
  return cases;
}

}  // namespace narae::test
