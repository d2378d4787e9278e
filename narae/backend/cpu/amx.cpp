// Tiles of bfloat16 parts: packing and multiplying. Each function that uses the instructions says so by itself, so
// that the rest of the program runs anywhere.
#include "narae/backend/cpu/amx.h"

#include <immintrin.h>

#include <algorithm>
#include <array>

#include "narae/core/switches.h"
#include "narae/core/tile_units.h"

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 says it of vectors that its own headers leave undefined on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define NARAE_TARGET_AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")))
#define NARAE_TARGET_AMX_INLINE NARAE_TARGET_AMX __attribute__((always_inline)) inline

namespace narae::cpu::amx {
namespace {

// The two halves of a vector of bfloat16s as f32.
NARAE_TARGET_AMX_INLINE __m512 widen(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// 32 numbers, u and then v, as three vectors of bfloat16: each part is what the parts before it leave, rounded.
NARAE_TARGET_AMX_INLINE void split(__m512 u, __m512 v, __m512i* part) {
  for (int p = 0; p < parts; ++p) {
    part[p] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(v, u));
    if (p + 1 == parts) break;
    u = _mm512_sub_ps(u, widen(_mm512_castsi512_si256(part[p])));
    v = _mm512_sub_ps(v, widen(_mm512_extracti64x4_epi64(part[p], 1)));
  }
}

// 16 rows of 16 words, transposed.
NARAE_TARGET_AMX_INLINE void transpose(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

NARAE_TARGET_AMX_INLINE __mmask16 lanes(std::int64_t count) {
  return static_cast<__mmask16>((1U << std::clamp<std::int64_t>(count, 0, 16)) - 1U);
}

// 16 outer elements and 32 of k. The tile wants rows of `outer` with 32 of k each (left), or rows of pairs of k with 16
// outer elements each (right); what lies the other way in memory is transposed, in words of two neighbouring k.
// `largest`: of all numbers' bits, without their signs.
template <Side side, bool k_contiguous>
NARAE_TARGET_AMX_INLINE void pack_step(const Operand& x, std::int64_t outer, std::int64_t k, std::uint16_t* to,
                                       __m512i& largest) {
  const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const std::int64_t rows = std::min(panel, x.outer - outer);
  __m512i word[parts][16];
  for (int r = 0; r < 16; ++r) {
    __m512 u, v;
    if constexpr (k_contiguous) {
      const float* from = x.data + (outer + r) * x.outer_step + k;
      const std::int64_t count = r < rows ? x.k - k : 0;
      u = _mm512_maskz_loadu_ps(lanes(count), from);
      v = _mm512_maskz_loadu_ps(lanes(count - 16), from + 16);
    } else {
      const float* from = x.data + (k + 2 * r) * x.k_step + outer;
      u = _mm512_maskz_loadu_ps(lanes(k + 2 * r < x.k ? rows : 0), from);
      v = _mm512_maskz_loadu_ps(lanes(k + 2 * r + 1 < x.k ? rows : 0), from + x.k_step);
    }
    largest = _mm512_max_epu32(largest, _mm512_slli_epi32(_mm512_castps_si512(u), 1));
    largest = _mm512_max_epu32(largest, _mm512_slli_epi32(_mm512_castps_si512(v), 1));
    __m512i part[parts];
    split(u, v, part);
    for (int p = 0; p < parts; ++p) word[p][r] = k_contiguous ? part[p] : _mm512_permutexvar_epi16(pairs, part[p]);
  }
  for (int p = 0; p < parts; ++p) {
    if constexpr ((side == Side::left) != k_contiguous) transpose(word[p]);
    for (int r = 0; r < 16; ++r) _mm512_storeu_si512(to + (p * 16 + r) * step, word[p][r]);
  }
}

// In the order in which the operand lies in memory.
template <Side side, bool k_contiguous>
NARAE_TARGET_AMX bool pack_panels(const Operand& x, std::int64_t outer, std::int64_t panels, std::int64_t begin,
                                  std::int64_t end, std::uint16_t* to) {
  __m512i largest = _mm512_setzero_si512();
  const std::int64_t steps = (end - begin) / step;
  const std::int64_t rounds = k_contiguous ? panels : steps;
  const std::int64_t turns = k_contiguous ? steps : panels;
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (std::int64_t turn = 0; turn < turns; ++turn) {
      const std::int64_t i = k_contiguous ? round : turn;
      const std::int64_t s = k_contiguous ? turn : round;
      pack_step<side, k_contiguous>(x, outer + i * panel, begin + s * step, to + (i * steps + s) * step_numbers,
                                    largest);
    }
  }
  constexpr int two_to_60 = static_cast<int>((127U + 60U) << 24);
  return _mm512_cmpge_epu32_mask(largest, _mm512_set1_epi32(two_to_60)) == 0;
}

// Registers 0 to 3 are the sums, 4 and 5 tiles of the left side, 6 and 7 of the right.
template <int rows, int columns>
NARAE_TARGET_AMX_INLINE void multiply_tiles() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (columns == 2) _tile_dpbf16ps(1, 4, 7);
  if constexpr (rows == 2) _tile_dpbf16ps(2, 5, 6);
  if constexpr (rows == 2 && columns == 2) _tile_dpbf16ps(3, 5, 7);
}

template <int rows>
NARAE_TARGET_AMX_INLINE void load_left(const std::uint16_t* from, std::int64_t pitch) {
  _tile_loadd(4, from, 64);
  if constexpr (rows == 2) _tile_loadd(5, from + pitch, 64);
}
template <int columns>
NARAE_TARGET_AMX_INLINE void load_right(const std::uint16_t* from, std::int64_t pitch) {
  _tile_loadd(6, from, 64);
  if constexpr (columns == 2) _tile_loadd(7, from + pitch, 64);
}

template <int rows, int columns>
NARAE_TARGET_AMX_INLINE void begin_sums(const float* start, std::int64_t row) {
  if (start == nullptr) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  const auto bytes = row * static_cast<std::int64_t>(sizeof(float));
  _tile_loadd(0, start, bytes);
  if constexpr (columns == 2) _tile_loadd(1, start + panel, bytes);
  if constexpr (rows == 2) _tile_loadd(2, start + panel * row, bytes);
  if constexpr (rows == 2 && columns == 2) _tile_loadd(3, start + panel * row + panel, bytes);
}

template <int rows, int columns>
NARAE_TARGET_AMX_INLINE void store_sums(float* c, std::int64_t row) {
  const auto bytes = row * static_cast<std::int64_t>(sizeof(float));
  _tile_stored(0, c, bytes);
  if constexpr (columns == 2) _tile_stored(1, c + panel, bytes);
  if constexpr (rows == 2) _tile_stored(2, c + panel * row, bytes);
  if constexpr (rows == 2 && columns == 2) _tile_stored(3, c + panel * row + panel, bytes);
}

template <int rows, int columns>
NARAE_TARGET_AMX void multiply_panels(const Block& b) {
  constexpr std::int64_t part = panel * step;
  begin_sums<rows, columns>(b.start, b.start_row);
  const std::uint16_t* left = b.left;
  const std::uint16_t* right = b.right;
  const std::uint16_t* ahead = b.ahead;
  for (std::int64_t s = 0; s < b.steps; ++s, left += step_numbers, right += step_numbers) {
    for (std::int64_t line = 0; line < b.ahead_lines; ++line, ahead += 32) _mm_prefetch(ahead, _MM_HINT_T1);
    load_right<columns>(right, b.right_pitch);
    load_left<rows>(left + 2 * part, b.left_pitch);
    multiply_tiles<rows, columns>();  // l h
    load_left<rows>(left + part, b.left_pitch);
    multiply_tiles<rows, columns>();  // m h
    load_right<columns>(right + part, b.right_pitch);
    multiply_tiles<rows, columns>();  // m m
    load_left<rows>(left, b.left_pitch);
    multiply_tiles<rows, columns>();  // h m
    load_right<columns>(right + 2 * part, b.right_pitch);
    multiply_tiles<rows, columns>();  // h l
    load_right<columns>(right, b.right_pitch);
    multiply_tiles<rows, columns>();  // h h
  }
  store_sums<rows, columns>(b.c, b.c_row);
}

struct TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<std::uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfiguration) == 64);

