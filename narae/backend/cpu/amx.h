#pragma once

#include <cstdint>

// Matrix products on the tile units of x86 processors (AMX: Sapphire Rapids and later), which multiply bfloat16 and add
// in f32, sixteen times as many numbers a cycle as vectors do. Products of f32 keep their precision: a number of 24
// bits is cut into three of 8 (high, middle, low), x = h + m + l, and of the nine products of parts those six are made
// that an f32 can hold: hh, hm, mh, mm, hl and lh; each is exact, and so the sum is at least as good as one made in f32
// (Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
// computations").
namespace narae::cpu::amx {

/// Whether this machine has tile units, the system lets us use them, and tile_units_allowed().
[[nodiscard]] bool available();

constexpr std::int64_t panel = 16;  ///< rows of a tile
constexpr std::int64_t step = 32;   ///< products that a tile instruction adds for an element of the result
constexpr std::int64_t parts = 3;   ///< of a number
constexpr std::int64_t step_numbers = parts * panel * step;  ///< bfloat16s of a panel and a step, packed

/// One side of a product, (outer, k): element (o, k) is data[o * outer_step + k * k_step], where one of the two steps
/// is 1.
struct Operand {
  const float* data;
  std::int64_t outer, k;
  std::int64_t outer_step, k_step;
};

enum class Side { left, right };

/// Packs `panels` panels of 16 outer elements from `outer` on, one after the other, with k in [begin, end): for each 32
/// of k the tiles h, m and l. end - begin is a multiple of 32; what lies beyond the operand is zero. False when a
/// number is not finite or 2^60 or more, so that a product of two parts could overflow. Parts and products below 2^-126
/// count as zero, whatever the thread does with denormals: numbers below 2^-100 lose their last bits.
[[nodiscard]] bool pack(Side side, const Operand& operand, std::int64_t outer, std::int64_t panels, std::int64_t begin,
                        std::int64_t end, std::uint16_t* to);

/// The tile registers are set up for tiles of 16 x 64 bytes on this thread while this lives.
class Tiles {
 public:
  Tiles();
  ~Tiles();
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

/// c = start + left right, for up to two panels of each side. Rows and pitches are in numbers of the arrays' types.
struct Block {
  const std::uint16_t* left;
  const std::uint16_t* right;
  std::int64_t left_pitch, right_pitch;  ///< from one panel to the other
  std::int64_t steps;
  const float* start;      ///< null: zero
  std::int64_t start_row;  ///< 0: the same for all rows
  float* c;
  std::int64_t c_row;
  const std::uint16_t* ahead;  ///< fetched into the second cache meanwhile: `ahead_lines` lines a step
  std::int64_t ahead_lines;
};

/// For `rows` panels of the left and `columns` of the right side, 1 or 2 each. Needs Tiles.
void multiply(const Block& block, int rows, int columns);

}  // namespace narae::cpu::amx
