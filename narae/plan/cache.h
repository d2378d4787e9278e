#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "narae/plan/plan.h"

namespace narae::plan {

/// Plans by the structure of the recipe they were built from; the least recently used goes when it is full.
class PlanCache {
 public:
  static constexpr std::size_t capacity = 256;

  [[nodiscard]] std::shared_ptr<const Plan> find(std::uint64_t hash, std::span<const std::uint64_t> key);
  void insert(std::uint64_t hash, std::span<const std::uint64_t> key, std::shared_ptr<const Plan> plan);
  void clear();
  /// Compares a missing key with the plan used last: "word 17 of 120 differs".
  [[nodiscard]] std::string explain(std::span<const std::uint64_t> key) const;

 private:
  struct Entry {
    std::vector<std::uint64_t> key;
    std::shared_ptr<const Plan> plan;
    std::uint64_t used = 0;
  };
  mutable std::mutex mutex_;
  std::unordered_multimap<std::uint64_t, Entry> entries_;
  std::uint64_t clock_ = 0;
};

[[nodiscard]] PlanCache& plan_cache();

}  // namespace narae::plan
