#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "narae/core/export.h"

namespace narae {

struct ProgressOptions {
  int stream = 1;      ///< file descriptor to write to
  bool quiet = false;  ///< write nothing at all
};

/// Shows how training gets on: on a terminal a bar with rate, loss and time left, redrawn in place; otherwise a plain
/// line now and then. Colours only on a terminal, and not when NO_COLOR is set.
class NARAE_API Progress {
 public:
  explicit Progress(const ProgressOptions& options = {});
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  struct Epoch {
    std::int64_t number = 1;  ///< from 1
    std::int64_t epochs = 1;
    std::int64_t steps = 1;  ///< of an epoch
    std::int64_t batch_size = 1;
    std::string label = {};  ///< shown instead of "epoch 1/3"
  };
  void begin(const Epoch& epoch);
  /// `done` steps of this epoch have been made; `loss` is the mean over them.
  void step(std::int64_t done, double loss);
  /// A whole line, above the bar.
  void line(std::string_view text);
  /// The bar goes away.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] std::string head() const;
  [[nodiscard]] std::string status(std::int64_t done, double loss) const;
  void draw(std::int64_t done, const std::string& status);
  void write(std::string_view text) const;

  ProgressOptions options_;
  bool moving_;
  bool colors_;
  bool blocks_;  ///< the terminal shows UTF-8
  bool drawn_ = false;
  Epoch epoch_;
  Clock::time_point begun_ = {};
  Clock::time_point shown_ = {};
  std::int64_t counted_ = 0;  ///< steps since `begun_`
};

/// "0:07", "12:34", "1:02:03".
[[nodiscard]] NARAE_API std::string clock_text(double seconds);

}  // namespace narae
