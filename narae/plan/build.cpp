// From a scheduled program to a plan: every operator gets its kernel, every value its place in memory.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "narae/core/error.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/plan/lasting.h"
#include "narae/plan/memory.h"
#include "narae/plan/plan.h"

namespace narae::plan {
namespace {

// Memory behind one or more values (views share their input's).
struct Storage {
  Slot::Place place = Slot::Place::arena;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  std::size_t bytes = 0;
  int first = 0;        // step that writes it
  int last = -1;        // last step that reads it
  bool pinned = false;  // holds an output or a variable: nothing else may be put there
};

bool is_view(const Op& op) {
  return op.name == "reshape" || op.name == "after" || &op == &output_op;
}

std::size_t bytes_of(const Signature& s) {
  return static_cast<std::size_t>(s.shape.count()) * size_of(s.dtype);
}

std::string step_name(const Value& value) {
  if (!value.loop) return std::string(value.op->name);
  std::string name = value.op == &loop_op ? "loop[" : std::string(value.op->name) + "+loop[";
  for (std::size_t i = 0; i < value.loop->instructions.size(); ++i) {
    name += (i == 0 ? "" : " ") + std::string(value.loop->instructions[i].op->name);
  }
  return name + "]";
}

Kernel copy_kernel(std::size_t bytes) {
  return {.run = [bytes](const KernelArguments& a) { std::memcpy(a.results[0], a.inputs[0], bytes); }};
}

class Builder {
 public:
  Builder(Program program, const PlanOptions& options) : p_(std::move(program)), options_(options) {}

  std::shared_ptr<const Plan> run() {
    plan_ = std::make_shared<Plan>();
    plan_->arguments = p_.arguments;
    place_leaves();
    make_steps();
    find_lifetimes();
    place_outputs();
    place_stores();
    place_prepared();
    share_in_place();
    place_arena();
    make_slots();
    if (p_.guard >= 0) {
      plan_->guard_slot = slot_of(result_storage(p_.guard, 0));
      plan_->guard_type = p_.at(p_.guard).signature.dtype;
    }
    plan_->text = to_string(p_);
    plan_->lasting = options_.lasting;
    return plan_;
  }

 private:
  // A step before slots are known: storages instead.
  struct Draft {
    Step step;
    int value = -1;  // that it computes; -1: it copies
    bool reorders = false;
    std::vector<int> inputs;
    std::vector<int> results;
  };

  int add_storage(Storage s) {
    storages_.push_back(s);
    return static_cast<int>(storages_.size()) - 1;
  }
  [[nodiscard]] Storage& at(int s) { return storages_[static_cast<std::size_t>(s)]; }
  [[nodiscard]] int& result_storage(int v, int k) {
    return storage_of_[static_cast<std::size_t>(v)][static_cast<std::size_t>(k)];
  }

  void place_leaves() {
    storage_of_.resize(p_.values.size());
    std::vector<std::pair<std::size_t, const Value*>> constants;
    std::size_t constant_bytes = 0;
    for (std::size_t a = 0; a < p_.arguments.size(); ++a) {
      Storage s;
      s.place = Slot::Place::argument;
      s.number = static_cast<std::uint32_t>(a);
      s.bytes = bytes_of(p_.arguments[a].signature);
      s.first = -1;
      s.pinned = true;
      argument_storage_.push_back(add_storage(s));
    }
    for (std::size_t v = 0; v < p_.values.size(); ++v) {
      const Value& value = p_.values[v];
      if (value.op->kind != OpClass::leaf) continue;
      if (value.argument >= 0) {
        storage_of_[v] = {argument_storage_[static_cast<std::size_t>(value.argument)]};
        continue;
      }
      Storage s;
      s.place = Slot::Place::constant;
      s.offset = constant_bytes;
      s.bytes = bytes_of(value.signature);
      s.first = -1;
      s.pinned = true;
      constants.emplace_back(constant_bytes, &value);
      constant_bytes += 8;
      storage_of_[v] = {add_storage(s)};
    }
    plan_->constants = Buffer::allocate(constant_bytes);
    for (const auto& constant : constants) {
      const Value* value = constant.second;
      std::byte* to = plan_->constants.data() + constant.first;
      visit_dtype(value->signature.dtype, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_floating_point_v<T>)
          *reinterpret_cast<T*>(to) = static_cast<T>(value->constant);
        else if constexpr (std::is_integral_v<T>)
          *reinterpret_cast<T*>(to) = static_cast<T>(value->integer_constant);
      });
    }
  }

