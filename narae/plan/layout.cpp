// Convolutions are several times faster on channels in blocks than on row-major pictures. They say which layout they
// want; elementwise operators between them take it over; everything else reads row-major. A reorder is written where
// layouts meet, once for each value and layout.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "narae/graph/leaves.h"
#include "narae/plan/passes.h"

namespace narae::plan {
namespace {

class LayoutPass {
 public:
  explicit LayoutPass(Program& program) : from_(program), layouts_(cpu_backend().layouts()) {}

  void run() {
    to_.arguments = from_.arguments;
    to_.values.reserve(from_.values.size());
    for (Value& value : from_.values) {
      for (int& input : value.inputs) input = number(input);
      renumbered_.push_back(place(std::move(value)));
    }
    for (const int v : from_.outputs) to_.outputs.push_back(in_layout(number(v), Layout::row_major));
    for (const Store& s : from_.stores)
      to_.stores.push_back({s.argument, in_layout(number(s.value), Layout::row_major)});
    if (from_.guard >= 0) to_.guard = in_layout(number(from_.guard), Layout::row_major);
    from_ = std::move(to_);
  }

 private:
  [[nodiscard]] int number(int old) const { return renumbered_[static_cast<std::size_t>(old)]; }

  int append(Value value) {
    to_.values.push_back(std::move(value));
    return static_cast<int>(to_.values.size()) - 1;
  }

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
    for (const int input : value.inputs) inputs.push_back(to_.at(input).signature);
    std::vector<Signature> results;
    for (int k = 0; k < value.result_count(); ++k) results.push_back(value.result(k));
    LayoutChoice choice;
    if (!layouts_.choose({value.op, value.attributes, inputs, results}, choice)) return false;
    for (std::size_t i = 0; i < value.inputs.size(); ++i)
      value.inputs[i] = in_layout(value.inputs[i], choice.inputs[i]);
    value.layouts = choice.results;
    value.kernel = {};  // it was made for row-major values
    return true;
  }

  // An elementwise operator computes in the layout of its inputs when that has no padding and no input is repeated
  // along some axes only.
  bool follow(Value& value) {
    if (value.op->kind != OpClass::elementwise || !can_reorder(value)) return false;
    Layout layout = Layout::row_major;
    for (const int v : value.inputs) {
      const Value& input = to_.at(v);
      if (!can_reorder(input)) return false;
      if (is_broadcast(input) && to_.at(input.inputs[0]).signature.shape.count() != 1) return false;
      if (input.layout() != Layout::row_major) layout = input.layout();
    }
    if (layout == Layout::row_major) return false;
    if (layouts_.elements(layout) != static_cast<std::size_t>(value.signature.shape.count())) return false;
    for (int& v : value.inputs)
      if (!is_broadcast(to_.at(v))) v = in_layout(v, layout);
    value.layouts = {layout};
    return true;
  }

  [[nodiscard]] static bool can_reorder(const Value& value) {
    return value.signature.dtype == DType::f32 || value.signature.dtype == DType::boolean;
  }
  [[nodiscard]] static bool is_broadcast(const Value& value) { return value.op->name == "broadcast_to"; }

  Program& from_;
  const Backend::Layouts& layouts_;
  Program to_;
  std::vector<int> renumbered_;
  std::map<std::pair<int, Layout>, int> reordered_;
};

}  // namespace

void layout(Program& program, const PlanOptions& options) {
  if (options.fast_kernels && options.layouts && cpu_backend().layouts().choose != nullptr) LayoutPass(program).run();
}

}  // namespace narae::plan
