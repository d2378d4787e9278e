// Convolutions with kernels of 3 x 3 by Winograd's algorithm, for few tiles and many channels. Then the filters are the
// larger part: transformed, they are four times what they were, and would go through memory twice. So a thread
// transforms a block of them, multiplies it with all tiles while it lies in the second cache, and forgets it; the
// gradient's blocks are made and transformed back in the same way. Each of the 36 numbers of a tile is a product of its
// own: (tiles, channels) by (channels, filters), and for the gradient (channels, tiles) by (tiles, filters).
#include "narae/backend/cpu/winograd.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/gemm.h"
#include "narae/backend/cpu/transpose2d.h"
#include "narae/backend/cpu/winograd_tiles.h"
#include "narae/core/switches.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t products = winograd_products;
constexpr std::int64_t taps = winograd_taps;

// From one of the 36 numbers of a tile to the next, where `numbers` of each lie together: a line more than a power of
// two, or all 36 would fall into one set of the first cache.
constexpr std::int64_t apart(std::int64_t numbers) {
  return numbers + 16;
}

// The tiles of a batch of pictures.
struct Tiles {
  std::int64_t batch, rows, columns;

  Tiles(std::int64_t pictures, const BlockedPicture& y)
      : batch(pictures),
        rows((y.height + winograd_output - 1) / winograd_output),
        columns((y.width + winograd_output - 1) / winograd_output) {}

  [[nodiscard]] std::int64_t count() const { return batch * rows * columns; }
  [[nodiscard]] std::int64_t picture(std::int64_t tile) const { return tile / (rows * columns); }
  [[nodiscard]] TilePlace place(std::int64_t tile, std::int64_t padding) const {
    const std::int64_t k = tile % (rows * columns);
    return {k / columns * winograd_output - padding, k % columns * winograd_output - padding};
  }
};

using Read = void (*)(const float*, const BlockedPicture&, const TilePlace&, float*, std::int64_t);

// Transforms all tiles of pictures: (channels / part, 36, tiles, part), so that what is multiplied together lies
// together. `part` divides the channels.
void read_tiles(const float* pictures, const BlockedPicture& p, const Tiles& tiles, std::int64_t padding,
                std::int64_t part, Read read, float* to) {
  BlockedPicture few = p;
  few.channels = part;
  const std::int64_t parts = p.channels / part;
  const std::int64_t count = tiles.count();
  parallel_for(parts * count, 1 + 2048 / part, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t t = k % count;
      const std::int64_t first = k / count * part;
      read(pictures + tiles.picture(t) * p.numbers() + p.at(first), few, tiles.place(t, padding),
           to + k / count * products * apart(count * part) + t * part, apart(count * part));
    }
  });
}

// The forward pass; and the input gradient, which is a convolution of the cotangents with filters upside down.
class Forward {
 public:
  Forward(const BlockedPicture& x, const BlockedPicture& y, std::int64_t batch, std::int64_t padding, bool turned,
          bool has_bias)
      : x_(x),
        y_(y),
        tiles_(batch, y),
        padding_(padding),
        turned_(turned),
        has_bias_(has_bias),
        group_(y.channels % 64 == 0 && tiles_.count() <= 64 ? 64 : 32),
        channels_(x.channels % 64 == 0 ? 64 : 32),
        row_offsets_(offsets(tiles_.count(), channels_)),
        unit_(offsets(channels_, 1)),
        filter_offsets_(offsets(channels_, group_)),
        threads_(range_count(groups(), 1)) {}

