#include "narae/plan/lasting.h"

#include <algorithm>
#include <utility>

namespace narae::plan {
namespace {

Argument::Kind kind_of(const Program& program, int argument) {
  return program.arguments[static_cast<std::size_t>(argument)].kind;
}

bool takes_numbers(const Value& value) {
  return value.op->kind == OpClass::elementwise || value.op == &loop_op || value.op->name == "broadcast_to" ||
         value.op->name == "reshape";
}

}  // namespace

void LastingValues::extend(const Program& program) {
  for (auto v = static_cast<int>(sources_.size()); v < static_cast<int>(program.values.size()); ++v) {
    const Value& value = program.at(v);
    std::optional<std::set<int>>& all = sources_.emplace_back();
    if (value.op->kind == OpClass::leaf) {
      if (value.argument < 0)
        all.emplace();
      else if (lasts(kind_of(program, value.argument)))
        all = std::set<int>{value.argument};
      continue;
    }
    const bool of_lasting =
        !value.inputs.empty() && std::all_of(value.inputs.begin(), value.inputs.end(), [&](int input) {
          return is(input) && (takes_numbers(value) || sources(input).empty() || is_of_variables(program, input));
        });
    if (!of_lasting) continue;
    std::set<int> found;
    for (const int input : value.inputs) found.insert(sources(input).begin(), sources(input).end());
    sources_.back() = std::move(found);
  }
}

bool LastingValues::lasts(Argument::Kind kind) const {
  if (kind == Argument::Kind::variable) return most_ != Lasting::nothing;
  return kind == Argument::Kind::scalar && most_ == Lasting::numbers;
}

bool LastingValues::is_of_variables(const Program& program, int v) const {
  return is(v) && std::any_of(sources(v).begin(), sources(v).end(),
                              [&](int a) { return kind_of(program, a) == Argument::Kind::variable; });
}

}  // namespace narae::plan