  Kernel kernel_for(int v) {
    Value& value = p_.at(v);
    if (value.op == &reorder_op) {
      return cpu_backend().layouts().reorder(value.signature, p_.at(value.inputs[0]).layout(), value.layout());
    }
    if (value.kernel) return std::move(value.kernel);
    if (value.loop) return cpu_backend().loops().make(*value.loop);
    RequestStorage storage;
    const KernelRequest request = request_for(p_, v, storage);
    Kernel kernel;
    if (options_.fast_kernels) kernel = cpu_backend().make(request);
    if (!kernel) kernel = reference_backend().make(request);
    if (kernel) return kernel;
    std::string types;
    for (const Signature& s : storage.inputs)
      types += fmt::format(" {}{}", name_of(s.dtype), narae::to_string(s.shape));
    throw Error(fmt::format("plan: no kernel computes '{}' of{}; cast to f32 or f64", value.op->name, types));
  }

  void make_steps() {
    for (std::size_t i = 0; i < p_.values.size(); ++i) {
      const int v = static_cast<int>(i);
      Value& value = p_.at(v);
      if (value.op->kind == OpClass::leaf) continue;
      const bool moves_nothing = value.op == &reorder_op &&
                                 is_same_memory(value.signature.shape, p_.at(value.inputs[0]).layout(), value.layout());
      if (is_view(*value.op) || moves_nothing) {
        const int k = &*value.op == &output_op ? static_cast<int>(value.attributes[0]) : 0;
        storage_of_[i] = {result_storage(value.inputs[0], k)};
        continue;
      }
      Draft draft;
      draft.value = v;
      draft.step.kernel = kernel_for(v);
      draft.step.late = value.late;
      draft.step.name = step_name(value);
      draft.reorders = value.op == &reorder_op;
      draft.step.node = value.node;
      for (const int input : value.inputs) {
        draft.inputs.push_back(result_storage(input, 0));
        draft.step.bytes += static_cast<double>(at(draft.inputs.back()).bytes);
      }
      for (int k = 0; k < value.result_count(); ++k) {
        Storage s;
        s.bytes = bytes_of(value, k);
        s.first = static_cast<int>(drafts_.size());
        s.last = s.first;
        storage_of_[i].push_back(add_storage(s));
        draft.results.push_back(storage_of_[i].back());
        draft.step.result_signatures.push_back(value.result(k));
        draft.step.bytes += static_cast<double>(s.bytes);
      }
      drafts_.push_back(std::move(draft));
    }
  }

  void find_lifetimes() {
    for (std::size_t d = 0; d < drafts_.size(); ++d)
      for (const int s : drafts_[d].inputs) at(s).last = std::max(at(s).last, static_cast<int>(d));
  }

  // Appends a step that copies `from` to a fresh storage, or to `to` when it is given.
  int add_copy(int from, bool late, int to = -1) {
    Draft draft;
    const int step = static_cast<int>(drafts_.size());
    if (to < 0) {
      Storage s;
      s.bytes = at(from).bytes;
      s.first = step;
      s.last = step;
      to = add_storage(s);
    }
    draft.step.kernel = copy_kernel(at(from).bytes);
    draft.step.name = "copy";
    draft.step.late = late;
    draft.step.bytes = 2.0 * static_cast<double>(at(from).bytes);
    draft.inputs = {from};
    draft.results = {to};
    at(from).last = std::max(at(from).last, step);
    drafts_.push_back(std::move(draft));
    return to;
  }

