#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "narae/core/dtype.h"
#include "narae/core/export.h"
#include "narae/core/shape.h"

namespace narae {

class Tensor;
struct Node;

/// Element type and shape of one value.
struct Signature {
  DType dtype = DType::f32;
  Shape shape;
};

/// What the plan may do with an operator.
enum class OpClass : std::uint8_t {
  leaf,         ///< data, scalars, versions of variables
  elementwise,  ///< all inputs and the result have one shape; fused into loops over tiles
  view,         ///< moves or repeats elements, computes nothing (reshape, broadcast, transpose, ...)
  general,      ///< a primitive with a kernel of its own (products, reductions, gather, ...)
  fused,        ///< has a composition of simpler operators
  random,       ///< takes its counter as an input, so computing it again gives the same sample
};

using Attributes = std::span<const std::int64_t>;

/// What a gradient rule sees: the operator's inputs and results, and the cotangent of each result
/// (undefined where nothing flows back).
struct GradientCase {
  Attributes attributes;
  std::span<const Tensor> inputs;
  std::span<const Tensor> results;
  std::span<const Tensor> cotangents;
  std::span<const bool> needs;  ///< which inputs a cotangent is wanted for
};

/// An operator's record: everything that is known about it, in one place. Kernels are in the backends' tables.
struct Op {
  std::string_view name;
  OpClass kind = OpClass::general;
  int arity = 1;  ///< -1: any number of inputs
  /// Number of results; a node with several is read through `output` nodes.
  int results = 1;
  /// Type and shape of result `k`; throws Error naming the operator, the argument and the shapes.
  Signature (*infer)(std::span<const Node* const> inputs, Attributes attributes, int k) = nullptr;
  /// Writes the cotangent of each input into `out` (which holds undefined tensors), with public operators only.
  /// Null: not differentiable (`stops_gradient`) or the gradient of `compose`.
  void (*gradient)(const GradientCase& at, std::span<Tensor> out) = nullptr;
  /// The same results from simpler operators: documentation, test oracle and fallback of a fused operator.
  std::vector<Tensor> (*compose)(std::span<const Tensor> inputs, Attributes attributes) = nullptr;
  /// True for operators whose result does not vary with its inputs (comparisons, argmax, floor, casts to integers).
  bool stops_gradient = false;
};

/// Registers an operator for the life of the process; names are unique.
NARAE_API const Op& define_op(const Op& op);
/// Every operator, in order of name.
[[nodiscard]] NARAE_API std::vector<const Op*> all_ops();
/// Null when there is none of that name.
[[nodiscard]] NARAE_API const Op* find_op(std::string_view name);

}  // namespace narae
