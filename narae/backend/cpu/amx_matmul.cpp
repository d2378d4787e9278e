// Products of f32 on the tile units, in blocks: the right side is packed by all threads together, then each thread
// packs groups of rows that stay in its second cache and multiplies them with one pair of right panels after the other.
#include "narae/backend/cpu/amx_matmul.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <utility>

#include "narae/backend/cpu/amx.h"
#include "narae/core/threads.h"

namespace narae::cpu::amx {
namespace {

constexpr std::int64_t pair = 2 * panel;
constexpr std::int64_t number_bytes = parts * 2;
constexpr std::int64_t line_numbers = 64 / 2;   // of bfloat16 in a cache line
constexpr std::int64_t longest_chunk = 768;     // of k, whose sums stay in registers
constexpr std::int64_t group_bytes = 5 << 18;   // of packed rows, in the second cache
constexpr std::int64_t shared_bytes = 4 << 20;  // of packed columns
constexpr double thread_flops = 1e7;            // worth a thread

std::int64_t parts_of(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}
std::int64_t rounded_up(std::int64_t count, std::int64_t size) {
  return parts_of(count, size) * size;
}

// How a product is cut. A function of its extents alone but for the groups of rows, which change no sum.
struct Blocks {
  Product p;
  std::int64_t chunk;    // of k
  std::int64_t columns;  // packed together
  std::int64_t rows;     // of a group
  int threads;

  explicit Blocks(const Product& product) : p(product) {
    const std::int64_t k = rounded_up(p.k, step);
    chunk = rounded_up(parts_of(k, parts_of(k, longest_chunk)), step);
    columns = std::min(rounded_up(p.n, pair), shared_bytes / (number_bytes * chunk) / pair * pair);
    threads = static_cast<int>(
        std::clamp(p.flops() / static_cast<double>(p.batch) / thread_flops, 1.0, static_cast<double>(thread_count())));
    const std::int64_t share = parts_of(p.m, threads);
    const std::int64_t most = group_bytes / (number_bytes * chunk);
    rows = rounded_up(parts_of(share, parts_of(share, most)), pair);
  }
  [[nodiscard]] std::int64_t groups() const { return parts_of(p.m, rows); }
  [[nodiscard]] std::size_t shared_numbers() const { return static_cast<std::size_t>(parts * chunk * columns); }
  [[nodiscard]] std::size_t group_numbers() const { return static_cast<std::size_t>(parts * chunk * rows); }
};

// Seconds on all threads, by the speeds of one machine. Tile units get groups of rows, which may be fewer than threads.
bool worthwhile(const Product& p) {
  const auto size = [](std::int64_t a, std::int64_t b) { return static_cast<double>(a) * static_cast<double>(b); };
  const double flops = p.flops() / static_cast<double>(p.batch);
  if (flops < thread_flops) return false;
  const Blocks blocks(p);
  const double whole = 2 * size(rounded_up(p.m, panel), rounded_up(p.n, panel)) * size(rounded_up(p.k, step), 1);
  const double packed = size(p.n, p.k) + size(p.m, p.k) * size(parts_of(p.n, blocks.columns), 1);
  const double tiles =
      whole / 330e9 + packed * 0.6e-9 + size(p.m, p.n) * size(parts_of(p.k, blocks.chunk), 1) * 0.15e-9;
  const double vectors = flops / 165e9;
  const auto shares = static_cast<double>(std::min<std::int64_t>(blocks.threads, blocks.groups()));
  return tiles / shares < 0.85 * vectors / thread_count();
}

// What is multiplied between two packings of the right side.
struct Part {
  std::int64_t k, end;
  std::int64_t column, columns;

  [[nodiscard]] std::int64_t steps() const { return (end - k) / step; }
  [[nodiscard]] std::int64_t panel_numbers() const { return steps() * step_numbers; }
};

// A block of rows x columns numbers; where it ends within a tile, by way of a whole one.
void multiply_edge(const Block& block, std::int64_t rows, std::int64_t columns) {
  const int row_panels = rows > panel ? 2 : 1;
  const int column_panels = columns > panel ? 2 : 1;
  if (rows % panel == 0 && columns % panel == 0) return multiply(block, row_panels, column_panels);
  alignas(64) std::array<float, pair * pair> whole{};
  Block inside = block;
  inside.c = whole.data();
  inside.c_row = pair;
  if (block.start != nullptr) {
    for (std::int64_t i = 0; i < rows; ++i)
      std::copy_n(block.start + i * block.start_row, columns, whole.data() + i * pair);
    inside.start = whole.data();
    inside.start_row = pair;
  }
  multiply(inside, row_panels, column_panels);
  for (std::int64_t i = 0; i < rows; ++i) std::copy_n(whole.data() + i * pair, columns, block.c + i * block.c_row);
}

struct Multiplication {
  Blocks b;
  bool has_bias;
  Kernel plain;

