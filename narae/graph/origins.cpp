#include "narae/graph/origins.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "narae/graph/variable.h"

namespace narae::detail {
namespace {

// The numbers of all tensors that are an origin of something and still there.
std::unordered_set<std::uint64_t>& alive() {
  static auto* instance = new std::unordered_set<std::uint64_t>;
  return *instance;
}

}  // namespace

void add_origin(Origins& origins, Node& source) {
  if (!is_floating(source.dtype)) return;
  if (!std::exchange(source.is_origin, true)) alive().insert(source.sequence);
  origins.ids.push_back(source.sequence);
  if (source.extra == nullptr) return;
  const Origins& earlier = source.extra->origins;
  std::copy_if(earlier.ids.begin(), earlier.ids.end(), std::back_inserter(origins.ids),
               [](std::uint64_t id) { return alive().contains(id); });
  origins.more = origins.more || earlier.more;
}

void add_origin(Origins& origins, Variable& source) {
  if (!source.alive) return;
  if (!std::exchange(source.is_origin, true)) alive().insert(source.id);
  origins.ids.push_back(source.id);
}

void close_origins(Origins& origins) {
  std::sort(origins.ids.begin(), origins.ids.end());
  origins.ids.erase(std::unique(origins.ids.begin(), origins.ids.end()), origins.ids.end());
  if (origins.ids.size() > Origins::most) {
    origins.ids.resize(Origins::most);
    origins.more = true;
  }
  origins.known = true;
}

bool came_from(const Origins& origins, const Node& node, const Node& tensor) {
  const Variable* variable = tensor.variable;
  if (variable != nullptr ? !variable->is_origin : !tensor.is_origin) return false;
  const std::uint64_t id = variable != nullptr ? variable->id : tensor.sequence;
  return std::binary_search(origins.ids.begin(), origins.ids.end(), id) || (origins.more && id < node.sequence);
}

void forget_origin(std::uint64_t id) {
  const std::lock_guard lock(graph_mutex());
  alive().erase(id);
}

}  // namespace narae::detail