  [[nodiscard]] std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(input_numbers() + threads_ * area_numbers()) * sizeof(float);
  }

  void run(const KernelArguments& at) const {
    const WinogradTransforms& transforms = winograd_transforms(x_.block);
    auto* const v = reinterpret_cast<float*>(at.scratch);
    read_tiles(at.in<float>(0), x_, tiles_, padding_, channels_, transforms.input, v);
    parallel_for(
        groups(), 1,
        [&](std::int64_t begin, std::int64_t end, std::int64_t range) {
          float* const m = v + input_numbers() + range * area_numbers();
          for (std::int64_t group = begin; group < end; ++group) run_group(at, transforms, v, group * group_, m);
        },
        threads_);
  }

 private:
  [[nodiscard]] std::int64_t groups() const { return y_.channels / group_; }
  [[nodiscard]] std::int64_t input_numbers() const { return x_.channels / channels_ * products * v_apart(); }
  // Of a thread: products, transformed filters, and some as they are, those of neighbours side by side.
  [[nodiscard]] std::int64_t area_numbers() const {
    return products * (m_apart() + u_apart()) + taps * channels_ * y_.block;
  }
  [[nodiscard]] std::int64_t v_apart() const { return apart(tiles_.count() * channels_); }
  [[nodiscard]] std::int64_t u_apart() const { return apart(channels_ * group_); }
  [[nodiscard]] std::int64_t m_apart() const { return apart(tiles_.count() * group_); }

  void run_group(const KernelArguments& at, const WinogradTransforms& transforms, const float* v, std::int64_t filter,
                 float* m) const {
    const std::int64_t count = tiles_.count();
    float* const u = m + products * m_apart();
    for (std::int64_t channel = 0; channel < x_.channels; channel += channels_) {
      transform_filters(at.in<float>(1), transforms, filter, channel, u);
      for (std::int64_t i = 0; i < products; ++i) {
        gemm(Gemm<float>{.m = count,
                         .n = group_,
                         .k = channels_,
                         .a = v + (channel / channels_ * products + i) * v_apart(),
                         .a_rows = row_offsets_.data(),
                         .a_columns = unit_.data(),
                         .b = u + i * u_apart(),
                         .b_rows = filter_offsets_.data(),
                         .c = m + i * m_apart(),
                         .c_row = group_,
                         .accumulate = channel > 0});
      }
    }
    BlockedPicture part = y_;
    part.channels = group_;
    for (std::int64_t t = 0; t < count; ++t)
      transforms.output(m + t * group_, m_apart(), has_bias_ ? at.in<float>(2) + filter : nullptr,
                        at.out<float>(0) + tiles_.picture(t) * y_.numbers() + y_.at(filter), part, tiles_.place(t, 0));
  }

  // u (36, channels, group) of filters (y's channels, x's channels, 9), or where turned (x's channels, y's channels, 9).
  void transform_filters(const float* w, const WinogradTransforms& transforms, std::int64_t filter,
                         std::int64_t channel, float* u) const {
    float* const g = u + products * u_apart();
    const std::int64_t block = y_.block;
    const auto transform = [&](const float* own, std::int64_t c, std::int64_t f) {
      transforms.filter(own, block, turned_, u + c * group_ + f, u_apart());
    };
    if (turned_) {
      for (std::int64_t c = 0; c < channels_; ++c) {
        const float* const all = w + ((channel + c) * y_.channels + filter) * taps;
        for (std::int64_t f = 0; f < group_; f += block) {
          transpose2d(block, taps, all + f * taps, taps, g, block);
          transform(g, c, f);
        }
      }
    } else {
      for (std::int64_t f = 0; f < group_; f += block) {
        transpose2d(block, taps * channels_, w + ((filter + f) * x_.channels + channel) * taps, x_.channels * taps, g,
                    block);
        for (std::int64_t c = 0; c < channels_; ++c) transform(g + c * taps * block, c, f);
      }
    }
  }

  BlockedPicture x_, y_;
  Tiles tiles_;
  std::int64_t padding_;
  bool turned_, has_bias_;
  std::int64_t group_;     // filters that a thread multiplies with all tiles
  std::int64_t channels_;  // summed up at a time
  std::vector<std::int64_t> row_offsets_, unit_, filter_offsets_;
  std::int64_t threads_;
};

class WeightGradient {
 public:
  WeightGradient(const BlockedPicture& x, const BlockedPicture& y, std::int64_t batch, std::int64_t padding)
      : x_(x),
        y_(y),
        tiles_(batch, y),
        padding_(padding),
        group_(y.channels % 64 == 0 ? 64 : 32),
        unit_(offsets(x.block, 1)),
        x_offsets_(offsets(tiles_.count(), x.block)),
        y_offsets_(offsets(tiles_.count(), group_)),
        threads_(range_count(groups(), 1)) {}

