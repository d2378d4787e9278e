#include "narae/ops/matmul.h"

#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

std::string describe(const char* name, DType dtype, const Shape& shape) {
  return std::string(name) + " is " + std::string(name_of(dtype)) + " " + to_string(shape);
}

bool is_number(DType t) {
  return is_floating(t) || t == DType::i32 || t == DType::i64;
}

Signature infer_matmul(std::span<const Node* const> inputs, Attributes attributes, int) {
  const auto words = attributes_as<MatmulAttributes>(attributes);
  const Node& a = *inputs[0];
  const Node& b = *inputs[1];
  const auto fail = [&](const std::string& why) {
    throw Error("matmul: " + describe("a", a.dtype, a.shape) + (words.transpose_a != 0 ? " (transposed)" : "") + ", " +
                describe("b", b.dtype, b.shape) + (words.transpose_b != 0 ? " (transposed)" : "") + ": " + why);
  };
  if (a.dtype != b.dtype) fail("the types differ; cast one of them");
  if (!is_number(a.dtype)) fail("products need f32, f64, i32 or i64; cast them");
  const int rank = a.shape.rank();
  if (rank < 2 || b.shape.rank() != rank) fail("both need the same number of axes, at least two");
  const int ta = words.transpose_a != 0 ? 1 : 0;
  const int tb = words.transpose_b != 0 ? 1 : 0;
  if (a.shape[ta == 1 ? -2 : -1] != b.shape[tb == 1 ? -1 : -2]) fail("the inner extents differ");
  Signature result{a.dtype, a.shape};
  for (int i = 0; i < rank - 2; ++i)
    if (a.shape[i] != b.shape[i]) fail("the axes in front differ");
  result.shape.set(-2, a.shape[ta == 1 ? -1 : -2]);
  result.shape.set(-1, b.shape[tb == 1 ? -2 : -1]);
  return result;
}

void matmul_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& matmul_op = define_op(
    {.name = "matmul", .kind = OpClass::general, .arity = 2, .infer = infer_matmul, .gradient = matmul_gradient});

// op(a) op(b) of equal axes in front, as one node.
Tensor product(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  return apply(matmul_op, {a, b}, words_of(MatmulAttributes{transpose_a ? 1 : 0, transpose_b ? 1 : 0}));
}

// y = A B gives dA = dy B^T and dB = A^T dy; a transposed argument takes the transpose of that.
void matmul_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto words = attributes_as<MatmulAttributes>(at.attributes);
  const bool ta = words.transpose_a != 0;
  const bool tb = words.transpose_b != 0;
  const Tensor& a = at.inputs[0];
  const Tensor& b = at.inputs[1];
  const Tensor& dy = at.cotangents[0];
  if (at.needs[0]) out[0] = ta ? product(b, dy, tb, true) : product(dy, b, false, !tb);
  if (at.needs[1]) out[1] = tb ? product(dy, a, true, ta) : product(a, dy, !ta, false);
}

Signature infer_linear(std::span<const Node* const> inputs, Attributes, int) {
  const Node& x = *inputs[0];
  const Node& w = *inputs[1];
  const Node& b = *inputs[2];
  const bool fits = x.shape.rank() == 2 && w.shape.rank() == 2 && b.shape.rank() == 1 && x.shape[1] == w.shape[1] &&
                    w.shape[0] == b.shape[0];
  if (!fits || x.dtype != w.dtype || x.dtype != b.dtype || !is_floating(x.dtype)) {
    throw Error("linear: " + describe("x", x.dtype, x.shape) + ", " + describe("w", w.dtype, w.shape) + ", " +
                describe("b", b.dtype, b.shape) +
                "; x: (n, inputs), w: (outputs, inputs) and b: (outputs) of one floating type are needed");
  }
  return {x.dtype, {x.shape[0], w.shape[0]}};
}

std::vector<Tensor> compose_linear(std::span<const Tensor> inputs, Attributes) {
  const Tensor y = product(inputs[0], inputs[1], false, true);
  return {y + broadcast_to(inputs[2], y.shape())};
}

void linear_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& dy = at.cotangents[0];
  if (at.needs[0]) out[0] = product(dy, at.inputs[1], false, false);
  if (at.needs[1]) out[1] = product(dy, at.inputs[0], true, false);
  if (at.needs[2]) out[2] = sum(dy, {0});
}

const Op& linear_op = define_op({.name = "linear",
                                 .kind = OpClass::fused,
                                 .arity = 3,
                                 .infer = infer_linear,
                                 .gradient = linear_gradient,
                                 .compose = compose_linear});

// The axes in front of the last two, broadcast against each other; then the last two of `own`.
Shape with_batch(const Shape& batch, const Shape& own) {
  Shape result = batch;
  result.push_back(own[-2]);
  result.push_back(own[-1]);
  return result;
}

Shape batch_of(const Shape& shape) {
  return Shape(shape.dims().first(static_cast<std::size_t>(shape.rank() - 2)));
}

// The leading axes joined: (..., n) -> (all, n).
Tensor as_rows(const Tensor& x) {
  const std::int64_t last = x.shape()[-1];
  std::int64_t rows = 1;
  for (int i = 0; i < x.rank() - 1; ++i) rows *= x.shape()[i];
  return reshape(x, Shape{rows, last});
}

Shape with_last(const Shape& shape, std::int64_t last) {
  Shape result = shape;
  result.set(-1, last);
  return result;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  if (!a.defined() || !b.defined()) throw Error("matmul: an argument is undefined");
  if (a.rank() == 0 || b.rank() == 0) {
    throw Error("matmul: " + describe("a", a.dtype(), a.shape()) + ", " + describe("b", b.dtype(), b.shape()) +
                ": a scalar has no matrix product; use *");
  }
  if (a.rank() == 1)
    return squeeze(matmul(reshape(a, Shape{1, a.size(0)}), b, {.transpose_b = options.transpose_b}),
                   b.rank() == 1 ? 0 : -2);
  if (b.rank() == 1)
    return squeeze(matmul(a, reshape(b, Shape{b.size(0), 1}), {.transpose_a = options.transpose_a}), -1);

  if (b.rank() == 2 && a.rank() > 2 && !options.transpose_a) {
    const Tensor y = product(as_rows(a), b, false, options.transpose_b);
    return reshape(y, with_last(a.shape(), y.size(1)));
  }
  const Shape batch = broadcast(batch_of(a.shape()), batch_of(b.shape()), "matmul");
  return product(broadcast_to(a, with_batch(batch, a.shape())), broadcast_to(b, with_batch(batch, b.shape())),
                 options.transpose_a, options.transpose_b);
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b) {
  if (!x.defined() || !w.defined()) throw Error("linear: an argument is undefined");
  if (!b.defined()) return matmul(x, w, {.transpose_b = true});
  if (x.rank() == 2) return apply(linear_op, {x, w, b});
  if (x.rank() == 0) throw Error("linear: x is a scalar; its last axis must have as many elements as w has inputs");
  const Tensor y = apply(linear_op, {as_rows(x), w, b});
  return reshape(y, with_last(x.shape(), y.size(1)));
}

}  // namespace narae
