#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/array.h"
#include "narae/graph/tensor.h"

namespace narae::test {

using Inputs = std::span<const Tensor>;
using Results = std::vector<Tensor>;
using Function = std::function<Results(Inputs)>;

/// How one input of a case is made: uniform numbers in [low, high), or the given ones. f32 stands for the floating
/// type at hand: every case runs in f32 and f64.
struct InputSpec {
  Shape shape = {};
  DType dtype = DType::f32;
  double low = -2;
  double high = 2;
  std::vector<double> values = {};
};

/// One use of an operator. `ops`: the operators that this is a case of; each must occur in the recipe of the results
/// or of their gradients.
struct OperatorCase {
  std::vector<std::string_view> ops;
  std::string label;
  std::vector<InputSpec> inputs;
  Function function;
  bool differentiable = true;
  double tolerance_f32 = 2e-5;  ///< relative and absolute: sums are added in another order than the reference does
};

/// Checks of one case, in f32 and f64:
///  - plans agree with the reference kernels, run node by node without a plan;
///  - fused operators agree with their compositions;
///  - fused plans agree with unfused ones bit for bit;
///  - gradients, and gradients of gradients, agree with central differences in f64 for random cotangents.
/// Adds the names of the operators that occurred to `seen`.
void check(const OperatorCase& c, std::set<std::string_view>& seen);

/// The values of recipes by the reference kernels alone. `composed`: operators that have a composition are replaced
/// by it.
[[nodiscard]] std::vector<Array> reference_values(std::span<const Tensor> roots, bool composed = false);

[[nodiscard]] std::vector<OperatorCase> elementwise_cases();
[[nodiscard]] std::vector<OperatorCase> view_cases();
[[nodiscard]] std::vector<OperatorCase> reduction_cases();
[[nodiscard]] std::vector<OperatorCase> index_cases();
[[nodiscard]] std::vector<OperatorCase> random_cases();
[[nodiscard]] std::vector<OperatorCase> product_cases();
[[nodiscard]] std::vector<OperatorCase> pooling_cases();
[[nodiscard]] std::vector<OperatorCase> normalisation_cases();
[[nodiscard]] std::vector<OperatorCase> recurrent_cases();
[[nodiscard]] std::vector<OperatorCase> attention_cases();

}  // namespace narae::test
