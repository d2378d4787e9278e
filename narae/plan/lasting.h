#pragma once

#include <optional>
#include <set>
#include <vector>

#include "narae/plan/passes.h"

namespace narae::plan {

/// The values of a plan that changes no variable which usually stay as they are from one execution to the next:
/// variables, constants, numbers such as the eps of a norm, and what is computed from them alone. A number that says
/// where to read or write, or what to draw, is another one each time: only elementwise operators may take numbers.
class LastingValues {
 public:
  explicit LastingValues(Lasting most) : most_(most) {}
  /// Takes in the values that a program has got since.
  void extend(const Program& program);
  [[nodiscard]] bool is(int v) const { return sources_[static_cast<std::size_t>(v)].has_value(); }
  /// The arguments that decide about a lasting value.
  [[nodiscard]] const std::set<int>& sources(int v) const { return *sources_[static_cast<std::size_t>(v)]; }
  /// A lasting value with variables among its sources.
  [[nodiscard]] bool is_of_variables(const Program& program, int v) const;

 private:
  [[nodiscard]] bool lasts(Argument::Kind kind) const;

  Lasting most_;
  std::vector<std::optional<std::set<int>>> sources_;
};

}  // namespace narae::plan