  // Copies that read arguments before the late steps overwrite them run first.
  void place_outputs() {
    std::map<int, std::uint32_t> buffer_of;  // storage -> output buffer
    for (const int v : p_.outputs) {
      int s = result_storage(v, 0);
      if (at(s).place != Slot::Place::arena && at(s).place != Slot::Place::output) {
        s = add_copy(s, false);
        early_copies_.push_back(drafts_.size() - 1);
      }
      const auto [entry, fresh] = buffer_of.try_emplace(s, static_cast<std::uint32_t>(plan_->buffers.size()));
      if (fresh) {
        at(s).place = Slot::Place::output;
        at(s).number = entry->second;
        at(s).pinned = true;
        plan_->buffers.push_back(at(s).bytes);
      }
      plan_->outputs.push_back({p_.at(v).signature, entry->second});
    }
    if (p_.guard >= 0) {
      const int s = result_storage(p_.guard, 0);
      at(s).pinned = true;
      at(s).last = static_cast<int>(drafts_.size()) + static_cast<int>(p_.stores.size()) * 2;
    }
  }

  // A value is computed straight into its variable when nothing reads the old value afterwards; otherwise it is
  // copied there at the end.
  void place_stores() {
    std::vector<std::pair<int, int>> copies;  // storage, argument storage
    for (const Store& store : p_.stores) {
      const int target = argument_storage_[static_cast<std::size_t>(store.argument)];
      int s = result_storage(store.value, 0);
      plan_->stored_arguments.push_back(store.argument);
      if (s == target) continue;
      if (can_store_in_place(s, target)) {
        at(s).place = Slot::Place::argument;
        at(s).number = static_cast<std::uint32_t>(store.argument);
        at(s).pinned = true;
        continue;
      }
      if (at(s).first < 0 && at(s).place == Slot::Place::argument) {  // a leaf: it may be overwritten by another store
        s = add_copy(s, false);
        early_copies_.push_back(drafts_.size() - 1);
      }
      copies.emplace_back(s, target);
    }
    for (const auto& [from, to] : copies) add_copy(from, true, to);
    run_early_copies_first();
  }

  // What a plan without stores computes from lasting values is kept between its executions: layouts of weights, and
  // what takes no more memory than it is computed from, or little. What only such steps read stays in the arena.
  void place_prepared() {
    if (!p_.stores.empty() || p_.guard >= 0) return;
    LastingValues lasting(options_.lasting);
    lasting.extend(p_);
    std::vector<bool> kept(storages_.size(), false);  // what steps of every execution read
    std::set<int> sources;
    for (std::size_t d = drafts_.size(); d-- > 0;) {
      Draft& draft = drafts_[d];
      draft.step.prepares = prepares(draft, lasting, kept);
      if (!draft.step.prepares) {
        for (const int s : draft.inputs) kept[static_cast<std::size_t>(s)] = true;
        continue;
      }
      ++plan_->preparing_steps;
      sources.insert(lasting.sources(draft.value).begin(), lasting.sources(draft.value).end());
      for (const int s : draft.results) {
        if (!kept[static_cast<std::size_t>(s)]) continue;
        at(s).place = Slot::Place::prepared;
        at(s).offset = plan_->prepared_bytes;
        plan_->prepared_bytes += (at(s).bytes + 63) / 64 * 64;
      }
    }
    plan_->prepared_from.assign(sources.begin(), sources.end());
  }

  // Whether a step need run only when its sources have changed: others of the kind alone read its results, or these are
  // worth keeping.
  [[nodiscard]] bool prepares(const Draft& draft, const LastingValues& lasting, const std::vector<bool>& kept) {
    constexpr std::size_t small = 64 * 1024;
    if (draft.value < 0 || !lasting.is(draft.value)) return false;
    std::size_t most = small;
    for (const int s : draft.inputs) most = std::max(most, at(s).bytes);
    const bool of_variables = lasting.is_of_variables(p_, draft.value);
    return std::all_of(draft.results.begin(), draft.results.end(), [&](int s) {
      if (at(s).place != Slot::Place::arena) return false;
      return !kept[static_cast<std::size_t>(s)] || (of_variables && (draft.reorders || at(s).bytes <= most));
    });
  }

  bool can_store_in_place(int s, int target) {
    if (at(s).place != Slot::Place::arena || at(s).pinned || at(s).bytes != at(target).bytes) return false;
    const int producer = at(s).first;
    const Draft& draft = drafts_[static_cast<std::size_t>(producer)];
    if (p_.guard >= 0 && !draft.step.late) return false;
    if (at(target).last > producer) return false;
    return may_overwrite(draft, target);
  }

