#include "narae/graph/op.h"

#include <deque>
#include <map>

#include "narae/core/error.h"

namespace narae {
namespace {

struct Registry {
  std::deque<Op> ops;
  std::map<std::string_view, const Op*> by_name;
};

Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

}  // namespace

const Op& define_op(const Op& op) {
  Registry& r = registry();
  const Op& kept = r.ops.emplace_back(op);
  if (!r.by_name.emplace(kept.name, &kept).second)
    throw Error("operator '" + std::string(op.name) + "' is defined twice");
  return kept;
}

std::vector<const Op*> all_ops() {
  std::vector<const Op*> result;
  for (const auto& [name, op] : registry().by_name) result.push_back(op);
  return result;
}

const Op* find_op(std::string_view name) {
  const auto found = registry().by_name.find(name);
  return found == registry().by_name.end() ? nullptr : found->second;
}

}  // namespace narae
