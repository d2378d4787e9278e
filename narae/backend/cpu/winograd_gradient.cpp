// The gradient of a convolution's filters by Winograd's algorithm: dg = G^T (sum of (A dy A^T) * (B^T d B) over all
// tiles) G. Each of the 36 numbers is a product (channels, tiles) by (tiles, filters). The gradient of many filters is
// four times as large before its last transform, so it is made in blocks that stay in the second cache.
#include <memory>
#include <vector>

#include "narae/backend/cpu/gemm.h"
#include "narae/backend/cpu/transpose2d.h"
#include "narae/backend/cpu/winograd.h"
#include "narae/backend/cpu/winograd_filters.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t products = winograd_products;
constexpr std::int64_t taps = winograd_taps;

class WeightGradient {
 public:
  WeightGradient(const ConvGeometry& g, const BlockedPicture& x, const BlockedPicture& y)
      : x_(x),
        y_(y),
        tiles_(g.batch, y),
        padding_(g.words.padding[0]),
        group_(winograd_share(y.channels)),
        unit_(offsets(x.block, 1)),
        x_offsets_(offsets(tiles_.count(), x.block)),
        y_offsets_(offsets(tiles_.count(), group_)),
        threads_(loop_threads(groups() * blocks(), 1)) {}

  [[nodiscard]] std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(x_numbers() + y_numbers() + threads_ * area_numbers()) * sizeof(float);
  }

  void run(const KernelArguments& at) const {
    const WinogradTransforms& transforms = winograd_transforms(x_.block);
    auto* const v = reinterpret_cast<float*>(at.scratch);
    float* const dy = v + x_numbers();
    read_winograd_tiles(at.in<float>(0), x_, tiles_, padding_, x_.block, transforms.input, v);
    read_winograd_tiles(at.in<float>(1), y_, tiles_, 0, group_, transforms.cotangent, dy);
    parallel_for(
        groups() * blocks(), 1,
        [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
          float* const area = dy + y_numbers() + thread * area_numbers();
          for (std::int64_t k = begin; k < end; ++k) run_block(at, transforms, v, dy, k % blocks(), k / blocks(), area);
        },
        threads_);
  }

 private:
  [[nodiscard]] std::int64_t groups() const { return y_.channels / group_; }
  [[nodiscard]] std::int64_t blocks() const { return x_.channels / x_.block; }
  [[nodiscard]] std::int64_t x_apart() const { return winograd_apart(tiles_.count() * x_.block); }
  [[nodiscard]] std::int64_t y_apart() const { return winograd_apart(tiles_.count() * group_); }
  [[nodiscard]] std::int64_t m_apart() const { return winograd_apart(x_.block * group_); }
  [[nodiscard]] std::int64_t x_numbers() const { return blocks() * products * x_apart(); }
  [[nodiscard]] std::int64_t y_numbers() const { return groups() * products * y_apart(); }
  // Of a thread: a block's 36 products; gradients of filters with neighbouring filters side by side.
  [[nodiscard]] std::int64_t area_numbers() const { return products * m_apart() + taps * x_.block * y_.block; }

  void run_block(const KernelArguments& at, const WinogradTransforms& transforms, const float* v, const float* dy,
                 std::int64_t block, std::int64_t group, float* m) const {
    for (std::int64_t i = 0; i < products; ++i) {
      gemm(Gemm<float>{.m = x_.block,
                       .n = group_,
                       .k = tiles_.count(),
                       .a = v + (block * products + i) * x_apart(),
                       .a_rows = unit_.data(),
                       .a_columns = x_offsets_.data(),
                       .b = dy + (group * products + i) * y_apart(),
                       .b_rows = y_offsets_.data(),
                       .c = m + i * m_apart(),
                       .c_row = group_});
    }
    float* const g = m + products * m_apart();
    for (std::int64_t f = 0; f < group_; f += y_.block) {
      for (std::int64_t c = 0; c < x_.block; ++c)
        transforms.filter_gradient(m + c * group_ + f, m_apart(), y_.block, g + c * taps * y_.block);
      transpose2d(taps * x_.block, y_.block, g, y_.block,
                  at.out<float>(0) + ((group * group_ + f) * x_.channels + block * x_.block) * taps,
                  x_.channels * taps);
    }
  }

  BlockedPicture x_, y_;
  WinogradTiles tiles_;
  std::int64_t padding_;
  std::int64_t group_;  // filters whose gradients a thread makes at a time
  std::vector<std::int64_t> unit_, x_offsets_, y_offsets_;
  std::int64_t threads_;
};

}  // namespace

Kernel make_winograd_weight_gradient(const ConvGeometry& g, const BlockedPicture& x, const BlockedPicture& y) {
  const auto gradient = std::make_shared<const WeightGradient>(g, x, y);
  return {.run = [gradient](const KernelArguments& at) { gradient->run(at); },
          .scratch_bytes = gradient->scratch_bytes(),
          .flops = g.flops()};
}

}  // namespace narae::cpu