// In memory, not on the stack: g++ 12 thinks that the instruction reads its first eight bytes alone.
constexpr TileConfiguration configuration;

NARAE_TARGET_AMX void configure() {
  _tile_loadconfig(&configuration);
}
NARAE_TARGET_AMX void release() {
  _tile_release();
}

}  // namespace

bool available() {
  return has_tile_units() && tile_units_allowed();
}

bool pack(Side side, const Operand& operand, std::int64_t outer, std::int64_t panels, std::int64_t begin,
          std::int64_t end, std::uint16_t* to) {
  if (side == Side::left)
    return operand.k_step == 1 ? pack_panels<Side::left, true>(operand, outer, panels, begin, end, to)
                               : pack_panels<Side::left, false>(operand, outer, panels, begin, end, to);
  return operand.k_step == 1 ? pack_panels<Side::right, true>(operand, outer, panels, begin, end, to)
                             : pack_panels<Side::right, false>(operand, outer, panels, begin, end, to);
}

Tiles::Tiles() {
  configure();
}
Tiles::~Tiles() {
  release();
}

void multiply(const Block& block, int rows, int columns) {
  if (rows == 2) return columns == 2 ? multiply_panels<2, 2>(block) : multiply_panels<2, 1>(block);
  return columns == 2 ? multiply_panels<1, 2>(block) : multiply_panels<1, 1>(block);
}

}  // namespace narae::cpu::amx
