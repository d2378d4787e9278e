#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "narae/graph/eval.h"
#include "narae/graph/variable.h"
#include "narae/plan/program.h"

namespace narae::plan {

/// What one walk over a recipe finds: the nodes to compute, what they read, and a key that is equal for recipes of
/// equal structure. Numbers: arguments and nodes share one sequence, in the order of the walk.
struct Capture {
  std::vector<std::uint64_t> key;
  std::uint64_t hash = 0;

  std::vector<Node*> order;      ///< leaves and nodes, inputs before users
  std::vector<Node*> arguments;  ///< the leaves, in the order of their argument numbers
  std::vector<Node*> outputs;    ///< nodes whose values are handed out
  std::vector<Node*> versions;   ///< pending versions of variables that this evaluation stores, oldest first
  Node* guard = nullptr;

  void clear();
};

/// Walks the recipes of a request. The graph's lock must be held. Throws Error for a recipe that reads a version of a
/// variable that is gone.
void capture(const detail::EvaluationRequest& request, Capture& result);

/// The captured nodes as a program: arguments first, then operators in the order in which they were written.
[[nodiscard]] Program to_program(const Capture& capture, const detail::EvaluationRequest& request);

/// Appends the recipe of `results` to `program`, with the nodes of `placeholders` standing for the values `inputs`;
/// returns the values of the results. Leaves other than placeholders must be scalars; they become constants.
[[nodiscard]] std::vector<int> append_recipe(Program& program, std::span<const Tensor> results,
                                             std::span<const Tensor> placeholders, std::span<const int> inputs);

}  // namespace narae::plan