  void run(const KernelArguments& at) const;
  [[nodiscard]] bool run_matrix(const float* a, const float* right, const float* bias, float* c,
                                std::uint16_t* scratch) const;
  // Rows from `top` on, packed into `own`.
  [[nodiscard]] bool run_group(const Operand& left, std::int64_t top, const Part& part, const std::uint16_t* shared,
                               std::uint16_t* own, const float* bias, float* c) const;
};

void Multiplication::run(const KernelArguments& at) const {
  const Product& p = b.p;
  for (std::int64_t batch = 0; batch < p.batch; ++batch) {
    const bool finite = run_matrix(at.in<float>(0) + batch * p.m * p.k, at.in<float>(1) + batch * p.k * p.n,
                                   has_bias ? at.in<float>(2) : nullptr, at.out<float>(0) + batch * p.m * p.n,
                                   reinterpret_cast<std::uint16_t*>(at.scratch));
    if (!finite) return plain.run(at);
  }
}

bool Multiplication::run_matrix(const float* a, const float* right, const float* bias, float* c,
                                std::uint16_t* scratch) const {
  const Product& p = b.p;
  const Operand left_side = p.transpose_a ? Operand{a, p.m, p.k, 1, p.m} : Operand{a, p.m, p.k, p.k, 1};
  const Operand right_side = p.transpose_b ? Operand{right, p.n, p.k, p.k, 1} : Operand{right, p.n, p.k, 1, p.n};
  std::uint16_t* own = scratch + b.shared_numbers();
  std::atomic<bool> finite = true;
  for (std::int64_t column = 0; column < p.n; column += b.columns) {
    for (std::int64_t k = 0; k < p.k; k += b.chunk) {
      const Part part{k, std::min(k + b.chunk, rounded_up(p.k, step)), column, std::min(b.columns, p.n - column)};
      parallel_for(
          parts_of(part.columns, panel), 1,
          [&](std::int64_t first, std::int64_t last) {
            if (!pack(Side::right, right_side, column + first * panel, last - first, k, part.end,
                      scratch + first * part.panel_numbers()))
              finite = false;
          },
          b.threads);
      parallel_for(
          b.groups(), 1,
          [&](std::int64_t first, std::int64_t last, std::int64_t thread) {
            std::uint16_t* packed = own + static_cast<std::size_t>(thread) * b.group_numbers();
            for (std::int64_t group = first; group < last; ++group)
              if (!run_group(left_side, group * b.rows, part, scratch, packed, bias, c)) finite = false;
          },
          b.threads);
    }
  }
  return finite;
}

bool Multiplication::run_group(const Operand& left, std::int64_t top, const Part& part, const std::uint16_t* shared,
                               std::uint16_t* own, const float* bias, float* c) const {
  const std::int64_t rows = std::min(b.rows, b.p.m - top);
  const std::int64_t numbers = part.panel_numbers();
  const bool finite = pack(Side::left, left, top, parts_of(rows, panel), part.k, part.end, own);
  const Tiles tiles;
  // The next pair of right panels is fetched while this one is multiplied, a share of it with each pair of rows.
  const std::int64_t lines = parts_of(2 * numbers / line_numbers, parts_of(rows, pair) * part.steps());
  for (std::int64_t j = 0; j < part.columns; j += pair) {
    const std::uint16_t* right = shared + j / panel * numbers;
    const bool more = j + pair < part.columns;
    for (std::int64_t i = 0; i < rows; i += pair) {
      const std::int64_t column = part.column + j;
      float* result = c + (top + i) * b.p.n + column;
      const bool first = part.k == 0;
      const Block block{.left = own + i / panel * numbers,
                        .right = right,
                        .left_pitch = numbers,
                        .right_pitch = numbers,
                        .steps = part.steps(),
                        .start = !first            ? result
                                 : bias != nullptr ? bias + column
                                                   : nullptr,
                        .start_row = first ? 0 : b.p.n,
                        .c = result,
                        .c_row = b.p.n,
                        .ahead = more ? right + 2 * numbers + i / pair * part.steps() * lines * line_numbers : nullptr,
                        .ahead_lines = more ? lines : 0};
      multiply_edge(block, std::min(pair, rows - i), std::min(pair, part.columns - j));
    }
  }
  return finite;
}

}  // namespace

Kernel make_product(const Product& p, bool has_bias, Kernel plain) {
  if (!plain || !available() || !worthwhile(p)) return plain;
  const auto it = std::make_shared<const Multiplication>(Multiplication{Blocks(p), has_bias, std::move(plain)});
  const std::size_t own =
      2 * (it->b.shared_numbers() + static_cast<std::size_t>(it->b.threads) * it->b.group_numbers());
  return {.run = [it](const KernelArguments& at) { it->run(at); },
          .scratch_bytes = std::max(own, it->plain.scratch_bytes),
          .flops = p.flops()};
}

}  // namespace narae::cpu::amx
