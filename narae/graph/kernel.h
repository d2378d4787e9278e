#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "narae/graph/op.h"

namespace narae {

/// What a kernel is made for: an operator at given types and shapes. All values are contiguous and row-major.
struct KernelRequest {
  const Op* op = nullptr;
  Attributes attributes;
  std::span<const Signature> inputs;
  std::span<const Signature> results;
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
  /// True when a result may share memory with an input of the same size (each element is read before it is written).
  bool in_place = false;

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
  };
  void set_loops(Loops loops) { loops_ = loops; }
  [[nodiscard]] const Loops& loops() const { return loops_; }

 private:
  struct Entry {
    std::string_view op;
    KernelFactory factory;
  };
  std::string_view name_;
  std::vector<Entry> entries_;  // sorted by name
  Loops loops_;
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
