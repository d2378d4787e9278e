#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "narae/graph/op.h"

namespace narae {

/// The order of a value's elements in memory: row-major (0), or one that a backend chose for itself, such as channels
/// in blocks of 16 for convolutions. The backend alone knows what its numbers mean.
enum class Layout : std::int32_t { row_major = 0 };

/// What a kernel is made for: an operator at given types and shapes. Values are contiguous and row-major unless layouts
/// are given.
struct KernelRequest {
  const Op* op = nullptr;
  Attributes attributes;
  std::span<const Signature> inputs;
  std::span<const Signature> results;
  std::span<const Layout> input_layouts = {};   ///< empty: all row-major
  std::span<const Layout> result_layouts = {};  ///< empty: all row-major

  [[nodiscard]] Layout input_layout(std::size_t i) const {
    return input_layouts.empty() ? Layout::row_major : input_layouts[i];
  }
  [[nodiscard]] Layout result_layout(std::size_t k) const {
    return result_layouts.empty() ? Layout::row_major : result_layouts[k];
  }
};

/// One axis of a layout's memory: index i of it stands for i * step positions along axis `axis` of the value's shape.
struct LayoutAxis {
  int axis;
  std::int64_t extent;
  std::int64_t step;
};

/// The layouts that an operator is computed fastest in.
struct LayoutChoice {
  std::vector<Layout> inputs;
  std::vector<Layout> results;
  /// The input that holds weights, which may lie row-major as well: reordering them pays where they stay as they are
  /// from one run to the next. -1: none.
  int weights = -1;
};

/// Memory of one execution, in the order of the operator's inputs and results. Scalars (inputs of shape ()) are
/// read from memory like anything else.
struct KernelArguments {
  const std::byte* const* inputs;
  std::byte* const* results;
  std::byte* scratch;

  template <class T>
  [[nodiscard]] const T* in(int i) const {
    return reinterpret_cast<const T*>(inputs[i]);
  }
  template <class T>
  [[nodiscard]] T* out(int k) const {
    return reinterpret_cast<T*>(results[k]);
  }
};

/// A loop over the elements of `shape` that runs several elementwise operators at once. Register numbers: first the
/// inputs, then one for each instruction in turn.
struct Loop {
  struct Input {
    DType dtype;
    Shape strides;  ///< in elements, for each axis of the loop's shape; 0 where the input is repeated
  };
  struct Instruction {
    const Op* op;
    DType dtype;  ///< of the result
    std::vector<int> registers;
  };
  Shape shape;
  std::vector<Input> inputs;
  std::vector<Instruction> instructions;
  std::vector<int> results;  ///< registers that are stored, each row-major and contiguous
};

/// Code bound to one request. It is shared by threads: `run` keeps no state between calls.
struct Kernel {
  std::function<void(const KernelArguments&)> run;
  std::size_t scratch_bytes = 0;
  double flops = 0;
  /// The inputs whose memory a result of the same size may take over: the kernel reads each of their elements before it
  /// writes the element at the same place, and never again.
  std::vector<int> in_place = {};

  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(run); }
};

/// Makes the kernel for a request, or an empty one when this backend has none for its types and shapes.
using KernelFactory = Kernel (*)(const KernelRequest& request);

/// A table of kernels by the operator's name.
class NARAE_API Backend {
 public:
  explicit Backend(std::string_view name) : name_(name) {}
  [[nodiscard]] std::string_view name() const { return name_; }
  void define(std::string_view op, KernelFactory factory);
  /// Empty when there is none.
  [[nodiscard]] Kernel make(const KernelRequest& request) const;
  [[nodiscard]] bool has(std::string_view op) const;
  [[nodiscard]] std::vector<std::string_view> ops() const;

  /// How this backend runs fused loops; null members: it does not.
  struct Loops {
    bool (*supports)(const Op& op, std::span<const DType> inputs, DType result) = nullptr;
    Kernel (*make)(const Loop& loop) = nullptr;
    /// A kernel for an operator whose result goes through a loop, as the loop's input number `from`: its inputs are
    /// the operator's, then the loop's others. Empty where one runs after the other. `exact`: what is not finite must
    /// come out as it would otherwise; without, a joined rectifier may make 0 of a NaN.
    Kernel (*make_behind)(const KernelRequest& request, const Loop& loop, int from, bool exact) = nullptr;
    /// Products a^T b with at most so many rows in a and b are joined with any loop where b has `least_columns`.
    static constexpr std::int64_t few_terms = 32;
    static constexpr std::int64_t least_columns = 256;
  };
  void set_loops(Loops loops) { loops_ = loops; }

  /// Layouts of this backend's own; null members: it has none.
  struct Layouts {
    /// Fills in what an operator wants, given how its inputs lie now; false: row-major will do.
    bool (*choose)(const KernelRequest& request, LayoutChoice& choice) = nullptr;
    /// Elements that a value occupies; more than it has when lanes are padded.
    std::size_t (*elements)(Layout layout) = nullptr;
    /// The axes of a layout's memory, outermost first; none for a layout that has padding or holds other numbers.
    std::vector<LayoutAxis> (*axes)(Layout layout) = nullptr;
    /// Copies between layouts of one shape; for f32, i32 and bool.
    Kernel (*reorder)(const Signature& value, Layout from, Layout to) = nullptr;
  };
  void set_layouts(Layouts layouts) { layouts_ = layouts; }
  [[nodiscard]] const Layouts& layouts() const { return layouts_; }
  [[nodiscard]] const Loops& loops() const { return loops_; }

 private:
  struct Entry {
    std::string_view op;
    KernelFactory factory;
  };
  std::string_view name_;
  std::vector<Entry> entries_;  // sorted by name
  Loops loops_;
  Layouts layouts_;
};

/// The plainest loops for every primitive: the oracle, and what runs where nothing faster exists.
[[nodiscard]] NARAE_API Backend& reference_backend();
/// Fast kernels.
[[nodiscard]] NARAE_API Backend& cpu_backend();

/// `static const DefineKernel add(reference_backend(), "add", make_add);` at namespace scope.
struct DefineKernel {
  DefineKernel(Backend& backend, std::string_view op, KernelFactory factory) { backend.define(op, factory); }
};

}  // namespace narae
