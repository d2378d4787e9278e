// In a plan that changes no variable, what scales and shifts the channels of a convolution's result, as batch norm with
// its running statistics does, goes into the convolution's weights and bias:
// f (w * x + b) + g = (f w) * x + (f b + g). Both are then prepared values (build.cpp).
#include <utility>
#include <vector>

#include "narae/plan/lasting.h"
#include "narae/plan/order.h"
#include "narae/plan/passes.h"
#include "narae/plan/rewrite.h"

namespace narae::plan {
namespace {

class Folding : Rewriter {
 public:
  explicit Folding(Lasting lasting) : lasting_(lasting) {}

  void run(Program& program) {
    rewrite_with_uses(program, [this](Value value) { return place(std::move(value)); });
    remove_dead(to_);
    program = std::move(to_);
  }

 private:
  [[nodiscard]] bool is(int v, std::string_view name) const { return to_.at(v).op->name == name; }
  [[nodiscard]] bool is_convolution(int v) const { return is(v, "conv2d") || is(v, "conv2d_bias"); }

  int place(Value value) {
    lasting_.extend(to_);
    const std::string_view name = value.op->name;
    if (name != "add" && name != "sub" && name != "mul") return append(std::move(value));
    for (std::size_t side = 0; side < (name == "sub" ? 1 : 2); ++side) {
      const int convolution = value.inputs[side];
      const int numbers = numbers_of_channels(value.inputs[1 - side]);
      if (numbers < 0 || !can_take_over(convolution)) continue;
      return name == "mul" ? scaled(value, convolution, numbers) : shifted(value, convolution, numbers);
    }
    return append(std::move(value));
  }

  // A lasting value of one number a channel that is repeated over (batch, channels, height, width), or -1.
  [[nodiscard]] int numbers_of_channels(int v) const {
    if (!is(v, "broadcast_to")) return -1;
    const Shape& shape = to_.at(v).signature.shape;
    const int numbers = to_.at(v).inputs[0];
    const Shape& own = to_.at(numbers).signature.shape;
    const bool fits = shape.rank() == 4 && own.rank() >= 3 && own[-3] == shape[1] && own.count() == shape[1];
    return fits && lasting_.is(numbers) ? numbers : -1;
  }

  // A convolution of lasting weights that nothing else reads.
  [[nodiscard]] bool can_take_over(int v) const {
    if (!is_convolution(v) || uses_[static_cast<std::size_t>(v)] != 1) return false;
    const std::vector<int>& inputs = to_.at(v).inputs;
    return lasting_.is_of_variables(to_, inputs[1]) && (inputs.size() < 3 || lasting_.is(inputs[2]));
  }

  int scaled(const Value& mul, int convolution, int factors) {
    Value result = to_.at(convolution);
    const Shape weights = to_.at(result.inputs[1]).signature.shape;
    const int columns = reshaped(mul, factors, {weights[0], 1, 1, 1});
    const int repeated = write(mul, "broadcast_to", {columns}, words(weights), weights);
    result.inputs[1] = write(mul, "mul", {result.inputs[1], repeated}, {}, weights);
    if (result.inputs.size() == 3) {
      const Shape filters{weights[0]};
      result.inputs[2] = write(mul, "mul", {result.inputs[2], reshaped(mul, factors, filters)}, {}, filters);
    }
    return append(std::move(result));
  }

  int shifted(const Value& sum, int convolution, int numbers) {
    Value result = to_.at(convolution);
    const Shape filters{sum.signature.shape[1]};
    int bias = reshaped(sum, numbers, filters);
    if (result.inputs.size() == 3) {
      bias = write(sum, sum.op->name, {result.inputs[2], bias}, {}, filters);
      result.inputs[2] = bias;
      return append(std::move(result));
    }
    if (sum.op->name == "sub") bias = write(sum, "neg", {bias}, {}, filters);
    result.op = find_op("conv2d_bias");
    result.inputs.push_back(bias);
    result.kernel = {};
    return append(std::move(result));
  }

  int reshaped(const Value& instead, int v, const Shape& shape) {
    return write(instead, "reshape", {v}, words(shape), shape);
  }

  LastingValues lasting_;
};

}  // namespace

void fold(Program& program, const PlanOptions& options) {
  if (!options.fast_kernels || !options.fuse || !program.stores.empty() || program.guard >= 0) return;
  Folding(options.lasting).run(program);
}

}  // namespace narae::plan
