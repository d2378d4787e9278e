// Chains of elementwise operators of one shape become loops: each element is read once, and what lies between the
// operators stays in registers of one tile. Broadcast inputs are read with stride 0 instead of being written out.
#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "narae/graph/leaves.h"
#include "narae/plan/order.h"
#include "narae/plan/passes.h"

namespace narae::plan {
namespace {

constexpr std::size_t most_instructions = 64;
constexpr std::size_t most_visits = 2000;  // of one search for a path; beyond it a path is assumed

// Values that run together, as a union-find forest with what a join has to know: members, and a place in an order in
// which the groups can be computed. The order makes searches short: what lies outside two groups' places can't lie on a
// path between them (the places are kept as in Pearce and Kelly, "A dynamic topological sort algorithm for directed
// acyclic graphs", 2006).
class Groups {
 public:
  explicit Groups(const Program& program)
      : program_(program),
        parent_(program.values.size()),
        members_(program.values.size()),
        place_(program.values.size()),
        at_(program.values.size()),
        seen_(program.values.size(), 0) {
    std::iota(parent_.begin(), parent_.end(), 0);
    std::iota(place_.begin(), place_.end(), std::size_t{0});  // inputs come before their users
    std::iota(at_.begin(), at_.end(), 0);
    for (std::size_t v = 0; v < parent_.size(); ++v) members_[v] = {static_cast<int>(v)};
  }

  int of(int v) {
    while (parent_[static_cast<std::size_t>(v)] != v) {
      const int up = parent_[static_cast<std::size_t>(v)];
      v = parent_[static_cast<std::size_t>(v)] = parent_[static_cast<std::size_t>(up)];
    }
    return v;
  }
  [[nodiscard]] const std::vector<int>& members(int group) const { return members_[static_cast<std::size_t>(group)]; }

  // Joins two groups unless something outside would have to run both after one and before the other.
  bool join(int a, int b) {
    a = of(a);
    b = of(b);
    if (a == b) return true;
    if (members(a).size() + members(b).size() > most_instructions) return false;
    if (place(a) > place(b)) std::swap(a, b);
    if (!find_between(a, b)) return false;
    move_before(a, b);
    auto& from = members_[static_cast<std::size_t>(b)];
    auto& to = members_[static_cast<std::size_t>(a)];
    std::vector<int> merged;
    std::merge(to.begin(), to.end(), from.begin(), from.end(), std::back_inserter(merged));
    to = std::move(merged);
    from.clear();
    parent_[static_cast<std::size_t>(b)] = a;
    return true;
  }

 private:
  [[nodiscard]] std::size_t& place(int group) { return place_[static_cast<std::size_t>(group)]; }
  [[nodiscard]] bool is_seen(int group) const { return seen_[static_cast<std::size_t>(group)] == search_; }

  // Marks the groups placed after `a` that `b` depends on. False when one of them depends on `a`.
  bool find_between(int a, int b) {
    ++search_;
    stack_ = {b};
    for (std::size_t visits = 0; !stack_.empty(); ++visits) {
      if (visits > most_visits) return false;
      const int group = stack_.back();
      stack_.pop_back();
      for (const int member : members(group)) {
        for (const int input : program_.at(member).inputs) {
          const int g = of(input);
          if (g == a && group != b) return false;
          if (g == group || place(g) <= place(a) || is_seen(g)) continue;
          seen_[static_cast<std::size_t>(g)] = search_;
          stack_.push_back(g);
        }
      }
    }
    return true;
  }

  // Puts the marked groups before `a`, which takes the place behind them; `b` gives its place up.
  void move_before(int a, int b) {
    constexpr int nobody = -1;
    const std::size_t first = place(a);
    const std::size_t last = place(b);
    late_.clear();
    std::size_t next = first;
    const auto put = [&](int group) {
      at_[next] = group;
      place(group) = next++;
    };
    at_[last] = nobody;
    for (std::size_t i = first + 1; i < last; ++i) {
      const int group = at_[i];
      if (group == nobody) continue;
      if (is_seen(group))
        put(group);
      else
        late_.push_back(group);
    }
    put(a);
    for (const int group : late_) put(group);
    for (; next < last; ++next) at_[next] = nobody;
  }

