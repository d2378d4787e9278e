#include "narae/backend/cpu/winograd_filters.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "narae/backend/cpu/transpose2d.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t taps = winograd_taps;

// Layouts from this number on are those of filters.
constexpr std::int32_t first_layout = 1 << 24;

struct Known {
  std::mutex mutex;
  std::vector<WinogradFilters> filters;
};

Known& known() {
  static auto* instance = new Known;
  return *instance;
}

}  // namespace

void WinogradFilters::transform(const float* w, std::int64_t group_number, std::int64_t part_number, float* scratch,
                                float* u) const {
  const WinogradTransforms& transforms = winograd_transforms(block);
  const std::int64_t filter = group_number * group;
  const std::int64_t channel = part_number * part;
  const auto transform_block = [&](const float* g, std::int64_t c, std::int64_t f) {
    transforms.filter(g, block, turned, u + c * group + f, apart());
  };
  // Neighbouring filters side by side; rows of w are walked along.
  if (turned) {
    for (std::int64_t c = 0; c < part; ++c) {
      const float* const row = w + ((channel + c) * filters + filter) * taps;
      for (std::int64_t f = 0; f < group; f += block) {
        transpose2d(block, taps, row + f * taps, taps, scratch, block);
        transform_block(scratch, c, f);
      }
    }
  } else {
    for (std::int64_t f = 0; f < group; f += block) {
      transpose2d(block, taps * part, w + ((filter + f) * channels + channel) * taps, channels * taps, scratch, block);
      for (std::int64_t c = 0; c < part; ++c) transform_block(scratch + c * taps * block, c, f);
    }
  }
}

void WinogradFilters::transform_all(const float* w, float* scratch, std::int64_t threads, float* u) const {
  parallel_for(
      groups() * parts(), 1,
      [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
        for (std::int64_t k = begin; k < end; ++k)
          transform(w, k / parts(), k % parts(), scratch + thread * scratch_numbers(), u + k * part_numbers());
      },
      threads);
}

Layout winograd_layout(const WinogradFilters& wanted) {
  const std::lock_guard lock(known().mutex);
  auto& all = known().filters;
  const auto found = std::ranges::find(all, wanted);
  const auto number = static_cast<std::int32_t>(found - all.begin());
  if (found == all.end()) all.push_back(wanted);
  return static_cast<Layout>(first_layout + number);
}

std::optional<WinogradFilters> winograd_filters(Layout layout) {
  const auto number = static_cast<std::int32_t>(layout) - first_layout;
  if (number < 0) return {};
  const std::lock_guard lock(known().mutex);
  return known().filters.at(static_cast<std::size_t>(number));
}

Kernel make_winograd_filters(const WinogradFilters& filters) {
  const std::int64_t threads = loop_threads(filters.groups() * filters.parts(), 1);
  return {.run =
              [filters, threads](const KernelArguments& at) {
                filters.transform_all(at.in<float>(0), reinterpret_cast<float*>(at.scratch), threads, at.out<float>(0));
              },
          .scratch_bytes = static_cast<std::size_t>(threads * filters.scratch_numbers()) * sizeof(float)};
}

}  // namespace narae::cpu
