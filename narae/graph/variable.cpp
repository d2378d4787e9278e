#include "narae/graph/variable.h"

#include "narae/graph/leaves.h"
#include "narae/graph/tensor.h"

namespace narae::detail {
namespace {

struct LiveRecipes {
  NodeExtra* first = nullptr;
  std::vector<NodeExtra*> free;  // recycled, with the capacity of their vectors
};

LiveRecipes& live_recipes() {
  static auto* instance = new LiveRecipes;
  return *instance;
}

void unlist(NodeExtra& e) {
  if (!e.listed) return;
  if (e.previous != nullptr) e.previous->next = e.next;
  if (e.next != nullptr) e.next->previous = e.previous;
  if (live_recipes().first == &e) live_recipes().first = e.next;
  e.previous = e.next = nullptr;
  e.listed = false;
}

std::uint64_t visits = 0;

}  // namespace

std::recursive_mutex& graph_mutex() {
  static auto* instance = new std::recursive_mutex;
  return *instance;
}

std::uint64_t next_visit() {
  return ++visits;
}

void release(Variable* v) {
  if (v->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  v->storage = {};
  forget(v);
}

NodeExtra& extra_of(Node* node) {
  const std::lock_guard lock(graph_mutex());
  if (node->extra == nullptr) {
    auto& free = live_recipes().free;
    if (free.empty()) {
      node->extra = new NodeExtra;
    } else {
      node->extra = free.back();
      free.pop_back();
    }
    node->extra->node = node;
  }
  return *node->extra;
}

void release_extra(Node* node) {
  const std::lock_guard lock(graph_mutex());
  NodeExtra* extra = node->extra;
  if (extra == nullptr) return;
  node->extra = nullptr;
  unlist(*extra);
  for (const Effect& effect : extra->effects) release(effect.variable);
  extra->effects.clear();
  extra->projections.clear();
  for (Variable* v : extra->depends_on) forget(v);
  extra->depends_on.clear();
  extra->origins.ids.clear();
  extra->origins.known = extra->origins.more = false;
  extra->dropped_by.clear();
  extra->node = nullptr;
  live_recipes().free.push_back(extra);
}

void keep_recipe(Node* node, std::span<Variable* const> depends_on) {
  const std::lock_guard lock(graph_mutex());
  NodeExtra& e = extra_of(node);
  for (Variable* v : depends_on) mention(v);
  for (Variable* v : e.depends_on) forget(v);
  e.depends_on.assign(depends_on.begin(), depends_on.end());
  if (e.listed) return;
  e.next = live_recipes().first;
  if (e.next != nullptr) e.next->previous = &e;
  live_recipes().first = &e;
  e.listed = true;
}

void drop_recipe(Node* node, const std::string& reason) {
  const std::lock_guard lock(graph_mutex());
  if (node->extra != nullptr) unlist(*node->extra);
  if (node->input_count == 0) return;
  node->dropped = true;
  if (!reason.empty()) extra_of(node).dropped_by = reason;
  drop_inputs(node);
}

void drop_recipes_of(std::span<Variable* const> assigned) {
  const std::lock_guard lock(graph_mutex());
  const std::uint64_t stamp = next_visit();
  for (Variable* v : assigned) v->stamp = stamp;
  std::vector<std::pair<NodeRef, Variable*>> doomed;  // held, because dropping one recipe may free another node
  for (NodeExtra* e = live_recipes().first; e != nullptr; e = e->next) {
    for (Variable* v : e->depends_on) {
      if (v->stamp != stamp) continue;
      if (NodeRef node = share_if_alive(e->node)) doomed.emplace_back(std::move(node), v);
      break;
    }
  }
  for (const auto& [node, variable] : doomed) drop_recipe(node.get(), variable->name);
}

NodeRef share_if_alive(Node* node) {
  std::uint32_t n = node->references.load(std::memory_order_relaxed);
  while (n != 0 && !node->references.compare_exchange_weak(n, n + 1)) {
  }
  return NodeRef::adopt(n == 0 ? nullptr : node);
}

NodeRef find_projection(Node* tuple, std::size_t k) {
  const std::lock_guard lock(graph_mutex());
  if (tuple->extra == nullptr || k >= tuple->extra->projections.size() || tuple->extra->projections[k] == nullptr)
    return {};
  return share_if_alive(tuple->extra->projections[k]);
}

void note_projection(Node* tuple, std::size_t k, Node* projection) {
  const std::lock_guard lock(graph_mutex());
  auto& list = extra_of(tuple).projections;
  if (list.size() <= k) list.resize(k + 1, nullptr);
  list[k] = projection;
}

void forget_projection(const Node* projection) {
  if (projection->op != &output_op || projection->input_count == 0) return;
  const std::lock_guard lock(graph_mutex());
  NodeExtra* extra = projection->inputs()[0]->extra;
  const auto k = static_cast<std::size_t>(projection->integer);
  if (extra != nullptr && k < extra->projections.size() && extra->projections[k] == projection)
    extra->projections[k] = nullptr;
}

Node* resolve(Node* node) {
  return node->op == &variable_op ? node->variable->current : node;
}

}  // namespace narae::detail
