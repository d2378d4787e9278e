// A product or a convolution hands its result to the loop behind it piece by piece, while the piece is in the cache or
// in registers, where the backend has a kernel for both: what lies between them is never stored.
#include <utility>
#include <vector>

#include "narae/plan/order.h"
#include "narae/plan/passes.h"

namespace narae::plan {
namespace {

class Following {
 public:
  explicit Following(Program& program)
      : program_(program), uses_(count_uses(program)), changes_(!program.stores.empty() || program.guard >= 0) {}

  void run() {
    for (Value& value : program_.values)
      if (value.op == &loop_op) join(value);
    remove_dead(program_);
  }

 private:
  // Turns the loop into its producer followed by it, where the backend has that.
  void join(Value& value) {
    for (std::size_t i = 0; i < value.inputs.size(); ++i) {
      const int v = behind_reshapes(value.inputs[i]);
      if (v < 0) continue;
      const Value& producer = program_.at(v);
      if (producer.loop || producer.result_count() != 1) continue;
      if (producer.op->kind != OpClass::general && producer.op->kind != OpClass::fused) continue;
      if (producer.signature.shape.count() != value.signature.shape.count() || producer.layout() != value.layout())
        continue;
      Value joined = producer;
      joined.signature = value.signature;
      joined.results = value.results;
      joined.layouts = value.layouts;
      joined.loop = value.loop;
      joined.late = value.late;
      for (std::size_t k = 0; k < value.inputs.size(); ++k)
        if (k != i) joined.inputs.push_back(value.inputs[k]);
      RequestStorage storage;
      const KernelRequest request = request_for(program_, v, storage);
      joined.kernel = cpu_backend().loops().make_behind(request, *value.loop, static_cast<int>(i), changes_);
      if (!joined.kernel) continue;
      value = std::move(joined);
      return;
    }
  }

  // The value whose elements these are, in the same order, when nothing else reads them; or -1.
  [[nodiscard]] int behind_reshapes(int v) const {
    while (uses_[static_cast<std::size_t>(v)] == 1 && program_.at(v).op->name == "reshape")
      v = program_.at(v).inputs[0];
    return uses_[static_cast<std::size_t>(v)] == 1 ? v : -1;
  }

  Program& program_;
  std::vector<int> uses_;
  bool changes_;  // variables: the guard must see what is not finite
};

}  // namespace

void follow(Program& program, const PlanOptions& options) {
  if (!options.fast_kernels || !options.fuse || cpu_backend().loops().make_behind == nullptr) return;
  Following(program).run();
}

}  // namespace narae::plan
