#pragma once

#include <string>
#include <vector>

namespace narae::bench {

/// How fast one core makes batches of 32 x 32 colour pictures that lie in memory.
struct LoadingSpeed {
  std::string augmentation;
  double pictures_per_second;
};
[[nodiscard]] std::vector<LoadingSpeed> measure_loading(int rounds);

}  // namespace narae::bench
