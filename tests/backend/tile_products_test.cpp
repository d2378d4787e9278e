// Products of f32 on the tile units, where the machine has them: as exact as on vectors, and the same numbers for
// everything that parts can't express.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "narae/backend/cpu/amx.h"
#include "narae/core/switches.h"
#include "narae/core/threads.h"
#include "tests/backend/kernel_test.h"

namespace narae::testing {
namespace {

struct Extents {
  std::int64_t batch, m, n, k;
  bool transpose_a, transpose_b;
};

double error(const Array& y, const Array& wanted) {
  double square = 0;
  double norm = 0;
  for (std::size_t i = 0; i < y.values<float>().size(); ++i) {
    const double difference = static_cast<double>(y.values<float>()[i]) - wanted.values<double>()[i];
    square += difference * difference;
    norm += wanted.values<double>()[i] * wanted.values<double>()[i];
  }
  return std::sqrt(square / norm);
}

Array doubles(const Array& x) {
  Array wide = Array::empty(DType::f64, x.shape);
  std::copy(x.values<float>().begin(), x.values<float>().end(), wide.mutable_values<double>().begin());
  return wide;
}

Array exact(KernelCase c) {
  for (Array& input : c.inputs) input = doubles(input);
  c.results[0].dtype = DType::f64;
  return run_kernel(make_kernel(reference_backend(), c), c)[0];
}

class TileProducts : public ::testing::Test {
 protected:
  void SetUp() override {
    allow_tile_units(true);
    if (!cpu::amx::available()) GTEST_SKIP() << "this machine has no tile units (AMX)";
  }
  void TearDown() override {
    allow_tile_units(allowed_);
    set_thread_count(threads_);
  }

  static KernelCase product(const Extents& e) {
    const auto matrices = [&](std::int64_t rows, std::int64_t columns, bool transposed, std::uint64_t seed) {
      const Shape two = transposed ? Shape{columns, rows} : Shape{rows, columns};
      return numbers(DType::f32, e.batch == 1 ? two : Shape{e.batch, two[0], two[1]}, seed);
    };
    return {.op = "matmul",
            .words = {e.transpose_a ? 1 : 0, e.transpose_b ? 1 : 0},
            .inputs = {matrices(e.m, e.k, e.transpose_a, 1), matrices(e.k, e.n, e.transpose_b, 2)},
            .results = {{DType::f32, e.batch == 1 ? Shape{e.m, e.n} : Shape{e.batch, e.m, e.n}}}};
  }
  static Array run(const KernelCase& c, bool tiles) {
    allow_tile_units(tiles);
    return run_kernel(make_kernel(cpu_backend(), c), c)[0];
  }
  static void expect_exact(const KernelCase& c) {
    const Array tiles = run(c, true);
    const Array vectors = run(c, false);
    EXPECT_FALSE(same_bits(tiles, vectors)) << "the tile units took no part";
    const Array wanted = exact(c);
    EXPECT_LE(error(tiles, wanted), 1.1 * error(vectors, wanted));
  }

 private:
  bool allowed_ = tile_units_allowed();
  int threads_ = thread_count();
};

// Whole tiles and parts of them, chunks of k, blocks of columns, several groups of rows, batches.
TEST_F(TileProducts, AreAsExactAsThoseOfVectors) {
  for (Extents e : {Extents{1, 384, 512, 512, false, false}, Extents{1, 333, 490, 527, false, false},
                    Extents{1, 390, 413, 2050, false, false}, Extents{1, 320, 2900, 600, false, false},
                    Extents{1, 1500, 297, 500, false, false}, Extents{2, 400, 410, 500, false, false}}) {
    for (const int transposed : {0, 1, 2, 3}) {
      e.transpose_a = (transposed & 1) != 0;
      e.transpose_b = (transposed & 2) != 0;
      SCOPED_TRACE(::testing::Message() << e.m << " x " << e.n << " x " << e.k << ", transposed " << transposed);
      expect_exact(product(e));
    }
  }
}

TEST_F(TileProducts, BiasesAreAddedOnce) {
  expect_exact({.op = "linear",
                .words = {},
                .inputs = {numbers(DType::f32, {500, 1600}, 1), numbers(DType::f32, {333, 1600}, 2),
                           numbers(DType::f32, {333}, 3)},
                .results = {{DType::f32, {500, 333}}}});
}

TEST_F(TileProducts, BitsDependOnNeitherThreadsNorTheRun) {
  const KernelCase c = product({1, 700, 310, 800, false, true});
  set_thread_count(1);
  const Array one = run(c, true);
  EXPECT_FALSE(same_bits(one, run(c, false)));
  EXPECT_TRUE(same_bits(one, run(c, true)));
  for (const int threads : {2, 3}) {
    set_thread_count(threads);
    EXPECT_TRUE(same_bits(one, run(c, true))) << threads;
  }
}

// Infinities, numbers that are none, and numbers whose products overflow in one part and not in another.
TEST_F(TileProducts, WhatPartsCannotExpressIsLeftToVectors) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const KernelCase good = product({1, 400, 440, 500, false, false});
  EXPECT_FALSE(same_bits(run(good, true), run(good, false)));
  for (const float value :
       {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::max(), 1e30F}) {
    for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
      KernelCase c = product({1, 400, 440, 500, false, false});
      c.inputs[side].mutable_values<float>()[777] = value;
      EXPECT_TRUE(same_bits(run(c, true), run(c, false))) << value << " in operand " << side;
    }
  }
}

TEST_F(TileProducts, SmallOnesStayOnVectors) {
  const KernelCase c = product({1, 64, 256, 64, false, true});
  EXPECT_TRUE(same_bits(run(c, true), run(c, false)));
}

}  // namespace
}  // namespace narae::testing