  // Whether a result of the step may be written over storage `s`, as far as the step's own reading goes.
  [[nodiscard]] bool may_overwrite(const Draft& draft, int s) const {
    const std::vector<int>& allowed = draft.step.kernel.in_place;
    for (std::size_t i = 0; i < draft.inputs.size(); ++i) {
      if (root_of(draft.inputs[i]) != s) continue;
      if (std::find(allowed.begin(), allowed.end(), static_cast<int>(i)) == allowed.end()) return false;
    }
    return true;
  }

  void run_early_copies_first() {
    if (early_copies_.empty()) return;
    // Steps are renumbered: early copies go before the first late step (their inputs are arguments or constants).
    std::vector<bool> early(drafts_.size(), false);
    for (const std::size_t d : early_copies_) early[d] = true;
    std::vector<std::size_t> order;
    for (const std::size_t d : early_copies_) order.push_back(d);
    for (std::size_t d = 0; d < drafts_.size(); ++d)
      if (!early[d]) order.push_back(d);
    std::vector<int> position(drafts_.size());
    std::vector<Draft> sorted;
    for (const std::size_t d : order) {
      position[d] = static_cast<int>(sorted.size());
      sorted.push_back(std::move(drafts_[d]));
    }
    drafts_ = std::move(sorted);
    for (Storage& s : storages_) {
      s.first = -1;
      s.last = -1;
    }
    for (std::size_t d = 0; d < drafts_.size(); ++d) {
      for (const int s : drafts_[d].results) {
        if (at(s).first < 0) at(s).first = static_cast<int>(d);
        at(s).last = std::max(at(s).last, static_cast<int>(d));
      }
      for (const int s : drafts_[d].inputs) at(s).last = std::max(at(s).last, static_cast<int>(d));
    }
    if (p_.guard >= 0) at(result_storage(p_.guard, 0)).last = static_cast<int>(drafts_.size());
  }

  // A result takes over the memory of an input that nothing reads afterwards.
  void share_in_place() {
    shared_with_.resize(storages_.size(), -1);
    for (std::size_t d = 0; d < drafts_.size(); ++d) {
      const Draft& draft = drafts_[d];
      if (draft.step.kernel.in_place.empty()) continue;
      std::vector<int> taken;
      for (const int r : draft.results) {
        if (at(r).place != Slot::Place::arena || at(r).pinned) continue;
        for (const int input : draft.inputs) {
          const int root = root_of(input);
          const Storage& s = at(root);
          if (s.place != Slot::Place::arena || s.pinned || s.last != static_cast<int>(d) || s.bytes != at(r).bytes)
            continue;
          if (at(input).last != static_cast<int>(d) || std::find(taken.begin(), taken.end(), root) != taken.end())
            continue;
          if (std::find(draft.results.begin(), draft.results.end(), root) != draft.results.end()) continue;
          if (!may_overwrite(draft, root)) continue;
          shared_with_[static_cast<std::size_t>(r)] = root;
          at(root).last = std::max(at(root).last, at(r).last);
          taken.push_back(root);
          break;
        }
      }
    }
  }

  // The storage whose memory `s` takes over, or itself.
  [[nodiscard]] int root_of(int s) const {
    while (static_cast<std::size_t>(s) < shared_with_.size() && shared_with_[static_cast<std::size_t>(s)] >= 0)
      s = shared_with_[static_cast<std::size_t>(s)];
    return s;
  }

