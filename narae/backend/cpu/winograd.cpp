// Convolutions with kernels of 3 x 3 by Winograd's algorithm: tiles and filters are transformed, each of the 36 numbers
// of a tile is a product of its own, (tiles, channels) by (channels, filters), and the results are transformed back.
// What is transformed is two to four times what it was, so that it should not leave the second cache. Either a thread
// takes some tiles, multiplies them with all filters and forgets them; or, with few tiles and many filters, it takes
// some filters, multiplies them with all tiles and forgets those.
#include "narae/backend/cpu/winograd.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/gemm.h"
#include "narae/backend/cpu/winograd_filters.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t products = winograd_products;
constexpr std::int64_t cached_numbers = 7 << 16;  // of tiles, before and behind the products: of 2 MB most

// The forward pass; and the input gradient, which is a convolution of the cotangents with filters upside down.
class Convolution {
 public:
  struct How {
    std::int64_t padding = 0;
    bool has_bias = false;
    bool lasting_filters = false;  // they come transformed
    ConvFollower follower = {};
  };

  Convolution(const BlockedPicture& x, const BlockedPicture& y, std::int64_t batch, const WinogradFilters& filters,
              const How& how)
      : x_(x),
        y_(y),
        tiles_(batch, y),
        filters_(filters),
        how_(how),
        by_filters_(takes_filters()),
        tiles_at_a_time_(by_filters_ ? tiles_.count() : some_tiles()),
        row_offsets_(offsets(tiles_at_a_time_, filters_.part)),
        unit_(offsets(filters_.part, 1)),
        filter_offsets_(offsets(filters_.part, filters_.group)),
        threads_(loop_threads(tasks(), 1)) {}

  [[nodiscard]] std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(shared_numbers() + threads_ * area_numbers()) * sizeof(float);
  }

  void run(const KernelArguments& at) const {
    auto* const shared = reinterpret_cast<float*>(at.scratch);
    float* const areas = shared + shared_numbers();
    const float* u = how_.lasting_filters ? at.in<float>(1) : shared;
    if (by_filters_) {
      read_winograd_tiles(at.in<float>(0), x_, tiles_, how_.padding, filters_.part, winograd_transforms(x_.block).input,
                          shared);
    } else if (!how_.lasting_filters) {
      filters_.transform_all(at.in<float>(1), areas, threads_, shared);
    }
    parallel_for(
        tasks(), 1,
        [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
          float* const area = areas + thread * area_numbers();
          for (std::int64_t task = begin; task < end; ++task) {
            if (by_filters_)
              run_filters(at, shared, task, area);
            else
              run_tiles(at, u, task * tiles_at_a_time_, area);
          }
        },
        threads_);
  }

 private:
  // Tiles few enough that 36 results of each for a group of filters stay in the cache, and filters enough that reading
  // all of them again for some tiles at a time would cost more. (With more threads than groups some stay idle: of so
  // few tiles none would have enough.)
  [[nodiscard]] bool takes_filters() const {
    return products * tiles_.count() * filters_.group <= cached_numbers && filters_.groups() >= 4;
  }
  [[nodiscard]] std::int64_t some_tiles() const {
    const std::int64_t most = std::max<std::int64_t>(cached_numbers / (products * (x_.channels + filters_.group)), 6);
    const std::int64_t share = (tiles_.count() + thread_count() - 1) / thread_count();
    const std::int64_t times = (share + most - 1) / most;
    return (share + times - 1) / times;
  }
  [[nodiscard]] std::int64_t tasks() const {
    return by_filters_ ? filters_.groups() : (tiles_.count() + tiles_at_a_time_ - 1) / tiles_at_a_time_;
  }

  [[nodiscard]] std::int64_t v_apart() const { return winograd_apart(tiles_at_a_time_ * filters_.part); }
  [[nodiscard]] std::int64_t v_numbers() const { return filters_.parts() * products * v_apart(); }
  [[nodiscard]] std::int64_t m_apart() const { return winograd_apart(tiles_at_a_time_ * filters_.group); }
  // All tiles or all filters, transformed.
  [[nodiscard]] std::int64_t shared_numbers() const {
    if (by_filters_) return v_numbers();
    return how_.lasting_filters ? 0 : filters_.numbers();
  }
  // Of a thread: products, and what it transforms.
  [[nodiscard]] std::int64_t area_numbers() const {
    const std::int64_t own = by_filters_ ? filters_.part_numbers() : v_numbers();
    return products * m_apart() + own + filters_.scratch_numbers();
  }

  void run_filters(const KernelArguments& at, const float* v, std::int64_t group, float* m) const {
    float* const own = m + products * m_apart();
    for (std::int64_t part = 0; part < filters_.parts(); ++part) {
      const float* u = own;
      if (how_.lasting_filters)
        u = at.in<float>(1) + (group * filters_.parts() + part) * filters_.part_numbers();
      else
        filters_.transform(at.in<float>(1), group, part, own + filters_.part_numbers(), own);
      multiply(v, u, part, tiles_.count(), m);
    }
    write(at, m, group, 0, tiles_.count());
  }

  void run_tiles(const KernelArguments& at, const float* u, std::int64_t first, float* m) const {
    float* const v = m + products * m_apart();
    const std::int64_t count = std::min(tiles_at_a_time_, tiles_.count() - first);
    BlockedPicture few = x_;
    few.channels = filters_.part;
    for (std::int64_t part = 0; part < filters_.parts(); ++part)
      for (std::int64_t t = 0; t < count; ++t)
        winograd_transforms(x_.block).input(
            at.in<float>(0) + tiles_.picture(first + t) * x_.numbers() + x_.at(part * filters_.part), few,
            tiles_.place(first + t, how_.padding), v + part * products * v_apart() + t * filters_.part, v_apart());
    for (std::int64_t group = 0; group < filters_.groups(); ++group) {
      for (std::int64_t part = 0; part < filters_.parts(); ++part)
        multiply(v, u + (group * filters_.parts() + part) * filters_.part_numbers(), part, count, m);
      write(at, m, group, first, count);
    }
  }

  // m (36, count, group) = v (36, count, part) u (36, part, group) for the first part of the channels, += for others.
  void multiply(const float* v, const float* u, std::int64_t part, std::int64_t count, float* m) const {
    const bool own_filters = by_filters_ && !how_.lasting_filters;  // they are in the cache; the tiles are not
    for (std::int64_t i = 0; i < products; ++i) {
      gemm(Gemm<float>{
          .m = count,
          .n = filters_.group,
          .k = filters_.part,
          .a = v + (part * products + i) * v_apart(),
          .a_rows = row_offsets_.data(),
          .a_columns = unit_.data(),
          .b = u + i * filters_.apart(),
          .b_rows = filter_offsets_.data(),
          .c = m + i * m_apart(),
          .c_row = filters_.group,
          .accumulate = part > 0,
          .ahead = own_filters ? v + (part * products + i + 1) * v_apart() : u + (i + 1) * filters_.apart()});
    }
  }

  void write(const KernelArguments& at, const float* m, std::int64_t group, std::int64_t first,
             std::int64_t count) const {
    const std::int64_t filter = group * filters_.group;
    const AfterTile after{how_.has_bias ? at.in<float>(2) + filter : nullptr, how_.follower.adds,
                          how_.follower.rectifies};
    BlockedPicture few = y_;
    few.channels = filters_.group;
    for (std::int64_t t = 0; t < count; ++t)
      winograd_transforms(y_.block).output(m + t * filters_.group, m_apart(), after,
                                           at.out<float>(0) + tiles_.picture(first + t) * y_.numbers() + y_.at(filter),
                                           few, tiles_.place(first + t, 0));
  }

  BlockedPicture x_, y_;
  WinogradTiles tiles_;
  WinogradFilters filters_;
  How how_;
  bool by_filters_;
  std::int64_t tiles_at_a_time_;
  std::vector<std::int64_t> row_offsets_, unit_, filter_offsets_;
  std::int64_t threads_;
};

