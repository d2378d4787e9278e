// Replaces fused operators that no kernel supports at their types and shapes by their compositions.
#include <map>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/plan/capture.h"
#include "narae/plan/passes.h"
#include "narae/plan/rewrite.h"

namespace narae::plan {
namespace {

Kernel find_kernel(const Program& program, int v, const PlanOptions& options) {
  RequestStorage storage;
  const KernelRequest request = request_for(program, v, storage);
  Kernel kernel;
  if (options.fast_kernels) kernel = cpu_backend().make(request);
  return kernel;
}

// Values of the composition of `value`, appended to `program`.
std::vector<int> compose(Program& program, const Value& value) {
  std::vector<Tensor> placeholders;
  for (const int input : value.inputs) {
    placeholders.emplace_back(NodeRef::adopt(detail::create_node(data_op, program.at(input).signature, {}, {})));
  }
  const detail::ModulePath path(value.module);
  const std::vector<Tensor> results = value.op->compose(placeholders, value.attributes);
  return append_recipe(program, results, placeholders, value.inputs);
}

class Expansion : Rewriter {
 public:
  explicit Expansion(const PlanOptions& options) : options_(options) {}

  void run(Program& program) {
    rewrite(program, [this](Value value) { return place(std::move(value)); });
    program = std::move(to_);
  }

 private:
  // The result of an expanded tuple; anything else is written.
  int place(Value value) {
    if (value.op == &output_op) {
      const auto found = results_.find(value.inputs[0]);
      if (found != results_.end()) return found->second[static_cast<std::size_t>(value.attributes[0])];
    }
    return emit(std::move(value));
  }

  // Appends a value, or its composition when nothing computes it as it is. Returns its number; the results of an
  // expanded tuple are in results_.
  int emit(Value value) {
    const int v = append(std::move(value));
    Value& placed = to_.values.back();
    if (placed.op->compose == nullptr) return v;
    placed.kernel = find_kernel(to_, v, options_);
    if (placed.kernel) return v;
    const Value original = to_.values.back();
    Program part;  // the composition, in numbers of its own: the inputs first
    for (const int input : original.inputs) {
      Value leaf;
      leaf.op = &data_op;
      leaf.signature = to_.at(input).signature;
      part.values.push_back(std::move(leaf));
    }
    Value local = original;
    for (std::size_t i = 0; i < local.inputs.size(); ++i) local.inputs[i] = static_cast<int>(i);
    const std::vector<int> results = compose(part, local);
    std::vector<int> numbers(part.values.size());
    for (std::size_t i = 0; i < part.values.size(); ++i) {
      if (i < original.inputs.size()) {
        numbers[i] = original.inputs[i];
        continue;
      }
      Value inner = std::move(part.values[i]);
      inner.node = original.node;
      for (int& input : inner.inputs) input = numbers[static_cast<std::size_t>(input)];
      numbers[i] = place(std::move(inner));
    }
    std::vector<int> placed_results;
    for (const int r : results) placed_results.push_back(numbers[static_cast<std::size_t>(r)]);
    if (original.op->results == 1) return placed_results[0];
    results_[v] = placed_results;
    return v;
  }

  const PlanOptions& options_;
  std::map<int, std::vector<int>> results_;  // of expanded tuples
};

}  // namespace

void expand(Program& program, const PlanOptions& options) {
  Expansion(options).run(program);
}

}  // namespace narae::plan
