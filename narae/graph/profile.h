#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "narae/core/export.h"

namespace narae {

/// One step of a plan, as it ran.
struct ProfiledStep {
  std::string name;         ///< "matmul", "loop[add relu]", ...
  std::string module;       ///< path of the module that wrote it; "" outside any
  std::int64_t evaluation;  ///< which of the evaluations that were profiled, from 0
  std::uint32_t thread;     ///< which of the threads that evaluated, from 0
  double begin;             ///< seconds since the profile began
  double seconds;
  double flops;  ///< floating-point operations, as the operator defines them; 0 where nobody counts
  double bytes;  ///< read and written
};

/// While it lives, the steps of all plans that run in this process are timed and kept: whole evaluations, the first
/// ones, until there are `most_steps` of them. There can be one at a time; throws Error otherwise.
class NARAE_API Profile {
 public:
  explicit Profile(std::size_t most_steps = 200'000);
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// In the order in which they ended.
  [[nodiscard]] std::vector<ProfiledStep> steps() const;
  /// Evaluations that were left out, since there was no more room.
  [[nodiscard]] std::int64_t left_out() const;
};

namespace detail {

/// Whether a Profile lives that has room for another evaluation; then its number, else -1.
[[nodiscard]] NARAE_API std::int64_t begin_profiled_evaluation();
/// Seconds since the profile began.
[[nodiscard]] NARAE_API double profile_time();
NARAE_API void add_profiled_step(ProfiledStep step);

}  // namespace detail
}  // namespace narae