std::optional<BlockedPicture> picture_of(Layout layout) {
  const std::optional<ChannelBlocks> blocks = channel_blocks(layout);
  if (!blocks) return {};
  return BlockedPicture{blocks->channels(), blocks->height, blocks->width, blocks->block};
}

}  // namespace

void read_winograd_tiles(const float* pictures, const BlockedPicture& p, const WinogradTiles& tiles,
                         std::int64_t padding, std::int64_t part, ReadTile read, float* to) {
  BlockedPicture few = p;
  few.channels = part;
  const std::int64_t count = tiles.count();
  const std::int64_t apart = winograd_apart(count * part);
  parallel_for(p.channels / part * count, 1 + 2048 / part, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t t = k % count;
      read(pictures + tiles.picture(t) * p.numbers() + p.at(k / count * part), few, tiles.place(t, padding),
           to + k / count * winograd_products * apart + t * part, apart);
    }
  });
}

Kernel make_winograd(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts,
                     const ConvFollower& follower) {
  const std::optional<BlockedPicture> x = picture_of(layouts.x);
  const std::optional<BlockedPicture> y = picture_of(layouts.y);
  const std::optional<WinogradFilters> lasting = winograd_filters(layouts.w);
  if (!x || !y || x->block != y->block) return {};
  if (!lasting && (layouts.w != Layout::row_major || winograd_choice(g, pass) != WinogradChoice::own)) return {};
  if (pass == ConvPass::weight_gradient) return make_winograd_weight_gradient(g, *x, *y);
  const bool turned = pass == ConvPass::input_gradient;
  const BlockedPicture& from = turned ? *y : *x;
  const BlockedPicture& to = turned ? *x : *y;
  const WinogradFilters filters = lasting.value_or(
      WinogradFilters{.filters = to.channels, .channels = from.channels, .block = to.block, .turned = turned});
  const std::int64_t padding = g.words.padding[0];
  const auto made = std::make_shared<const Convolution>(from, to, g.batch, filters,
                                                        Convolution::How{.padding = turned ? 2 - padding : padding,
                                                                         .has_bias = has_bias,
                                                                         .lasting_filters = lasting.has_value(),
                                                                         .follower = follower});
  return {.run = [made](const KernelArguments& at) { made->run(at); },
          .scratch_bytes = made->scratch_bytes(),
          .flops = g.flops()};
}

}  // namespace narae::cpu
