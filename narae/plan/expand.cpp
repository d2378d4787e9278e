// Replaces fused operators that no kernel supports at their types and shapes by their compositions.
#include <map>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/plan/capture.h"
#include "narae/plan/passes.h"

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

class Expansion {
 public:
  Expansion(Program& program, const PlanOptions& options) : from_(program), options_(options) {}

  void run() {
    to_.arguments = from_.arguments;
    to_.values.reserve(from_.values.size());
    for (Value& value : from_.values) {
      for (int& input : value.inputs) input = single(input);
      place(std::move(value));
    }
    for (const int v : from_.outputs) to_.outputs.push_back(single(v));
    for (const Store& s : from_.stores) to_.stores.push_back({s.argument, single(s.value)});
    if (from_.guard >= 0) to_.guard = single(from_.guard);
    from_ = std::move(to_);
  }

 private:
  // The number in the new program of an old value. A tuple that was not expanded stands for itself.
  [[nodiscard]] int single(int old) const { return renumbered_[static_cast<std::size_t>(old)]; }

  void place(Value value) {
    if (value.op == &output_op) {
      const auto found = results_.find(value.inputs[0]);
      if (found != results_.end()) {
        renumbered_.push_back(found->second[static_cast<std::size_t>(value.attributes[0])]);
        return;
      }
    }
    renumbered_.push_back(emit(std::move(value)));
  }

  // Appends a value, or its composition when nothing computes it as it is. Returns its number; the results of an
  // expanded tuple are in results_.
  int emit(Value value) {
    to_.values.push_back(std::move(value));
    const int v = static_cast<int>(to_.values.size()) - 1;
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
      if (inner.op == &output_op) {
        const auto found = results_.find(inner.inputs[0]);
        if (found != results_.end()) {
          numbers[i] = found->second[static_cast<std::size_t>(inner.attributes[0])];
          continue;
        }
      }
      numbers[i] = emit(std::move(inner));
    }
    std::vector<int> placed_results;
    for (const int r : results) placed_results.push_back(numbers[static_cast<std::size_t>(r)]);
    if (original.op->results == 1) return placed_results[0];
    results_[v] = placed_results;
    return v;
  }

  Program& from_;
  const PlanOptions& options_;
  Program to_;
  std::vector<int> renumbered_;
  std::map<int, std::vector<int>> results_;  // of expanded tuples
};

}  // namespace

void expand(Program& program, const PlanOptions& options) {
  Expansion(program, options).run();
}

}  // namespace narae::plan
