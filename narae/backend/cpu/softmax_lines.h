#pragma once

#include <cstdint>

namespace narae::cpu {

/// One line of a softmax: `length` numbers `stride` apart; with a stride above 1, `width` <= stride neighbouring lines
/// at once. For the gradients a is y and b is dy, else a is x. Results may be written over the inputs.
template <class T>
struct SoftmaxLines {
  const T* a;
  const T* b;
  T* result;
  std::int64_t length, stride, width;
};

enum class SoftmaxKind { softmax, log_softmax, softmax_gradient, log_softmax_gradient };

using SoftmaxFunctionF32 = void (*)(const SoftmaxLines<float>& lines);
using SoftmaxFunctionF64 = void (*)(const SoftmaxLines<double>& lines);
[[nodiscard]] SoftmaxFunctionF32 softmax_f32(SoftmaxKind kind);
[[nodiscard]] SoftmaxFunctionF64 softmax_f64(SoftmaxKind kind);

}  // namespace narae::cpu
