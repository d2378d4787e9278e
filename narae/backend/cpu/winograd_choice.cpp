// Which convolutions are computed by Winograd's algorithm.
#include "narae/backend/cpu/winograd.h"
#include "narae/backend/cpu/winograd_filters.h"
#include "narae/core/switches.h"

namespace narae::cpu {
namespace {

// Tiles of more are added up by oneDNN, which sums parts of them in each thread's cache.
constexpr std::int64_t most_gradient_tiles = 256;

bool fits(const ConvGeometry& g) {
  const auto both = [](const std::int64_t* pair, std::int64_t value) { return pair[0] == value && pair[1] == value; };
  const Conv2dAttributes& a = g.words;
  return both(g.w, 3) && both(a.stride, 1) && both(a.dilation, 1) && a.groups == 1 && a.padding[0] <= 1 &&
         a.padding[0] == a.padding[1] && g.channels >= 32 && g.filters >= 32;
}

}  // namespace

// F(4 x 4, 3 x 3) makes a tile of 16 results from 36 products for each pair of channel and filter instead of 144, and
// moves numbers through memory as 36 for 16 and filters as 36 for 9. It is chosen where that is faster by this
// estimate: nanoseconds on two cores with AVX-512, within about a tenth of what was measured for 1 to 128 pictures of 4
// to 224 pixels and 64 to 512 channels (oneDNN's: a quarter).
WinogradChoice winograd_choice(const ConvGeometry& g, ConvPass pass, bool lasting_filters) {
  if (!winograd_allowed() || !fits(g)) return WinogradChoice::none;
  const bool turned = pass == ConvPass::input_gradient;
  const std::int64_t tiles = WinogradTiles(g.batch, turned ? g.x : g.y).count();
  const bool gradient = pass == ConvPass::weight_gradient;
  const bool own = g.channels % 16 == 0 && g.filters % 16 == 0 && (!gradient || tiles <= most_gradient_tiles);
  if (!own && !gradient) return WinogradChoice::none;

  const auto pairs = static_cast<double>(g.channels * g.filters);
  const auto count = static_cast<double>(tiles);
  const bool narrow = winograd_share(turned ? g.channels : g.filters) < 32;  // products fill one vector
  const double products = count * 72 * pairs / (own ? narrow ? 180 : 270 : 245);
  const double numbers = count * 36 * 8 * static_cast<double>(g.channels + g.filters) / 50;
  const double once = lasting_filters ? 3 : 5;
  const double filters = pairs * (own ? gradient ? 8 : once : 26);
  const double gain = g.flops() / 240 / (products + numbers + filters);
  // Where all filters are kept transformed, they have to be worth four times their memory.
  const bool many_filters = (!own || lasting_filters) && pairs * 36 * sizeof(float) > 20e6;
  if (gain < (many_filters ? 1.6 : 1.1)) return WinogradChoice::none;
  return own ? WinogradChoice::own : WinogradChoice::onednn;
}

}  // namespace narae::cpu
