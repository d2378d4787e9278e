#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "narae/graph/node.h"
#include "narae/graph/origins.h"

namespace narae {

/// What a variable is behind its handles: a name, storage that is updated in place, and versions. The node
/// `current` is what an operator reads when it is given the variable; older versions stay readable until the
/// storage has moved on (`stored` is the version it holds).
struct Variable {
  std::atomic<std::uint32_t> references{1};  ///< of nodes and effects; the storage goes with the last
  std::atomic<std::uint32_t> mentions{1};    ///< of lists that only name it, and one for all references
  std::uint64_t id = 0;                      ///< sequence number of the handle
  std::string name;
  bool trainable = true;
  bool alive = true;       ///< false once the last handle that names it is gone
  bool is_origin = false;  ///< some computed value came from it (graph/origins.h)
  Node* current = nullptr;
  std::int64_t newest = 0;  ///< version number of `current`
  std::int64_t stored = 0;  ///< version that `storage` holds
  Buffer storage;
  std::uint64_t stamp = 0;  ///< scratch of walks, under the graph's lock
  std::uint32_t slot = 0;
};

/// A running statistic: the version of a variable that is computed with the node it hangs on.
struct Effect {
  Variable* variable;
  Node* version;  ///< not counted; alive while number > variable->stored and the variable is alive
  std::int64_t number;
};

/// The rare parts of a node.
struct NodeExtra {
  Node* node = nullptr;
  NodeExtra* previous = nullptr;  ///< list of computed nodes whose recipe is still there
  NodeExtra* next = nullptr;
  bool listed = false;
  std::vector<Variable*> depends_on;  ///< trainable variables that the recipe reaches (mentioned)
  Origins origins;
  std::vector<Effect> effects;
  std::vector<Node*> projections;  ///< `output` nodes of a node with several results (not counted)
  std::string dropped_by;          ///< name of the variable whose update dropped the recipe
};

namespace detail {

/// Guards the scratch fields of nodes, the list of live recipes and the versions of variables.
[[nodiscard]] NARAE_API std::recursive_mutex& graph_mutex();
/// A new number for a walk over the graph.
[[nodiscard]] NARAE_API std::uint64_t next_visit();

inline void retain(Variable* v) {
  v->references.fetch_add(1, std::memory_order_relaxed);
}
NARAE_API void release(Variable* v);
/// A mention keeps the struct, not the storage.
inline void mention(Variable* v) {
  v->mentions.fetch_add(1, std::memory_order_relaxed);
}
inline void forget(Variable* v) {
  if (v->mentions.fetch_sub(1, std::memory_order_acq_rel) == 1) delete v;
}

[[nodiscard]] NARAE_API NodeExtra& extra_of(Node* node);
NARAE_API void release_extra(Node* node);

/// Notes that `node` was computed and may still be differentiated: its recipe reaches `depends_on`.
NARAE_API void keep_recipe(Node* node, std::span<Variable* const> depends_on);
/// Forgets a computed node's recipe. `reason`: the variable whose update did it, or "".
NARAE_API void drop_recipe(Node* node, const std::string& reason);
/// The variables hold new values: drops every live recipe that reaches one of them.
NARAE_API void drop_recipes_of(std::span<Variable* const> assigned);

/// A reference to a node that the caller does not hold, undefined when another thread is freeing it. The graph's lock
/// must be held and the node must be known not to have been freed.
[[nodiscard]] NodeRef share_if_alive(Node* node);

/// The `output` node that reads result k of a node with several: there is one at a time, so that a value that was
/// kept for one reader is there for the next.
[[nodiscard]] NodeRef find_projection(Node* tuple, std::size_t k);
void note_projection(Node* tuple, std::size_t k, Node* projection);
void forget_projection(const Node* projection);

}  // namespace detail
}  // namespace narae