  [[nodiscard]] std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(x_numbers() + y_numbers() + threads_ * area_numbers()) * sizeof(float);
  }

  void run(const KernelArguments& at) const {
    const WinogradTransforms& transforms = winograd_transforms(x_.block);
    auto* const v = reinterpret_cast<float*>(at.scratch);
    float* const dy = v + x_numbers();
    read_tiles(at.in<float>(0), x_, tiles_, padding_, x_.block, transforms.input, v);
    read_tiles(at.in<float>(1), y_, tiles_, 0, group_, transforms.cotangent, dy);
    parallel_for(
        groups(), 1,
        [&](std::int64_t begin, std::int64_t end, std::int64_t range) {
          float* const area = dy + y_numbers() + range * area_numbers();
          for (std::int64_t group = begin; group < end; ++group)
            for (std::int64_t channel = 0; channel < x_.channels; channel += x_.block)
              run_block(at, transforms, v, dy, channel, group * group_, area);
        },
        threads_);
  }

 private:
  [[nodiscard]] std::int64_t groups() const { return y_.channels / group_; }
  [[nodiscard]] std::int64_t x_numbers() const { return x_.channels / x_.block * products * x_apart(); }
  [[nodiscard]] std::int64_t y_numbers() const { return groups() * products * y_apart(); }
  // Of a thread: a block's 36 products; gradients of filters with neighbouring filters side by side.
  [[nodiscard]] std::int64_t area_numbers() const { return products * m_apart() + taps * x_.block * y_.block; }
  [[nodiscard]] std::int64_t x_apart() const { return apart(tiles_.count() * x_.block); }
  [[nodiscard]] std::int64_t y_apart() const { return apart(tiles_.count() * group_); }
  [[nodiscard]] std::int64_t m_apart() const { return apart(x_.block * group_); }

  void run_block(const KernelArguments& at, const WinogradTransforms& transforms, const float* v, const float* dy,
                 std::int64_t channel, std::int64_t filter, float* m) const {
    const std::int64_t count = tiles_.count();
    for (std::int64_t i = 0; i < products; ++i) {
      gemm(Gemm<float>{.m = x_.block,
                       .n = group_,
                       .k = count,
                       .a = v + (channel / x_.block * products + i) * x_apart(),
                       .a_rows = unit_.data(),
                       .a_columns = x_offsets_.data(),
                       .b = dy + (filter / group_ * products + i) * y_apart(),
                       .b_rows = y_offsets_.data(),
                       .c = m + i * m_apart(),
                       .c_row = group_});
    }
    float* const g = m + products * m_apart();
    for (std::int64_t f = 0; f < group_; f += y_.block) {
      for (std::int64_t c = 0; c < x_.block; ++c)
        transforms.filter_gradient(m + c * group_ + f, m_apart(), y_.block, g + c * taps * y_.block);
      transpose2d(taps * x_.block, y_.block, g, y_.block,
                  at.out<float>(0) + ((filter + f) * x_.channels + channel) * taps, x_.channels * taps);
    }
  }

  BlockedPicture x_, y_;
  Tiles tiles_;
  std::int64_t padding_;
  std::int64_t group_;  // filters whose gradients a thread makes at a time
  std::vector<std::int64_t> unit_, x_offsets_, y_offsets_;
  std::int64_t threads_;
};

std::optional<BlockedPicture> picture_of(Layout layout) {
  const std::optional<ChannelBlocks> blocks = channel_blocks(layout);
  if (!blocks) return {};
  return BlockedPicture{blocks->channels(), blocks->height, blocks->width, blocks->block};
}

template <class Convolution>
Kernel kernel_of(Convolution&& made, const ConvGeometry& g) {
  const auto shared = std::make_shared<const Convolution>(std::forward<Convolution>(made));
  return {.run = [shared](const KernelArguments& at) { shared->run(at); },
          .scratch_bytes = shared->scratch_bytes(),
          .flops = g.flops()};
}

}  // namespace

Kernel make_winograd(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts) {
  const std::optional<BlockedPicture> x = picture_of(layouts.x);
  const std::optional<BlockedPicture> y = picture_of(layouts.y);
  const bool plain_weights = layouts.w == Layout::row_major;
  if (!x || !y || !plain_weights || x->block != y->block || getenv("NOWINO")) return {};
  const auto both = [](const std::int64_t* pair, std::int64_t value) { return pair[0] == value && pair[1] == value; };
  const Conv2dAttributes& a = g.words;
  if (!both(g.w, 3) || !both(a.stride, 1) || !both(a.dilation, 1) || a.groups != 1 || a.padding[0] > 1 || a.padding[0] != a.padding[1]) return {};
  const std::int64_t tiles = Tiles(g.batch, pass == ConvPass::input_gradient ? *x : *y).count();
  if (!winograd_allowed() || x->channels % 32 != 0 || y->channels % 32 != 0 || tiles > (getenv("WT") ? atoi(getenv("WT")) : 64) || tiles < 16 || x->channels < 64) return {};
  if (pass == ConvPass::forward) return kernel_of(Forward(*x, *y, g.batch, a.padding[0], false, has_bias), g);
  if (pass == ConvPass::input_gradient) return kernel_of(Forward(*y, *x, g.batch, 2 - a.padding[0], true, false), g);
  return kernel_of(WeightGradient(*x, *y, g.batch, a.padding[0]), g);
}

}  // namespace narae::cpu
