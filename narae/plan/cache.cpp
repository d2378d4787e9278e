#include "narae/plan/cache.h"

#include <algorithm>

namespace narae::plan {

std::shared_ptr<const Plan> PlanCache::find(std::uint64_t hash, std::span<const std::uint64_t> key) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = entries_.equal_range(hash);
  for (auto at = first; at != last; ++at) {
    if (!std::ranges::equal(at->second.key, key)) continue;
    at->second.used = ++clock_;
    return at->second.plan;
  }
  return nullptr;
}

void PlanCache::insert(std::uint64_t hash, std::span<const std::uint64_t> key, std::shared_ptr<const Plan> plan) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = entries_.equal_range(hash);
  for (auto at = first; at != last; ++at) {
    if (!std::ranges::equal(at->second.key, key)) continue;
    at->second = {{key.begin(), key.end()}, std::move(plan), ++clock_};
    return;
  }
  if (entries_.size() >= capacity) {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                    [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  entries_.emplace(hash, Entry{{key.begin(), key.end()}, std::move(plan), ++clock_});
}

void PlanCache::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

std::string PlanCache::explain(std::span<const std::uint64_t> key) const {
  const std::lock_guard lock(mutex_);
  const auto latest = std::max_element(entries_.begin(), entries_.end(),
                                       [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
  if (latest == entries_.end()) return "the cache is empty";
  const auto& other = latest->second.key;
  const auto [a, b] = std::mismatch(key.begin(), key.end(), other.begin(), other.end());
  return "word " + std::to_string(a - key.begin()) + " of " + std::to_string(key.size()) +
         " differs from the plan used last (" + std::to_string(other.size()) + " words)";
}

PlanCache& plan_cache() {
  static auto* instance = new PlanCache;
  return *instance;
}

}  // namespace narae::plan