  void place_arena() {
    std::vector<Lifetime> lifetimes;
    std::vector<int> owners;
    for (std::size_t s = 0; s < storages_.size(); ++s) {
      if (storages_[s].place != Slot::Place::arena || shared_with_[s] >= 0) continue;
      lifetimes.push_back({storages_[s].first, storages_[s].last, storages_[s].bytes});
      owners.push_back(static_cast<int>(s));
    }
    const std::size_t values = lifetimes.size();
    for (std::size_t d = 0; d < drafts_.size(); ++d) {
      const int step = static_cast<int>(d);
      lifetimes.push_back({step, step, drafts_[d].step.kernel.scratch_bytes});
    }
    const int end = static_cast<int>(drafts_.size());
    const std::size_t scalars = lifetimes.size();
    for (const Argument& a : p_.arguments) {
      const bool scalar = a.kind == Argument::Kind::scalar;
      lifetimes.push_back({-1, scalar ? end : -1, scalar ? std::size_t{8} : 0});
    }
    const Placement placement = place(lifetimes);
    for (std::size_t i = 0; i < values; ++i) at(owners[i]).offset = placement.offsets[i];
    for (std::size_t s = 0; s < storages_.size(); ++s) {
      if (shared_with_[s] >= 0) storages_[s].offset = at(root_of(static_cast<int>(s))).offset;
    }
    for (std::size_t d = 0; d < drafts_.size(); ++d) drafts_[d].step.scratch = placement.offsets[values + d];
    for (std::size_t a = 0; a < p_.arguments.size(); ++a) {
      plan_->scalar_offsets.push_back(placement.offsets[scalars + a]);
      if (p_.arguments[a].kind != Argument::Kind::scalar) continue;
      at(argument_storage_[a]).place = Slot::Place::arena;
      at(argument_storage_[a]).offset = placement.offsets[scalars + a];
    }
    plan_->arena_bytes = placement.total;
  }

  int slot_of(int s) {
    const auto [entry, fresh] = slots_.try_emplace(s, static_cast<int>(plan_->slots.size()));
    if (fresh) plan_->slots.push_back({at(s).place, at(s).number, at(s).offset});
    return entry->second;
  }

  void make_slots() {
    for (Draft& draft : drafts_) {
      for (const int s : draft.inputs) draft.step.inputs.push_back(static_cast<std::uint32_t>(slot_of(s)));
      for (const int s : draft.results) {
        draft.step.results.push_back(static_cast<std::uint32_t>(slot_of(s)));
        draft.step.stores = draft.step.stores || at(s).place == Slot::Place::argument;
      }
      plan_->steps.push_back(std::move(draft.step));
    }
  }

  Program p_;
  const PlanOptions& options_;
  std::shared_ptr<Plan> plan_;
  std::vector<Storage> storages_;
  std::vector<int> argument_storage_;
  std::vector<std::vector<int>> storage_of_;  // of each value's results
  std::vector<Draft> drafts_;
  std::vector<std::size_t> early_copies_;
  std::vector<int> shared_with_;
  std::map<int, int> slots_;
};

// The arguments that each output depends on, before passes rewrite the program.
std::vector<std::vector<int>> arguments_of_outputs(const Program& program) {
  std::vector<std::vector<int>> result;
  std::vector<int> seen(program.values.size(), -1);
  std::vector<int> stack;
  for (std::size_t o = 0; o < program.outputs.size(); ++o) {
    auto& found = result.emplace_back();
    stack = {program.outputs[o]};
    while (!stack.empty()) {
      const int v = stack.back();
      stack.pop_back();
      if (std::exchange(seen[static_cast<std::size_t>(v)], static_cast<int>(o)) == static_cast<int>(o)) continue;
      const Value& value = program.at(v);
      if (value.argument >= 0) found.push_back(value.argument);
      stack.insert(stack.end(), value.inputs.begin(), value.inputs.end());
    }
  }
  return result;
}

}  // namespace

std::shared_ptr<const Plan> build_plan(Program program, const PlanOptions& options) {
  std::vector<std::vector<int>> output_arguments = arguments_of_outputs(program);
  std::vector<std::vector<Source>> output_sources = std::move(program.output_sources);
#ifndef NDEBUG
  verify(program, "capture");
#endif
  for (const Pass& pass : passes()) {
    pass.run(program, options);
#ifndef NDEBUG
    verify(program, pass.name);
#endif
  }
  const auto plan = std::const_pointer_cast<Plan>(Builder(std::move(program), options).run());
  plan->output_arguments = std::move(output_arguments);
  plan->output_sources = std::move(output_sources);
  return plan;
}

}  // namespace narae::plan
