#pragma once

#include <vector>

#include "narae/core/export.h"

namespace narae::nn {

/// Rows of numbers.
using Rows = std::vector<std::vector<double>>;

/// A recurrent network small enough to be worked out by hand: h_t = tanh(x_t Wxh + h_{t-1} Whh), y_t = Why h_t,
/// L = sum over t of 1/2 |Y_t - y_t|^2, with h_{-1} = 0.
struct BpttExample {
  Rows x;     ///< (steps, inputs)
  Rows y;     ///< (steps, outputs): what y_t should be
  Rows w_xh;  ///< (inputs, units)
  Rows w_hh;  ///< (units, units)
  Rows w_hy;  ///< (outputs, units)
};

/// Four steps, three inputs, two units, two outputs.
[[nodiscard]] NARAE_API BpttExample worked_example();

/// Everything that happens in one time step. A product of a column and a row is what the step adds to the gradient of
/// a weight.
struct BpttStep {
  std::vector<double> x = {};
  std::vector<double> h = {};
  std::vector<double> y = {};
  double loss = 0;
  std::vector<double> dy = {};     ///< dL/dy_t = y_t - Y_t
  std::vector<double> dh = {};     ///< dL/dh_t = Why^T dy_t + Whh delta_{t+1}
  std::vector<double> delta = {};  ///< dL/dz_t = dh_t (1 - h_t^2), with h_t = tanh(z_t)
  Rows w_xh = {};                  ///< x_t delta_t
  Rows w_hh = {};                  ///< h_{t-1} delta_t
  Rows w_hy = {};                  ///< dy_t h_t
};

struct BpttTrace {
  std::vector<BpttStep> steps;
  double loss = 0;
  Rows w_xh, w_hh, w_hy;  ///< gradients: the sums of what the steps add
};

/// Backpropagation through time (Werbos 1990) step by step, in double and without the library's own differentiation:
/// what that has to agree with. Throws Error for shapes that do not fit together.
[[nodiscard]] NARAE_API BpttTrace backpropagate_through_time(const BpttExample& example);

}  // namespace narae::nn
