// Convolutions are several times faster on channels in blocks than on row-major pictures. They say which layout they
// want; what lies between them (elementwise operators, normalisation, pooling) takes it over; everything else reads
// row-major. A reorder is written where layouts meet, once for each value and layout.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "narae/graph/leaves.h"
#include "narae/plan/lasting.h"
#include "narae/plan/passes.h"
#include "narae/plan/rewrite.h"

namespace narae::plan {
namespace {

class LayoutPass : Rewriter {
 public:
  LayoutPass(bool loops, Lasting lasting) : lasting_(lasting), layouts_(cpu_backend().layouts()), loops_(loops) {}

  void run(Program& program) {
    stores_ = !program.stores.empty() || program.guard >= 0;
    rewrite(program, [this](Value value) { return place(std::move(value)); });
    for (int& v : to_.outputs) v = in_layout(v, Layout::row_major);
    for (Store& s : to_.stores) s.value = in_layout(s.value, Layout::row_major);
    if (to_.guard >= 0) to_.guard = in_layout(to_.guard, Layout::row_major);
    program = std::move(to_);
  }

 private:
  // Value v as it lies in `wanted`: itself or a reordered copy.
  int in_layout(int v, Layout wanted) {
    if (to_.at(v).layout() == wanted) return v;
    if (to_.at(v).op == &reorder_op && to_.at(to_.at(v).inputs[0]).layout() == wanted) return to_.at(v).inputs[0];
    const auto [entry, fresh] = reordered_.try_emplace({v, wanted}, -1);
    if (fresh) {
      Value reorder;
      reorder.op = &reorder_op;
      reorder.signature = to_.at(v).signature;
      reorder.inputs = {v};
      reorder.module = to_.at(v).module;
      reorder.node = to_.at(v).node;
      reorder.layouts = {wanted};
      entry->second = append(std::move(reorder));
    }
    return entry->second;
  }

  int place(Value value) {
    if (value.op == &output_op) {
      const Layout own = to_.at(value.inputs[0]).layout(static_cast<int>(value.attributes[0]));
      if (own != Layout::row_major) value.layouts = {own};
      return append(std::move(value));
    }
    if (value.op->name == "after") {  // its first input as it lies; the second decides about the order only
      const Layout own = to_.at(value.inputs[0]).layout();
      if (own != Layout::row_major) value.layouts = {own};
      return append(std::move(value));
    }
    if (choose(value) || follow(value)) return append(std::move(value));
    for (int& input : value.inputs) input = in_layout(input, Layout::row_major);
    return append(std::move(value));
  }

  // The backend has a wish for this operator.
  bool choose(Value& value) {
    if (value.op->kind == OpClass::leaf || value.op->kind == OpClass::elementwise) return false;
    std::vector<Signature> inputs;
    std::vector<Layout> lie;
    for (const int input : value.inputs) {
      inputs.push_back(to_.at(input).signature);
      lie.push_back(to_.at(input).layout());
    }
    std::vector<Signature> results;
    for (int k = 0; k < value.result_count(); ++k) results.push_back(value.result(k));
    LayoutChoice choice;
    if (!layouts_.choose({value.op, value.attributes, inputs, results, lie}, choice)) return false;
    lasting_.extend(to_);
    if (choice.weights >= 0 &&
        (stores_ || !lasting_.is_of_variables(to_, value.inputs[static_cast<std::size_t>(choice.weights)])))
      choice.inputs[static_cast<std::size_t>(choice.weights)] = Layout::row_major;
    for (std::size_t i = 0; i < value.inputs.size(); ++i)
      value.inputs[i] = in_layout(value.inputs[i], choice.inputs[i]);
    value.layouts = choice.results;
    value.kernel = {};  // it was made for row-major values
    return true;
  }

  // An elementwise operator computes in the layout of its inputs when that has no padding.
  bool follow(Value& value) {
    if (value.op->kind != OpClass::elementwise || !can_reorder(value)) return false;
    Layout layout = Layout::row_major;
    for (const int v : value.inputs) {
      const Value& input = to_.at(v);
      if (!can_reorder(input)) return false;
      if (input.layout() != Layout::row_major) layout = input.layout();
    }
    if (layout == Layout::row_major || layouts_.axes(layout).empty()) return false;
    for (int& v : value.inputs)
      if (!is_read_in_place(to_.at(v))) v = in_layout(v, layout);
    value.layouts = {layout};
    return true;
  }

  // What a loop reads at its source, whatever the order of the loop's own elements.
  [[nodiscard]] bool is_read_in_place(const Value& value) const {
    if (value.op->name != "broadcast_to") return false;
    return loops_ || to_.at(value.inputs[0]).signature.shape.count() == 1;
  }

  [[nodiscard]] static bool can_reorder(const Value& value) {
    return value.signature.dtype == DType::f32 || value.signature.dtype == DType::boolean;
  }

  bool stores_ = false;
  LastingValues lasting_;  // weights among them are reordered once (build.cpp)
  const Backend::Layouts& layouts_;
  bool loops_;  // elementwise operators will run in loops
  std::map<std::pair<int, Layout>, int> reordered_;
};

}  // namespace

void layout(Program& program, const PlanOptions& options) {
  if (!options.fast_kernels || !options.layouts || cpu_backend().layouts().choose == nullptr) return;
  LayoutPass(options.fuse && cpu_backend().loops().make != nullptr, options.lasting).run(program);
}

}  // namespace narae::plan