  const Program& program_;
  std::vector<int> parent_;
  std::vector<std::vector<int>> members_;  // ascending
  std::vector<std::size_t> place_;         // of each group
  std::vector<int> at_;                    // the group at each place; -1: none any more
  std::vector<int> seen_;
  int search_ = 0;
  std::vector<int> stack_;
  std::vector<int> late_;
};

class Fusion {
 public:
  Fusion(Program& program, const PlanOptions& options)
      : program_(program), loops_(cpu_backend().loops()), fuse_(options.fuse), groups_(program) {}

  void run() {
    mark_late(program_);
    find_groups();
    rewrite();
  }

 private:
  bool can_loop(int v) {
    const Value& value = program_.at(v);
    if (value.op->kind != OpClass::elementwise || value.signature.shape.count() == 0) return false;
    types_.clear();
    for (const int input : value.inputs) types_.push_back(program_.at(input).signature.dtype);
    return loops_.supports(*value.op, types_, value.signature.dtype);
  }

  // The floating type that a value computes in; boolean for masks alone, which go with either.
  [[nodiscard]] DType compute_type(const Value& value) const {
    if (is_floating(value.signature.dtype)) return value.signature.dtype;
    for (const int input : value.inputs)
      if (is_floating(program_.at(input).signature.dtype)) return program_.at(input).signature.dtype;
    return DType::boolean;
  }

  void find_groups() {
    const int n = static_cast<int>(program_.values.size());
    in_loop_.resize(program_.values.size());
    type_.resize(program_.values.size(), DType::boolean);
    for (int v = 0; v < n; ++v) {
      const Value& value = program_.at(v);
      in_loop_[static_cast<std::size_t>(v)] = can_loop(v);
      if (!in_loop_[static_cast<std::size_t>(v)]) continue;
      type_[static_cast<std::size_t>(v)] = compute_type(value);
      if (!fuse_) continue;
      for (const int input : value.inputs) {
        const int g = groups_.of(input);
        const Value& leader = program_.at(g);
        if (!in_loop_[static_cast<std::size_t>(g)] || leader.late != value.late) continue;
        if (!(leader.signature.shape == value.signature.shape) || leader.layout() != value.layout()) continue;
        DType& mine = type_[static_cast<std::size_t>(groups_.of(v))];
        const DType theirs = type_[static_cast<std::size_t>(g)];
        if (mine != theirs && mine != DType::boolean && theirs != DType::boolean) continue;
        const DType both = mine == DType::boolean ? theirs : mine;
        if (groups_.join(g, v)) type_[static_cast<std::size_t>(groups_.of(v))] = both;
      }
    }
  }

  void rewrite() {
    const int n = static_cast<int>(program_.values.size());
    to_.arguments = program_.arguments;
    numbers_.assign(program_.values.size(), -1);
    find_results();
    for (int v = 0; v < n; ++v) {
      if (!in_loop_[static_cast<std::size_t>(v)])
        append(program_.at(v), v, v);
      else if (groups_.members(groups_.of(v)).back() == v)
        append_loop(groups_.members(groups_.of(v)));
    }
    for (Value& value : to_.values)
      for (int& input : value.inputs)
        if (input < 0)
          input = -1 - input;  // already in new numbers
        else
          input = numbers_[static_cast<std::size_t>(input)];
    const auto number = [&](int v) { return numbers_[static_cast<std::size_t>(v)]; };
    for (const int v : program_.outputs) to_.outputs.push_back(number(v));
    for (const Store& s : program_.stores) to_.stores.push_back({s.argument, number(s.value)});
    if (program_.guard >= 0) to_.guard = number(program_.guard);
    sort_values(to_, priority_);
    program_ = std::move(to_);
  }

  // Members of loops that something outside their loop reads.
  void find_results() {
    is_result_.resize(program_.values.size());
    for (std::size_t v = 0; v < program_.values.size(); ++v) {
      for (const int input : program_.values[v].inputs) {
        if (!in_loop_[v] || groups_.of(input) != groups_.of(static_cast<int>(v)))
          is_result_[static_cast<std::size_t>(input)] = true;
      }
    }
    for (const int v : program_.outputs) is_result_[static_cast<std::size_t>(v)] = true;
    for (const Store& s : program_.stores) is_result_[static_cast<std::size_t>(s.value)] = true;
    if (program_.guard >= 0) is_result_[static_cast<std::size_t>(program_.guard)] = true;
  }

  int append(Value value, int old, std::int64_t priority) {
    const int v = static_cast<int>(to_.values.size());
    if (old >= 0) numbers_[static_cast<std::size_t>(old)] = v;
    to_.values.push_back(std::move(value));
    priority_.push_back(priority);
    return v;
  }

