#pragma once

#include <string_view>

#include "narae/core/array.h"
#include "narae/graph/tensor.h"

namespace narae::nn::init {

/// Which side of a weight its variance is scaled by: inputs (activations keep their size) or outputs (gradients do).
enum class Fan { in, out };

/// Inputs and outputs of a weight (outputs, inputs, ...): extents 1 and 0 times the extents behind them.
struct Fans {
  double in;
  double out;
};
/// Throws Error for a shape of less than two axes.
[[nodiscard]] NARAE_API Fans fans_of(const Shape& shape);

/// The factor that keeps the variance through a nonlinearity: "linear", "sigmoid", "tanh" 5/3, "relu" sqrt(2),
/// "leaky_relu" sqrt(2 / (1 + slope^2)), "selu" 3/4. Throws UsageError for another name.
[[nodiscard]] NARAE_API double gain(std::string_view nonlinearity, double slope = 0.01);

struct KaimingOptions {
  double a = 0;  ///< slope of the leaky ReLU that follows
  Fan mode = Fan::in;
  std::string_view nonlinearity = "leaky_relu";
};

/// Standard deviations of the initialisers below; the uniform ones draw from +- sqrt(3) times this.
[[nodiscard]] NARAE_API double xavier_std(const Shape& shape, double gain = 1);
[[nodiscard]] NARAE_API double kaiming_std(const Shape& shape, const KaimingOptions& options = {});

/// While it lives, the layers that this thread builds and the initialisers that it calls leave the values of parameters
/// undefined: for networks that are only counted, or that are given all weights by a strict load.
class NARAE_API Skip {
 public:
  Skip();
  ~Skip();
  Skip(const Skip&) = delete;
  Skip& operator=(const Skip&) = delete;
};

// Each function gives a variable new values; those that draw take the next number of the process's generator.

NARAE_API void zeros(const Tensor& variable);
NARAE_API void constant(const Tensor& variable, double value);
NARAE_API void normal(const Tensor& variable, double mean = 0, double std = 1);
NARAE_API void uniform(const Tensor& variable, double low = 0, double high = 1);
/// Glorot and Bengio 2010: variance gain^2 2 / (fan in + fan out).
NARAE_API void xavier_uniform(const Tensor& variable, double gain = 1);
NARAE_API void xavier_normal(const Tensor& variable, double gain = 1);
/// He et al. 2015: variance gain^2 / fan.
NARAE_API void kaiming_uniform(const Tensor& variable, const KaimingOptions& options = {});
NARAE_API void kaiming_normal(const Tensor& variable, const KaimingOptions& options = {});
/// Saxe et al. 2013: orthonormal rows or columns (whichever are fewer) of the weight as (extent 0, the rest), times
/// gain.
NARAE_API void orthogonal(const Tensor& variable, double gain = 1);
/// Ones on the diagonal of a matrix, zeros elsewhere (Le, Jaitly and Hinton 2015, recurrent weights).
NARAE_API void identity(const Tensor& variable);

/// Independent draws as an array, for the first value of a variable.
[[nodiscard]] NARAE_API Array draw_uniform(DType dtype, const Shape& shape, double low, double high);
[[nodiscard]] NARAE_API Array draw_normal(DType dtype, const Shape& shape, double mean, double std);

}  // namespace narae::nn::init
