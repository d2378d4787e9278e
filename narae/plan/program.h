#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "narae/graph/kernel.h"
#include "narae/graph/op.h"

namespace narae::plan {

/// One operator of a program: a node without its handle. Inputs are numbers of earlier values.
struct Value {
  const Op* op = nullptr;
  Signature signature;               ///< of result 0
  std::vector<Signature> results{};  ///< of all results, when there are several
  std::vector<int> inputs{};
  std::vector<std::int64_t> attributes{};
  std::uint32_t module = 0;
  int node = -1;      ///< the captured node that it was written as, or the one whose composition it is part of
  int argument = -1;  ///< of a leaf: which argument; -1 for a constant
  double constant = 0;
  std::int64_t integer_constant = 0;
  std::shared_ptr<const Loop> loop{};  ///< of a fused loop (op == loop_op), or behind another operator (follow.cpp)
  Kernel kernel{};                     ///< chosen already by a pass
  std::vector<Layout> layouts{};       ///< of each result; empty: row-major
  bool late = false;                   ///< only the new values of variables depend on it: may run after the guard

  [[nodiscard]] int result_count() const { return results.empty() ? 1 : static_cast<int>(results.size()); }
  [[nodiscard]] Layout layout(int k = 0) const {
    return layouts.empty() ? Layout::row_major : layouts[static_cast<std::size_t>(k)];
  }
  [[nodiscard]] const Signature& result(int k) const {
    return results.empty() ? signature : results[static_cast<std::size_t>(k)];
  }
};

/// What an execution is given: a number of the host, a block of data, or a variable's storage.
struct Argument {
  enum class Kind : std::uint8_t { scalar, data, variable } kind;
  Signature signature;
};

/// The variable behind an argument takes a value.
struct Store {
  int argument;
  int value;
};

/// What the gradient of an output flows into next.
struct Source {
  enum class Kind : std::uint8_t {
    argument,
    output,
    pending,  ///< a version of a variable that the plan computes itself; the number is that of the variable's argument
  } kind;
  int number;
};

/// A recipe as a list in an order in which it can be computed. Passes rewrite it; `values` never refer forward.
struct Program {
  std::vector<Value> values;
  std::vector<Argument> arguments;
  std::vector<int> outputs;  ///< values that are handed out
  std::vector<Store> stores;
  int guard = -1;  ///< value that decides whether the stores happen; -1: they do
  /// What gradients of each output flow into next. Set when the program is made, and taken out of it before the first
  /// pass: passes write the program anew, without it.
  std::vector<std::vector<Source>> output_sources;

  [[nodiscard]] const Value& at(int v) const { return values[static_cast<std::size_t>(v)]; }
  [[nodiscard]] Value& at(int v) { return values[static_cast<std::size_t>(v)]; }
};

/// Several elementwise operators in one loop (made by fuse.cpp).
extern const Op& loop_op;

/// A value in another layout (made by layout.cpp).
extern const Op& reorder_op;

/// Bytes of result k of a value, in its layout.
[[nodiscard]] std::size_t bytes_of(const Value& value, int k);

/// Whether a value of that shape looks the same in memory in both layouts, as pictures of one pixel do.
[[nodiscard]] bool is_same_memory(const Shape& shape, Layout a, Layout b);

/// Throws Error (a defect of ours) when a program breaks its rules; `after` names the pass that ran last.
void verify(const Program& program, const char* after);

/// The program as text, a value a line.
[[nodiscard]] std::string to_string(const Program& program);

/// Numbers of the values that each value's inputs and the program's outputs, stores and guard use.
[[nodiscard]] std::vector<int> count_uses(const Program& program);

/// The request that a kernel for value `v` is made for; the spans refer to `storage`.
struct RequestStorage {
  std::vector<Signature> inputs;
  std::vector<Signature> results;
  std::vector<Layout> input_layouts;
  std::vector<Layout> result_layouts;
};
[[nodiscard]] KernelRequest request_for(const Program& program, int v, RequestStorage& storage);

}  // namespace narae::plan