  void append_loop(const std::vector<int>& members) {
    Loop loop;
    loop.shape = program_.at(members[0]).signature.shape;
    Value value;
    value.op = &loop_op;
    value.module = program_.at(members.back()).module;
    value.node = program_.at(members.back()).node;
    value.late = program_.at(members[0]).late;
    std::map<int, int> registers;  // member -> instruction, input -> input register (instructions are shifted below)
    const int group = groups_.of(members[0]);
    std::vector<std::pair<int, Shape>> sources;
    const auto input_register = [&](int v) {
      auto [source, strides] = source_of(v);
      for (std::size_t i = 0; i < sources.size(); ++i)
        if (sources[i].first == source && sources[i].second == strides) return static_cast<int>(i);
      sources.emplace_back(source, strides);
      loop.inputs.push_back({program_.at(source).signature.dtype, strides});
      value.inputs.push_back(source);
      return static_cast<int>(sources.size()) - 1;
    };
    for (std::size_t m = 0; m < members.size(); ++m) {
      const Value& member = program_.at(members[m]);
      Loop::Instruction instruction{member.op, member.signature.dtype, {}};
      for (const int input : member.inputs) {
        const bool inside = in_loop_[static_cast<std::size_t>(input)] && groups_.of(input) == group;
        instruction.registers.push_back(inside ? -1 - registers[input] : input_register(input));
      }
      registers[members[m]] = static_cast<int>(m);
      loop.instructions.push_back(std::move(instruction));
    }
    const int shift = static_cast<int>(loop.inputs.size());
    for (Loop::Instruction& instruction : loop.instructions)
      for (int& r : instruction.registers)
        if (r < 0) r = shift + (-1 - r);
    std::vector<int> results;
    for (std::size_t m = 0; m < members.size(); ++m) {
      if (!is_result_[static_cast<std::size_t>(members[m])]) continue;
      loop.results.push_back(shift + static_cast<int>(m));
      results.push_back(members[m]);
    }
    value.signature = program_.at(results[0]).signature;
    if (results.size() > 1)
      for (const int r : results) value.results.push_back(program_.at(r).signature);
    if (program_.at(results[0]).layout() != Layout::row_major) {
      value.layouts.assign(results.size(), program_.at(results[0]).layout());
    }
    value.loop = std::make_shared<const Loop>(std::move(loop));
    const bool late = value.late;
    const int tuple = append(std::move(value), results.size() == 1 ? results[0] : -1, members.back());
    if (results.size() == 1) return;
    for (std::size_t k = 0; k < results.size(); ++k) {
      Value projection;
      projection.op = &output_op;
      projection.signature = program_.at(results[k]).signature;
      projection.inputs = {-1 - tuple};
      projection.attributes = {static_cast<std::int64_t>(k)};
      projection.layouts = program_.at(results[k]).layouts;
      projection.late = late;
      append(std::move(projection), results[k], members.back());
    }
  }

  // What a loop reads for value `v`: a broadcast is read where it came from, with stride 0 along the repeated axes.
  [[nodiscard]] std::pair<int, Shape> source_of(int v) const {
    const Value& value = program_.at(v);
    if (!fuse_ || value.op->name != "broadcast_to") return {v, contiguous_strides(value.signature.shape)};
    const int source = value.inputs[0];
    const Shape& from = program_.at(source).signature.shape;
    const Shape own = contiguous_strides(from);
    Shape strides = value.signature.shape;
    const int offset = strides.rank() - from.rank();
    for (int i = 0; i < strides.rank(); ++i) strides.set(i, i < offset || from[i - offset] == 1 ? 0 : own[i - offset]);
    return {source, strides};
  }

  Program& program_;
  const Backend::Loops& loops_;
  bool fuse_;
  Groups groups_;
  std::vector<DType> types_;
  std::vector<bool> in_loop_;
  std::vector<bool> is_result_;
  std::vector<DType> type_;  // of a group, at its leader
  Program to_;
  std::vector<std::int64_t> priority_;
  std::vector<int> numbers_;
};

}  // namespace

void fuse(Program& program, const PlanOptions& options) {
  if (!options.fast_kernels || cpu_backend().loops().make == nullptr) return;
  Fusion(program, options).run();
  remove_dead(program);  // broadcasts that loops read at their source
}

}  // namespace narae::plan
