// Chains of elementwise operators of one shape become loops: each element is read once, and what lies between the
// operators stays in registers of one tile. Broadcast inputs are read with stride 0 instead of being written out, and
// cheap values that one later loop alone reads are computed there.
#include <algorithm>
#include <array>
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
    list_loops();
    if (fuse_) hand_on();
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

  // The loops that the groups became: which one each value belongs to (-1: none), and the members of each.
  void list_loops() {
    loop_of_.assign(program_.values.size(), -1);
    members_.resize(program_.values.size());
    users_.resize(program_.values.size());
    for (std::size_t v = 0; v < program_.values.size(); ++v) {
      for (const int input : program_.values[v].inputs)
        users_[static_cast<std::size_t>(input)].push_back(static_cast<int>(v));
      if (!in_loop_[v]) continue;
      loop_of_[v] = groups_.of(static_cast<int>(v));
      members_[static_cast<std::size_t>(loop_of_[v])].push_back(static_cast<int>(v));
    }
  }
  [[nodiscard]] int loop_of(int v) const { return loop_of_[static_cast<std::size_t>(v)]; }
  [[nodiscard]] const std::vector<int>& users_of(int v) const { return users_[static_cast<std::size_t>(v)]; }

  // What a loop would store for one later loop alone, such as the mask of a rectifier for its gradient, is computed
  // there once more where it takes little: from one value that is stored anyway, and that lives on until then or takes
  // no more memory.
  void hand_on() {
    find_results();
    for (auto v = static_cast<int>(program_.values.size()); v-- > 0;) {
      if (loop_of(v) < 0 || !is_result_[static_cast<std::size_t>(v)] || is_root_[static_cast<std::size_t>(v)]) continue;
      const int to = only_reader(v);
      std::vector<int> chain;
      if (to < 0 || !find_chain(v, chain)) continue;
      for (const int moved : chain) {
        std::erase(members_[static_cast<std::size_t>(loop_of(moved))], moved);
        loop_of_[static_cast<std::size_t>(moved)] = to;
        auto& members = members_[static_cast<std::size_t>(to)];
        members.insert(std::lower_bound(members.begin(), members.end(), moved), moved);
      }
      for (const int moved : chain) {
        is_result_[static_cast<std::size_t>(moved)] = false;
        for (const int input : program_.at(moved).inputs)
          if (loop_of(input) != to) is_result_[static_cast<std::size_t>(input)] = true;
      }
    }
  }

  // The one loop, of the same type and not the value's own, that reads v; or -1.
  [[nodiscard]] int only_reader(int v) {
    int to = -1;
    for (const int user : users_of(v)) {
      const int loop = loop_of(user);
      if (loop < 0 || loop == loop_of(v) || (to >= 0 && loop != to)) return -1;
      to = loop;
    }
    if (to < 0 || members_[static_cast<std::size_t>(to)].size() + 4 > most_instructions) return -1;
    const Value& reader = program_.at(members_[static_cast<std::size_t>(to)][0]);
    const Value& value = program_.at(v);
    const bool fits = reader.signature.shape == value.signature.shape && reader.layout() == value.layout() &&
                      reader.late == value.late &&
                      type_[static_cast<std::size_t>(groups_.of(v))] == type_[static_cast<std::size_t>(to)];
    return fits ? to : -1;
  }

  // v and what only it needs, in `chain`: cheap operators on one stored value of the same loop and on broadcasts.
  [[nodiscard]] bool find_chain(int v, std::vector<int>& chain) const {
    constexpr std::size_t most = 3;
    chain = {v};
    int source = -1;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const Value& value = program_.at(chain[i]);
      if (!is_cheap(*value.op)) return false;
      for (const int input : value.inputs) {
        if (program_.at(input).op->name == "broadcast_to" && loop_of(input) < 0) continue;
        if (loop_of(input) != loop_of(v)) return false;
        const bool needed_elsewhere = std::any_of(users_of(input).begin(), users_of(input).end(), [&](int user) {
          return std::find(chain.begin(), chain.end(), user) == chain.end();
        });
        const bool stored = is_result_[static_cast<std::size_t>(input)];
        if (stored && needed_elsewhere && (source < 0 || source == input))
          source = input;
        else if (stored || needed_elsewhere || chain.size() == most)
          return false;
        else if (std::find(chain.begin(), chain.end(), input) == chain.end())
          chain.push_back(input);
      }
    }
    return source >= 0 && lives_on(source, v);
  }

  [[nodiscard]] static bool is_cheap(const Op& op) {
    constexpr std::array names = {"add",     "sub",  "mul",           "square",    "neg",
                                  "greater", "less", "greater_equal", "less_equal"};
    return std::find(names.begin(), names.end(), op.name) != names.end();
  }

  // Keeping the source for v's reader takes no more memory than keeping v: it is as small, or it is handed out, or
  // others read it as late, give or take half of the way.
  [[nodiscard]] bool lives_on(int source, int v) const {
    const bool small = size_of(program_.at(source).signature.dtype) <= size_of(program_.at(v).signature.dtype);
    if (small || is_root_[static_cast<std::size_t>(source)]) return true;
    int last = source;
    for (const int user : users_of(source))
      if (user != v) last = std::max(last, user);
    const int reader = *std::min_element(users_of(v).begin(), users_of(v).end());
    return last >= reader - (reader - source) / 2;
  }

  void rewrite() {
    const int n = static_cast<int>(program_.values.size());
    to_.arguments = program_.arguments;
    numbers_.assign(program_.values.size(), -1);
    find_results();
    for (int v = 0; v < n; ++v) {
      if (!in_loop_[static_cast<std::size_t>(v)])
        append(program_.at(v), v, v);
      else if (const auto& members = members_[static_cast<std::size_t>(loop_of(v))]; members.back() == v)
        append_loop(members);
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
    is_root_.assign(program_.values.size(), false);
    for (const int v : program_.outputs) is_root_[static_cast<std::size_t>(v)] = true;
    for (const Store& s : program_.stores) is_root_[static_cast<std::size_t>(s.value)] = true;
    if (program_.guard >= 0) is_root_[static_cast<std::size_t>(program_.guard)] = true;
    is_result_ = is_root_;
    for (std::size_t v = 0; v < program_.values.size(); ++v) {
      for (const int input : program_.values[v].inputs) {
        if (!in_loop_[v] || loop_of(input) != loop_of(static_cast<int>(v)))
          is_result_[static_cast<std::size_t>(input)] = true;
      }
    }
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
    const std::vector<LayoutAxis> axes = axes_of(program_.at(members[0]));
    for (const LayoutAxis& axis : axes) loop.shape.push_back(axis.extent);
    Value value;
    value.op = &loop_op;
    value.module = program_.at(members.back()).module;
    value.node = program_.at(members.back()).node;
    value.late = program_.at(members[0]).late;
    std::map<int, int> registers;  // member -> instruction, input -> input register (instructions are shifted below)
    const int loop_number = loop_of(members[0]);
    std::vector<std::pair<int, Shape>> sources;
    const auto input_register = [&](int v) {
      auto [source, strides] = source_of(v, axes);
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
        const bool inside = loop_of(input) == loop_number;
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

  // The axes of a value's memory, outermost first.
  [[nodiscard]] static std::vector<LayoutAxis> axes_of(const Value& value) {
    if (value.layout() != Layout::row_major) return cpu_backend().layouts().axes(value.layout());
    std::vector<LayoutAxis> axes;
    const Shape& shape = value.signature.shape;
    for (int i = 0; i < shape.rank(); ++i) axes.push_back({i, shape[i], 1});
    return axes;
  }

  // What a loop over `axes` reads for value `v`: a broadcast is read where it came from, with stride 0 along the
  // repeated axes.
  [[nodiscard]] std::pair<int, Shape> source_of(int v, const std::vector<LayoutAxis>& axes) const {
    const Value& value = program_.at(v);
    Shape strides;
    if (!fuse_ || value.op->name != "broadcast_to") {
      for (const LayoutAxis& axis : axes) strides.push_back(axis.extent);
      return {v, contiguous_strides(strides)};
    }
    const int source = value.inputs[0];
    const Shape& from = program_.at(source).signature.shape;
    const Shape own = contiguous_strides(from);
    const int offset = value.signature.shape.rank() - from.rank();
    for (const LayoutAxis& axis : axes) {
      const int i = axis.axis - offset;
      strides.push_back(i < 0 || from[i] == 1 ? 0 : own[i] * axis.step);
    }
    return {source, strides};
  }

  Program& program_;
  const Backend::Loops& loops_;
  bool fuse_;
  Groups groups_;
  std::vector<DType> types_;
  std::vector<bool> in_loop_;
  std::vector<int> loop_of_;               // of each value, see list_loops
  std::vector<std::vector<int>> members_;  // of each loop, ascending
  std::vector<std::vector<int>> users_;
  std::vector<bool> is_root_;  // outputs, stored values, the guard
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
