#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "narae/core/random.h"
#include "narae/graph/eval.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"

// What tests of plans share.
namespace narae::plan {

/// Normal numbers, a stream of the seed for each tensor.
struct RandomTensors {
  std::uint64_t seed;

  [[nodiscard]] Tensor operator()(const Shape& shape, std::uint64_t stream, DType dtype = DType::f32) const {
    RandomStream numbers(seed, stream);
    Array a = Array::empty(DType::f32, shape);
    for (float& x : a.mutable_values<float>()) x = numbers.normal();
    return cast(a, dtype).eval();
  }
};

/// Passes may do this, for as long as it lives.
class WithOptions {
 public:
  explicit WithOptions(const PlanOptions& options) : before_(plan_options()) { set_plan_options(options); }
  ~WithOptions() { set_plan_options(before_); }
  WithOptions(const WithOptions&) = delete;
  WithOptions& operator=(const WithOptions&) = delete;

 private:
  PlanOptions before_;
};

/// Steps of the last plan with `part` in their name.
inline std::int64_t steps_named(const std::string& part) {
  const std::vector<std::string> names = last_plan().names;
  return std::count_if(names.begin(), names.end(),
                       [&](const std::string& name) { return name.find(part) != std::string::npos; });
}

}  // namespace narae::plan
