#pragma once

#include "tests/backend/kernel_case.h"

namespace narae::testing {

/// Sums of n terms: rounding grows at most with n; the reference sums in double.
inline double sum_tolerance(DType t, std::int64_t n) {
  return (t == DType::f32 ? 1.2e-7 : 2.3e-16) * (4 + static_cast<double>(n));
}
inline double tolerance(DType t) {
  return sum_tolerance(t, 8);
}

/// `a` in another layout.
inline Array in_layout(const Array& a, Layout from, Layout to) {
  if (from == to) return a;
  const KernelCase c{.op = "reorder", .words = {}, .inputs = {a}, .results = {{a.dtype, a.shape}}};
  return run_kernel(cpu_backend().layouts().reorder(c.results[0], from, to), c)[0];
}

/// Checks fast kernels against the reference kernel of the same request, with one and with two threads.
class KernelTest : public ::testing::TestWithParam<DType> {
 protected:
  ~KernelTest() override { set_thread_count(before_); }

  void check(const KernelCase& c) {
    const Kernel fast = make_kernel(cpu_backend(), c);
    if (!fast) {
      EXPECT_TRUE(c.may_be_absent) << c.name() << ": there is no fast kernel";
      return;
    }
    const Kernel reference = make_kernel(reference_backend(), c);
    ASSERT_TRUE(reference) << c.name();
    const std::vector<Array> expected = run_kernel(reference, c);
    set_thread_count(1);
    const std::vector<Array> one = run_kernel(fast, c);
    set_thread_count(2);
    const std::vector<Array> two = run_kernel(fast, c);
    for (std::size_t k = 0; k < expected.size(); ++k) {
      expect_close(one[k], expected[k], c.tolerance, c.name() + " result " + std::to_string(k));
      if (c.same_bits) {
        EXPECT_TRUE(same_bits(one[k], two[k])) << c.name() << ": two threads give other bits";
      } else {
        expect_close(two[k], expected[k], c.tolerance, c.name() + " with two threads");
      }
    }
  }

 private:
  int before_ = thread_count();
};

}  // namespace narae::testing
