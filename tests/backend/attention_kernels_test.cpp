// The fast kernels of attention against the reference kernels.
#include <gtest/gtest.h>

#include "narae/graph/attention_attributes.h"
#include "tests/backend/kernel_test.h"

namespace narae::testing {
namespace {

// One use: sizes, and what there is besides query, key and value.
struct Use {
  std::int64_t batch, queries, keys, heads, kv_heads, size, value_size;
  bool causal = false;
  std::vector<std::int64_t> lengths = {}, first = {};
  Shape mask = {};
  DType mask_type = DType::f32;  // f32: that of the numbers
  bool slopes = false;
  std::int64_t window = 0;
  double dropout = 0;
};

class CpuAttentionKernels : public KernelTest {
 protected:
  static Array list(const std::vector<std::int64_t>& values) {
    Array a = Array::empty(DType::i64, {static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), a.mutable_values<std::int64_t>().begin());
    return a;
  }
  static AttentionAttributes attributes(const Use& u) {
    return {.causal = u.causal ? 1 : 0,
            .mask = u.mask.rank() > 0 ? 1 : 0,
            .lengths = u.lengths.empty() ? 0 : 1,
            .first = u.first.empty() ? 0 : 1,
            .slopes = u.slopes ? 1 : 0,
            .window = u.window > 0 ? 1 : 0,
            .dropout = u.dropout > 0 ? 1 : 0,
            .wanted = 0};
  }
  static std::vector<Array> inputs(const Use& u) {
    const DType t = GetParam();
    std::vector<Array> all = {numbers(t, {u.batch, u.queries, u.heads, u.size}),
                              numbers(t, {u.batch, u.keys, u.kv_heads, u.size}, 2),
                              numbers(t, {u.batch, u.keys, u.kv_heads, u.value_size}, 3), scalar(t, 0.3)};
    if (u.mask.rank() > 0) all.push_back(numbers(u.mask_type == DType::f32 ? t : u.mask_type, u.mask, 4));
    if (!u.lengths.empty()) all.push_back(list(u.lengths));
    if (!u.first.empty()) all.push_back(list(u.first));
    if (u.slopes) all.push_back(numbers(t, {u.heads}, 5));
    if (u.window > 0) all.push_back(scalar(DType::i64, static_cast<double>(u.window)));
    if (u.dropout > 0) {
      all.push_back(scalar(t, u.dropout));
      all.push_back(scalar(DType::i64, 5));
      all.push_back(scalar(DType::i64, 9));
    }
    return all;
  }
  KernelCase forward_case(const Use& u) {
    const DType t = GetParam();
    return {.op = "attention",
            .words = words(attributes(u)),
            .inputs = inputs(u),
            .results = {{t, {u.batch, u.queries, u.heads, u.value_size}}, {t, {u.batch, u.heads, u.queries}}},
            .tolerance = sum_tolerance(t, 40)};
  }
  // `wanted`: of the cotangents besides those of query, key and value.
  void check_use(const Use& u, std::int64_t wanted = 0) {
    const DType t = GetParam();
    const KernelCase forward = forward_case(u);
    check(forward);
    AttentionAttributes a = attributes(u);
    a.wanted = wanted;
    std::vector<Array> all = forward.inputs;
    for (const Array& result : run_kernel(make_kernel(reference_backend(), forward), forward)) all.push_back(result);
    all.push_back(numbers(t, all[all.size() - 2].shape, 6));
    std::vector<Signature> results = {{t, all[0].shape}, {t, all[1].shape}, {t, all[2].shape}};
    results.push_back({t, wanted == 0 ? Shape{0} : u.mask});
    for (int k = 0; k < 3; ++k) results.push_back({t, {0}});
    check({.op = "attention_gradient",
           .words = words(a),
           .inputs = all,
           .results = results,
           .tolerance = sum_tolerance(t, 40 + u.queries)});
  }
};

INSTANTIATE_TEST_SUITE_P(Types, CpuAttentionKernels, ::testing::Values(DType::f32, DType::f64),
                         [](const auto& at) { return std::string(name_of(at.param)); });

// Lengths below, at and beyond blocks and tiles; heads that fill vectors and that do not.
TEST_P(CpuAttentionKernels, Sizes) {
  for (const bool causal : {false, true}) {
    check_use({1, 1, 1, 1, 1, 1, 1, causal});
    check_use({2, 15, 15, 2, 2, 3, 5, causal});
    check_use({1, 64, 64, 3, 3, 64, 64, causal});
    check_use({2, 65, 65, 1, 1, 33, 17, causal});
    check_use({1, 200, 200, 2, 2, 16, 48, causal});
    check_use({1, 63, 129, 2, 1, 8, 70, causal});
    check_use({1, 130, 20, 2, 1, 96, 8, causal});
  }
}

TEST_P(CpuAttentionKernels, GroupedQueries) {
  check_use({2, 70, 70, 6, 2, 8, 8, true});
  check_use({1, 70, 90, 4, 1, 8, 8});
}

TEST_P(CpuAttentionKernels, WhatAQuerySees) {
  check_use({.batch = 3,
             .queries = 70,
             .keys = 150,
             .heads = 2,
             .kv_heads = 2,
             .size = 8,
             .value_size = 8,
             .lengths = {150, 0, 67}});
  check_use({.batch = 2,
             .queries = 70,
             .keys = 150,
             .heads = 2,
             .kv_heads = 2,
             .size = 8,
             .value_size = 8,
             .causal = true,
             .lengths = {150, 90},
             .first = {80, 3}});
  for (const std::int64_t window : {1, 7, 100}) {
    for (const bool causal : {false, true}) {
      check_use({.batch = 1,
                 .queries = 150,
                 .keys = 150,
                 .heads = 1,
                 .kv_heads = 1,
                 .size = 8,
                 .value_size = 8,
                 .causal = causal,
                 .slopes = true,
                 .window = window});
    }
  }
}

TEST_P(CpuAttentionKernels, Masks) {
  const Use plain{.batch = 2, .queries = 70, .keys = 90, .heads = 2, .kv_heads = 2, .size = 8, .value_size = 8};
  for (const Shape& mask : {Shape{2, 2, 70, 90}, Shape{1, 2, 70, 90}, Shape{1, 1, 1, 90}, Shape{2, 1, 70, 1}}) {
    for (const DType type : {DType::f32, DType::boolean}) {
      Use u = plain;
      u.mask = mask;
      u.mask_type = type;
      check_use(u);
      u.causal = true;
      const bool summed_over_the_batch_alone = type == DType::f32 && mask[1] == 2;
      check_use(u, summed_over_the_batch_alone ? wants_mask : 0);
    }
  }
}

TEST_P(CpuAttentionKernels, Dropout) {
  check_use({.batch = 2,
             .queries = 70,
             .keys = 71,
             .heads = 2,
             .kv_heads = 1,
             .size = 8,
             .value_size = 8,
             .causal = true,
             .dropout = 0.3});
}

// One query and a few, from a cache that is not full.
TEST_P(CpuAttentionKernels, Generation) {
  check_use({.batch = 3,
             .queries = 1,
             .keys = 130,
             .heads = 4,
             .kv_heads = 4,
             .size = 64,
             .value_size = 64,
             .causal = true,
             .first = {0, 129, 70}});
  check_use({.batch = 2,
             .queries = 1,
             .keys = 130,
             .heads = 6,
             .kv_heads = 2,
             .size = 20,
             .value_size = 9,
             .causal = true,
             .lengths = {0, 60},
             .first = {3, 100},
             .mask = {2, 1, 1, 130},
             .slopes = true,
             .window = 50});
  check_use({.batch = 2,
             .queries = 4,
             .keys = 70,
             .heads = 2,
             .kv_heads = 1,
             .size = 5,
             .value_size = 3,
             .causal = true,
             .first = {66, 10}});
}

// A NaN spreads to what sees it and no farther.
// A few queries take the keys in up to 16 parts, each with a softmax of its own.
TEST_P(CpuAttentionKernels, FewQueriesInParts) {
  const auto check_few = [&](const Use& u) { check(forward_case(u)); };
  check_few({2, 1, 700, 3, 3, 16, 24, false, {700, 13}});
  check_few({1, 2, 530, 8, 2, 40, 16, true, {}, {528}});
  check_few({2, 1, 600, 2, 2, 8, 8, false, {600, 0}});  // the second sees nothing
  Use masked{1, 2, 640, 2, 1, 8, 8};
  masked.mask = {1, 1, 2, 640};
  masked.mask_type = DType::boolean;
  KernelCase c = forward_case(masked);
  auto seen = c.inputs[4].mutable_values<bool>();
  std::fill(seen.begin(), seen.begin() + 400, false);  // whole parts
  std::fill(seen.begin() + 640, seen.end(), false);    // a whole row
  check(c);
}

// What may not be seen has no part in the result, whatever it is.
TEST_P(CpuAttentionKernels, HiddenNumbersHaveNoPart) {
  visit_dtype(GetParam(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      const auto poison = [](Array& a, std::int64_t first, std::int64_t count) {
        const auto values = a.mutable_values<T>();
        std::fill_n(values.begin() + first, count, std::numeric_limits<T>::quiet_NaN());
      };
      Use masked{1, 1, 100, 2, 2, 8, 8};
      masked.mask = {1, 1, 1, 100};
      masked.mask_type = DType::boolean;
      KernelCase c = forward_case(masked);
      const auto seen = c.inputs[4].mutable_values<bool>();
      std::fill(seen.begin(), seen.end(), true);
      std::fill_n(seen.begin() + 50, 10, false);
      for (const int i : {1, 2}) poison(c.inputs[static_cast<std::size_t>(i)], 50 * 16, 10 * 16);
      check(c);
      const Use causal{1, 2, 100, 2, 2, 8, 8, true, {}, {98}};
      c = forward_case(causal);
      for (const int i : {1, 2}) poison(c.inputs[static_cast<std::size_t>(i)], 99 * 16, 16);  // the second's alone
      check(c);
    }
  });
}

TEST_P(CpuAttentionKernels, NotANumberStays) {
  for (const std::int64_t queries : {1, 70}) {
    const Use u{.batch = 2, .queries = queries, .keys = 70, .heads = 2, .kv_heads = 2, .size = 8, .value_size = 8};
    for (const std::size_t which : {0U, 1U, 2U}) {
      KernelCase c = forward_case(u);
      auto change = [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_floating_point_v<T>)
          c.inputs[which].mutable_values<T>()[3] = std::numeric_limits<T>::quiet_NaN();
      };
      visit_dtype(GetParam(), change);
      check(c);
    }
  }
}

}  // namespace
}  // namespace narae::testing
