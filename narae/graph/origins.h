#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace narae {

struct Node;
struct Variable;

/// What the value of a computed node came from: sequence numbers of data leaves, scalars, frozen variables and nodes
/// computed before it. When its recipe is dropped, nobody else knows any more. Tensors that nobody can name any more
/// are left out when the list is handed on, so a state that is carried from step to step has a short one.
struct Origins {
  static constexpr std::size_t most = 4096;
  std::vector<std::uint64_t> ids;  ///< in order, each once
  bool known = false;              ///< false for what was computed inside NoGrad
  bool more = false;               ///< there were more: any older tensor that is an origin of something may be one
};

namespace detail {

// All under the graph's lock.

/// The value came from a leaf or a node that was computed before, and from what that came from itself.
void add_origin(Origins& origins, Node& source);
/// The value came from a variable.
void add_origin(Origins& origins, Variable& source);
/// To be called behind the last `add_origin`.
void close_origins(Origins& origins);
/// Whether a computed node came from `tensor`: a leaf, a computed node, or a handle or version of a variable.
[[nodiscard]] bool came_from(const Origins& origins, const Node& node, const Node& tensor);
/// The tensor of this number is gone.
void forget_origin(std::uint64_t id);

}  // namespace detail
}  // namespace narae
