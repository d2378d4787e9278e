// The fast kernels of recurrent layers against the reference kernels.
#include <gtest/gtest.h>

#include "narae/graph/recurrent_attributes.h"
#include "tests/backend/kernel_test.h"

namespace narae::testing {
namespace {

class CpuRecurrentKernels : public KernelTest {
 protected:
  struct Size {
    std::int64_t steps, batch, units;
    std::vector<std::int64_t> lengths = {};
    std::int64_t reverse = 0;
  };

  // Small and large weights: sequences are shared out to threads, or units are. Batches and units leave a rest.
  static std::vector<Size> sizes() {
    return {{2, 1, 1},
            {7, 32, 128},
            {5, 65, 19},
            {3, 9, 230},
            {4, 2, 450, {}, 1},
            {6, 3, 33, {2, 6, 0}},
            {4, 26, 240, lengths(26), 1}};
  }
  static std::vector<std::int64_t> lengths(std::int64_t batch) {
    std::vector<std::int64_t> result;
    for (std::int64_t n = 0; n < batch; ++n) result.push_back(1 + n % 5);
    return result;
  }

  // Numbers that keep the gates away from their ends.
  static Array scaled(const Shape& shape, double by, std::uint64_t seed = 1) {
    Array a = numbers(GetParam(), shape, seed);
    visit_dtype(a.dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_floating_point_v<T>)
        for (T& x : a.mutable_values<T>()) x = static_cast<T>(by * static_cast<double>(x));
    });
    return a;
  }
  static Array weights(std::int64_t rows, std::int64_t columns) {
    return scaled({rows, columns}, 1 / std::sqrt(static_cast<double>(columns)));
  }

  void check_layer(const std::string& op, const RecurrentAttributes& a, std::vector<Array> inputs, const Size& size,
                   std::vector<Signature> results) {
    if (!size.lengths.empty()) {
      Array lengths = Array::empty(DType::i64, {size.batch});
      std::copy(size.lengths.begin(), size.lengths.end(), lengths.mutable_values<std::int64_t>().begin());
      inputs.push_back(lengths);
    }
    // Differences grow by a constant a step.
    check({.op = op,
           .words = words(a),
           .inputs = std::move(inputs),
           .results = std::move(results),
           .tolerance = sum_tolerance(GetParam(), 8 * size.steps)});
  }
  static RecurrentAttributes attributes(const Size& size, std::int64_t variant = 0) {
    return {.variant = variant,
            .reverse = size.reverse,
            .projected = 0,
            .packed = size.lengths.empty() ? 0 : 1,
            .cotangents = 0};
  }
};

INSTANTIATE_TEST_SUITE_P(Types, CpuRecurrentKernels, ::testing::Values(DType::f32, DType::f64),
                         [](const auto& at) { return std::string(name_of(at.param)); });

TEST_P(CpuRecurrentKernels, Rnn) {
  const DType t = GetParam();
  for (const Size& size : sizes()) {
    const auto [steps, batch, units, lengths, reverse] = size;
    const Shape all{steps, batch, units};
    const Shape one{batch, units};
    for (const std::int64_t variant : {0, 1}) {
      const RecurrentAttributes a = attributes(size, variant);
      check_layer("rnn", a, {numbers(t, all), numbers(t, one, 2), weights(units, units)}, size, {{t, all}});
      check_layer("rnn_gradient", a, {scaled(all, 0.4), weights(units, units), numbers(t, all, 3)}, size,
                  {{t, all}, {t, one}});
    }
  }
}

TEST_P(CpuRecurrentKernels, Lstm) {
  const DType t = GetParam();
  for (const Size& size : sizes()) {
    for (const std::int64_t outputs : {size.units, size.units / 2 + 1}) {
      const auto [steps, batch, units, lengths, reverse] = size;
      const bool projected = outputs != units;
      const Shape h{steps, batch, outputs};
      const Shape c{steps, batch, units};
      const Shape gates{steps, batch, 4 * units};
      RecurrentAttributes a = attributes(size);
      a.projected = projected ? 1 : 0;
      std::vector<Array> inputs = {numbers(t, gates), scaled({batch, outputs}, 0.5), numbers(t, {batch, units}, 2),
                                   weights(4 * units, outputs)};
      if (projected) inputs.push_back(weights(outputs, units));
      check_layer("lstm", a, inputs, size, {{t, h}, {t, c}, {t, gates}});
      for (const std::int64_t cotangents : {0, 1}) {
        a.cotangents = cotangents;
        std::vector<Array> given = {scaled(gates, 0.3), numbers(t, c, 4), numbers(t, {batch, units}, 5),
                                    weights(4 * units, outputs), numbers(t, h, 6)};
        if (projected) given.push_back(weights(outputs, units));
        if (cotangents != 0) given.push_back(numbers(t, c, 7));
        check_layer("lstm_gradient", a, given, size,
                    {{t, gates}, {t, {batch, outputs}}, {t, {batch, units}}, {t, projected ? h : Shape{0}}});
      }
    }
  }
}

TEST_P(CpuRecurrentKernels, Gru) {
  const DType t = GetParam();
  for (const Size& size : sizes()) {
    for (const std::int64_t variant : {0, 1}) {
      const auto [steps, batch, units, lengths, reverse] = size;
      const RecurrentAttributes a = attributes(size, variant);
      const bool after = variant == 0;  // the reset gate behind the product
      const Shape h{steps, batch, units};
      const Shape p{steps, batch, 3 * units};
      const Shape gates{steps, batch, (after ? 4 : 3) * units};
      const Shape first{batch, units};
      std::vector<Array> inputs = {numbers(t, p), scaled(first, 0.5), weights(3 * units, units)};
      if (after) inputs.push_back(numbers(t, {units}, 3));
      check_layer("gru", a, inputs, size, {{t, h}, {t, gates}});
      check_layer(
          "gru_gradient", a,
          {scaled(gates, 0.3), numbers(t, h, 4), numbers(t, first, 5), weights(3 * units, units), numbers(t, h, 6)},
          size, {{t, p}, {t, after ? p : Shape{0}}, {t, first}});
    }
  }
}

// What is not a number does not disappear in a gate.
TEST_P(CpuRecurrentKernels, NotANumberStays) {
  const DType t = GetParam();
  const Size size{2, 2, 20};
  const Shape gates{2, 2, 80};
  check_layer("lstm", attributes(size),
              {poisoned(numbers(t, gates)), numbers(t, {2, 20}), numbers(t, {2, 20}), weights(80, 20)}, size,
              {{t, {2, 2, 20}}, {t, {2, 2, 20}}, {t, gates}});
}

}  // namespace
}  // namespace narae::testing
