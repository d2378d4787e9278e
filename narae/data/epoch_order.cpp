#include "narae/data/epoch_order.h"

#include <algorithm>
#include <utility>

#include "narae/data/augment.h"
#include "narae/data/loader.h"

namespace narae {

std::int64_t bucket_length(std::int64_t longest, std::int64_t most) {
  const std::int64_t step = longest <= 64 ? 8 : longest <= 256 ? 16 : 64;
  return std::min(most, (longest + step - 1) / step * step);
}

namespace detail {
namespace {

// Enough batches for their sequences to be of nearly one length, few enough for an order that is still random.
constexpr std::int64_t batches_in_pool = 50;

void sort_pools(const Dataset& dataset, std::span<std::int64_t> order, std::int64_t pool) {
  for (std::int64_t begin = 0; begin < std::ssize(order); begin += pool) {
    const auto first = order.begin() + begin;
    const auto last = order.begin() + std::min(begin + pool, std::ssize(order));
    const auto lengths_of = [&](std::int64_t i) {
      return std::pair(dataset.length(i), dataset.label_lengths ? dataset.label_length(i) : 0);
    };
    std::stable_sort(first, last, [&](auto a, auto b) { return lengths_of(a) < lengths_of(b); });
  }
}

}  // namespace

std::vector<std::int64_t> epoch_order(const Dataset& dataset, std::int64_t batch_size, std::uint64_t seed,
                                      std::int64_t epoch) {
  std::vector<std::int64_t> order = permutation(dataset.size(), sample_stream("shuffle", seed, epoch, 0));
  if (!dataset.lengths) return order;
  const std::int64_t batches = dataset.size() / batch_size;
  const std::span<std::int64_t> whole = std::span(order).first(static_cast<std::size_t>(batches * batch_size));
  sort_pools(dataset, whole, batches_in_pool * batch_size);

  std::vector<std::int64_t> result;
  result.reserve(order.size());
  for (const std::int64_t batch : permutation(batches, sample_stream("shuffle/batches", seed, epoch, 0))) {
    const auto first = order.begin() + batch * batch_size;
    result.insert(result.end(), first, first + batch_size);
  }
  result.insert(result.end(), order.begin() + std::ssize(whole), order.end());
  return result;
}

}  // namespace detail
}  // namespace narae
