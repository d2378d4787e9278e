#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "narae/plan/program.h"

namespace narae::plan {

/// Writes a program anew, value by value in order: what a rewriting pass stands on. The pass says by `place` which
/// value of the new program takes the place of each old one; arguments, outputs, stores and guard follow.
class Rewriter {
 public:
  /// `place`: Value (with inputs of the new program) -> its number there.
  template <class Place>
  void rewrite(Program& from, Place place) {
    to_.arguments = from.arguments;
    to_.values.reserve(from.values.size());
    std::vector<int> renumbered;
    renumbered.reserve(from.values.size());
    const auto number = [&](int old) { return renumbered[static_cast<std::size_t>(old)]; };
    for (Value& value : from.values) {
      for (int& input : value.inputs) input = number(input);
      renumbered.push_back(place(std::move(value)));
    }
    for (const int v : from.outputs) to_.outputs.push_back(number(v));
    for (const Store& s : from.stores) to_.stores.push_back({s.argument, number(s.value)});
    if (from.guard >= 0) to_.guard = number(from.guard);
  }

 protected:
  // rewrite, and uses_ tells how often the old value in whose place a new one stands is read.
  template <class Place>
  void rewrite_with_uses(Program& from, Place place) {
    const std::vector<int> uses = count_uses(from);
    std::size_t next = 0;
    rewrite(from, [&](Value value) {
      const int v = place(std::move(value));
      uses_.resize(to_.values.size(), 0);
      uses_[static_cast<std::size_t>(v)] = uses[next++];
      return v;
    });
  }

  int append(Value value) {
    to_.values.push_back(std::move(value));
    return static_cast<int>(to_.values.size()) - 1;
  }

  // A value of `shape` that is written in place of `instead`, with its type and origin.
  int write(const Value& instead, std::string_view op, std::vector<int> inputs, std::vector<std::int64_t> attributes,
            const Shape& shape) {
    Value value;
    value.op = find_op(op);
    value.signature = {instead.signature.dtype, shape};
    value.inputs = std::move(inputs);
    value.attributes = std::move(attributes);
    value.module = instead.module;
    value.node = instead.node;
    return append(std::move(value));
  }

  [[nodiscard]] static std::vector<std::int64_t> words(const Shape& shape) { return {shape.begin(), shape.end()}; }

  Program to_;             ///< the new program, as far as it is written
  std::vector<int> uses_;  ///< of its values, where rewrite_with_uses counts them; 0 for values that are added
};

}  // namespace narae::plan
