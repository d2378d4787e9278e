#include "narae/plan/memory.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "narae/core/error.h"

namespace narae::plan {
namespace {

constexpr std::size_t align(std::size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// Blocks are at most this large together, so that offsets can be added up.
constexpr std::size_t most_bytes = std::size_t{1} << 62;

void require_countable(std::size_t total) {
  if (total > most_bytes) throw Error("memory: the plan needs more than 2^62 bytes");
}

// At most this many blocks are placed by the quadratic search.
constexpr std::size_t exhaustive_limit = 6000;

// Numbers of the blocks by growing key(lifetime); equal ones stay as they are.
template <class Key>
std::vector<std::size_t> sorted_by(std::span<const Lifetime> lifetimes, const Key& key) {
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key(lifetimes[a]) < key(lifetimes[b]); });
  return order;
}

std::vector<std::size_t> largest_first(std::span<const Lifetime> lifetimes) {
  return sorted_by(lifetimes, [](const Lifetime& l) { return ~l.bytes; });
}

Placement place_by_size(std::span<const Lifetime> lifetimes) {
  const std::vector<std::size_t> order = largest_first(lifetimes);
  Placement result{std::vector<std::size_t>(lifetimes.size(), 0), 0};
  std::vector<std::size_t> placed;  // sorted by offset
  for (const std::size_t i : order) {
    const std::size_t bytes = align(lifetimes[i].bytes);
    std::size_t offset = 0;
    for (const std::size_t j : placed) {
      const bool together = lifetimes[j].first <= lifetimes[i].last && lifetimes[i].first <= lifetimes[j].last;
      if (!together) continue;
      if (offset + bytes <= result.offsets[j]) break;
      offset = std::max(offset, result.offsets[j] + align(lifetimes[j].bytes));
    }
    result.offsets[i] = offset;
    result.total = std::max(result.total, offset + bytes);
    require_countable(result.total);
    const auto at = std::upper_bound(placed.begin(), placed.end(), offset,
                                     [&](std::size_t value, std::size_t j) { return value < result.offsets[j]; });
    placed.insert(at, i);
  }
  return result;
}

Placement place_by_time(std::span<const Lifetime> lifetimes) {
  const std::vector<std::size_t> births = sorted_by(lifetimes, [](const Lifetime& l) { return l.first; });
  const std::vector<std::size_t> deaths = sorted_by(lifetimes, [](const Lifetime& l) { return l.last; });
  Placement result{std::vector<std::size_t>(lifetimes.size(), 0), 0};
  std::multimap<std::size_t, std::size_t> free;  // size -> offset; blocks are reused whole
  std::vector<std::size_t> held(lifetimes.size());
  std::size_t dead = 0;
  for (const std::size_t i : births) {
    for (; dead < deaths.size() && lifetimes[deaths[dead]].last < lifetimes[i].first; ++dead) {
      free.emplace(held[deaths[dead]], result.offsets[deaths[dead]]);
    }
    const std::size_t bytes = align(lifetimes[i].bytes);
    const auto fit = free.lower_bound(bytes);
    if (fit != free.end()) {
      result.offsets[i] = fit->second;
      held[i] = fit->first;
      free.erase(fit);
    } else {
      result.offsets[i] = result.total;
      held[i] = bytes;
      result.total += bytes;
      require_countable(result.total);
    }
  }
  return result;
}

// The largest blocks by size; above them the others, which are small beside them, by time.
Placement place_in_two(std::span<const Lifetime> lifetimes) {
  const std::vector<std::size_t> order = largest_first(lifetimes);
  Placement result{std::vector<std::size_t>(lifetimes.size(), 0), 0};
  const auto place_part = [&](std::size_t begin, std::size_t end, auto place) {
    std::vector<Lifetime> part;
    for (std::size_t i = begin; i < end; ++i) part.push_back(lifetimes[order[i]]);
    const Placement placed = place(part);
    for (std::size_t i = begin; i < end; ++i) result.offsets[order[i]] = result.total + placed.offsets[i - begin];
    result.total += placed.total;
    require_countable(result.total);
  };
  place_part(0, exhaustive_limit, place_by_size);
  place_part(exhaustive_limit, order.size(), place_by_time);
  return result;
}

}  // namespace

Placement place(std::span<const Lifetime> lifetimes) {
  if (lifetimes.size() <= exhaustive_limit) return place_by_size(lifetimes);
  Placement in_two = place_in_two(lifetimes);
  Placement by_time = place_by_time(lifetimes);
  return in_two.total < by_time.total ? in_two : by_time;
}

}  // namespace narae::plan
