// Orders the values: as they were written, what only stores into variables depend on last (it waits for the guard).
#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "narae/core/error.h"
#include "narae/plan/order.h"
#include "narae/plan/passes.h"

namespace narae::plan {
namespace {

void renumber_roots(Program& program, const std::vector<int>& numbers) {
  for (int& v : program.outputs) v = numbers[static_cast<std::size_t>(v)];
  for (Store& s : program.stores) s.value = numbers[static_cast<std::size_t>(s.value)];
  if (program.guard >= 0) program.guard = numbers[static_cast<std::size_t>(program.guard)];
}

}  // namespace

void sort_values(Program& program, std::span<const std::int64_t> priority) {
  const std::size_t n = program.values.size();
  std::vector<int> waiting(n, 0);
  std::vector<std::vector<int>> users(n);
  for (std::size_t v = 0; v < n; ++v) {
    for (const int input : program.values[v].inputs) {
      users[static_cast<std::size_t>(input)].push_back(static_cast<int>(v));
      ++waiting[v];
    }
  }
  using Entry = std::pair<std::int64_t, int>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  for (std::size_t v = 0; v < n; ++v)
    if (waiting[v] == 0) ready.emplace(priority[v], static_cast<int>(v));
  std::vector<int> numbers(n, -1);
  std::vector<Value> sorted;
  sorted.reserve(n);
  while (!ready.empty()) {
    const int v = ready.top().second;
    ready.pop();
    numbers[static_cast<std::size_t>(v)] = static_cast<int>(sorted.size());
    sorted.push_back(std::move(program.at(v)));
    for (int& input : sorted.back().inputs) input = numbers[static_cast<std::size_t>(input)];
    for (const int user : users[static_cast<std::size_t>(v)]) {
      if (--waiting[static_cast<std::size_t>(user)] == 0) ready.emplace(priority[static_cast<std::size_t>(user)], user);
    }
  }
  if (sorted.size() != n) throw Error("plan: the program has a cycle");
  program.values = std::move(sorted);
  renumber_roots(program, numbers);
}

void remove_dead(Program& program) {
  std::vector<bool> alive(program.values.size(), false);
  const auto mark = [&](int v) { alive[static_cast<std::size_t>(v)] = true; };
  for (const int v : program.outputs) mark(v);
  for (const Store& s : program.stores) mark(s.value);
  if (program.guard >= 0) mark(program.guard);
  for (std::size_t v = program.values.size(); v-- > 0;) {
    if (!alive[v]) continue;
    for (const int input : program.values[v].inputs) mark(input);
  }
  std::vector<int> numbers(program.values.size(), -1);
  std::size_t kept = 0;
  for (std::size_t v = 0; v < program.values.size(); ++v) {
    if (!alive[v]) continue;
    numbers[v] = static_cast<int>(kept);
    for (int& input : program.values[v].inputs) input = numbers[static_cast<std::size_t>(input)];
    if (kept != v) program.values[kept] = std::move(program.values[v]);
    ++kept;
  }
  program.values.resize(kept);
  renumber_roots(program, numbers);
}

void mark_late(Program& program) {
  std::vector<bool> early(program.values.size(), false);
  const auto need = [&](int v) { early[static_cast<std::size_t>(v)] = true; };
  for (const int v : program.outputs) need(v);
  if (program.guard >= 0) need(program.guard);
  for (std::size_t v = program.values.size(); v-- > 0;) {
    Value& value = program.values[v];
    value.late = !early[v] && value.op->kind != OpClass::leaf;
    if (!value.late)
      for (const int input : value.inputs) need(input);
  }
}

void schedule(Program& program, const PlanOptions&) {
  mark_late(program);
  std::vector<std::int64_t> priority(program.values.size());
  const auto n = static_cast<std::int64_t>(program.values.size());
  for (std::int64_t v = 0; v < n; ++v)
    priority[static_cast<std::size_t>(v)] = program.at(static_cast<int>(v)).late ? n + v : v;
  sort_values(program, priority);
}

}  // namespace narae::plan
