#pragma once

// Type and shape rules that the operators' records share.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "narae/core/dtype.h"
#include "narae/graph/node.h"
#include "narae/graph/op.h"
#include "narae/graph/tensor.h"

namespace narae::rules {

/// An operator's name as a template argument.
template <std::size_t n>
struct OpName {
  char text[n];
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr OpName(const char (&name)[n]) { std::copy_n(name, n, text); }
};

/// Element types that an operator takes.
enum class Types : std::uint8_t {
  floating,        ///< f32 f64
  signed_numbers,  ///< floating, i32 i64
  numbers,         ///< signed_numbers, u8
  indices,         ///< i32 i64
  boolean,
  comparable,  ///< numbers, boolean
  any,
};

[[nodiscard]] bool holds(Types types, DType dtype);
/// Throws Error naming operator and argument (counted from 1) unless its type is one of `types`.
void require_types(std::string_view op, Types types, const Node& x, int argument);
/// Throws Error unless all arguments have the type of argument `first`.
void require_one_type(std::string_view op, std::span<const Node* const> inputs, int first = 1);
/// Throws Error naming both shapes unless all arguments have one shape.
void require_one_shape(std::string_view op, std::span<const Node* const> inputs);
/// Throws Error naming operator and quantity for a size of 2^31 or more: sums and products of two such sizes are
/// counted exactly. For strides, paddings, margins and the extents that they are added to or multiplied with.
void require_small(std::string_view op, std::string_view what, std::int64_t size);
/// Throws Error unless the argument is a scalar of type `dtype`.
void require_scalar(std::string_view op, const Node& x, DType dtype, int argument);

/// The shape rule of elementwise operators whose result has the type of its inputs.
template <OpName name, Types types>
Signature same(std::span<const Node* const> inputs, Attributes, int) {
  require_types(name.text, types, *inputs[0], 1);
  require_one_type(name.text, inputs);
  require_one_shape(name.text, inputs);
  return {inputs[0]->dtype, inputs[0]->shape};
}

/// The shape rule of comparisons.
template <OpName name, Types types>
Signature boolean(std::span<const Node* const> inputs, Attributes attributes, int k) {
  return {DType::boolean, same<name, types>(inputs, attributes, k).shape};
}

using GradientRule = void (*)(const GradientCase& at, std::span<Tensor> out);

/// A record for an elementwise operator of one input; no rule: nothing flows back.
template <OpName name, Types types>
const Op& define_unary(GradientRule rule) {
  return define_op({.name = name.text,
                    .kind = OpClass::elementwise,
                    .arity = 1,
                    .infer = same<name, types>,
                    .gradient = rule,
                    .stops_gradient = rule == nullptr});
}

/// A number beside a tensor: a scalar of its type, broadcast to its shape. Throws Error when the type can't hold it.
[[nodiscard]] Tensor number_like(double value, const Tensor& x, std::string_view op);
/// Throws Error naming the operator for an undefined argument (counted from 1).
void require_defined(std::string_view op, const Tensor& x, int argument);

}  // namespace narae::rules
