#include <algorithm>
#include <cmath>
#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// The lines of a shape along one axis: `count` of them, each `length` elements `stride` apart.
struct Lines {
  std::int64_t count = 1, length, stride = 1;

  Lines(const Shape& shape, std::int64_t axis) : length(shape[static_cast<int>(axis)]) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (i != axis) count *= shape[i];
      if (i > axis) stride *= shape[i];
    }
  }
  [[nodiscard]] std::int64_t start(std::int64_t line) const { return line / stride * stride * length + line % stride; }
};

Lines lines_of(const KernelRequest& request) {
  return {request.results[0].shape, attributes_as<AxisAttributes>(request.attributes).axis};
}

template <class T>
double maximum(const T* x, const Lines& lines) {
  double result = -INFINITY;
  for (std::int64_t i = 0; i < lines.length; ++i) result = std::fmax(result, x[i * lines.stride]);
  return result;
}

template <class T>
double sum_of_exponentials(const T* x, const Lines& lines, double shift) {
  double sum = 0;
  for (std::int64_t i = 0; i < lines.length; ++i) sum += std::exp(x[i * lines.stride] - shift);
  return sum;
}

Kernel make_softmax(const KernelRequest& request) {
  const Lines lines = lines_of(request);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [lines](const KernelArguments& at) {
      for (std::int64_t line = 0; line < lines.count; ++line) {
        const T* x = at.in<T>(0) + lines.start(line);
        T* y = at.out<T>(0) + lines.start(line);
        const double shift = maximum(x, lines);
        const double sum = sum_of_exponentials(x, lines, shift);
        for (std::int64_t i = 0; i < lines.length; ++i) {
          y[i * lines.stride] = static_cast<T>(std::exp(x[i * lines.stride] - shift) / sum);
        }
      }
    }};
  });
}

Kernel make_log_softmax(const KernelRequest& request) {
  const Lines lines = lines_of(request);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [lines](const KernelArguments& at) {
      for (std::int64_t line = 0; line < lines.count; ++line) {
        const T* x = at.in<T>(0) + lines.start(line);
        T* y = at.out<T>(0) + lines.start(line);
        const double shift = maximum(x, lines);
        const double logarithm = std::log(sum_of_exponentials(x, lines, shift));
        for (std::int64_t i = 0; i < lines.length; ++i) {
          y[i * lines.stride] = static_cast<T>(x[i * lines.stride] - shift - logarithm);
        }
      }
    }};
  });
}

// softmax: dx = y (dy - sum(y dy)); log_softmax: dx = dy - exp(y) sum(dy).
template <bool logarithmic>
Kernel make_gradient(const KernelRequest& request) {
  const Lines lines = lines_of(request);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [lines](const KernelArguments& at) {
      for (std::int64_t line = 0; line < lines.count; ++line) {
        const T* y = at.in<T>(0) + lines.start(line);
        const T* dy = at.in<T>(1) + lines.start(line);
        T* dx = at.out<T>(0) + lines.start(line);
        double sum = 0;
        for (std::int64_t i = 0; i < lines.length * lines.stride; i += lines.stride) {
          sum += logarithmic ? static_cast<double>(dy[i]) : static_cast<double>(y[i]) * dy[i];
        }
        for (std::int64_t i = 0; i < lines.length * lines.stride; i += lines.stride) {
          const double v = y[i];
          dx[i] = static_cast<T>(logarithmic ? dy[i] - std::exp(v) * sum : v * (dy[i] - sum));
        }
      }
    }};
  });
}

// The lines are gathered element by element: input element -> result element.
Kernel make_logsumexp(const KernelRequest& request) {
  const Shape shape = request.inputs[0].shape;
  const auto a = attributes_as<ReduceAttributes>(request.attributes);
  const std::int64_t results = request.results[0].shape.count();
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [shape, a, results](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      T* y = at.out<T>(0);
      const Shape strides = contiguous_strides(reduced_shape(shape, {a.axes, 1}));
      const auto result_of = [&](std::int64_t i) {
        std::int64_t result = 0;
        for (int axis = shape.rank() - 1; axis >= 0; --axis) {
          if ((a.axes >> axis & 1) == 0) result += i % shape[axis] * strides[axis];
          i /= shape[axis];
        }
        return static_cast<std::size_t>(result);
      };
      std::vector<double> shifts(static_cast<std::size_t>(results), -INFINITY);
      std::vector<double> sums(shifts.size());
      for (std::int64_t i = 0; i < shape.count(); ++i) {
        double& shift = shifts[result_of(i)];
        shift = std::fmax(shift, x[i]);
      }
      for (double& shift : shifts)
        if (std::isinf(shift)) shift = 0;
      for (std::int64_t i = 0; i < shape.count(); ++i) {
        const std::size_t r = result_of(i);
        sums[r] += std::exp(x[i] - shifts[r]);
      }
      for (std::size_t r = 0; r < sums.size(); ++r) y[r] = static_cast<T>(std::log(sums[r]) + shifts[r]);
    }};
  });
}

const DefineKernel softmax(reference_backend(), "softmax", make_softmax);
const DefineKernel log_softmax(reference_backend(), "log_softmax", make_log_softmax);
const DefineKernel softmax_gradient(reference_backend(), "softmax_gradient", make_gradient<false>);
const DefineKernel log_softmax_gradient(reference_backend(), "log_softmax_gradient", make_gradient<true>);
const DefineKernel logsumexp(reference_backend(), "logsumexp", make_logsumexp);

}  // namespace
}  // namespace narae
