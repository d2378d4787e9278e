#pragma once

#include <cstdint>

namespace narae::cpu {

// The arithmetic of recurrent cells for `count` neighbouring units of one sequence, behind the recurrent product.
// Gates of one unit lie `pitch` numbers apart in `p`, `gates` and what is written for them, `product_pitch` in the
// product. Pointers that may be null are said to be.

template <class T>
struct RnnStep {
  std::int64_t count;
  const T* product;
  const T* p;
  T* h;
};
/// d = product + dh + handed_back; dp = d f'(h).
template <class T>
struct RnnStepGradient {
  std::int64_t count;
  const T* product;
  const T* dh;
  const T* handed_back;  ///< may be null
  const T* h;
  T* dp;
};

template <class T>
struct LstmStep {
  std::int64_t count, product_pitch, pitch;
  const T* product;
  const T* p;
  const T* c_before;
  T* c;
  T* h;
  T* gates;
};
template <class T>
struct LstmStepGradient {
  std::int64_t count, pitch;
  const T* product;
  const T* dh;           ///< may be null
  const T* handed_back;  ///< may be null
  const T* outside;      ///< cotangent of the cells from outside, may be null
  const T* gates;
  const T* c;
  const T* c_before;
  T* dc;  ///< of the cells after the step, replaced by that of the cells before it
  T* dp;
};

/// With the reset gate after the product: gates are r, z, n, q.
template <class T>
struct GruStep {
  std::int64_t count, product_pitch, pitch;
  const T* product;
  const T* p;
  const T* b_hn;
  const T* h_before;
  T* h;
  T* gates;
};
template <class T>
struct GruStepGradient {
  std::int64_t count, pitch;
  const T* product;
  const T* dh;
  const T* gates;
  const T* h_before;
  T* handed_back;  ///< what the next step handed back, replaced by what this step does
  T* dp;
  T* dproduct;
};

/// With the reset gate before the product: gates are r, z, n. First r, z and r h, then, behind the product with r h, n
/// and h.
template <class T>
struct GruResetStep {
  std::int64_t count, product_pitch, pitch;
  const T* product;
  const T* p;
  const T* h_before;
  T* reset;  ///< r h
  T* gates;
};
template <class T>
struct GruCandidateStep {
  std::int64_t count, pitch;
  const T* product;
  const T* p;
  const T* h_before;
  T* h;
  T* gates;
};
/// Their gradients: of z and n with d = product + dh + handed_back, then, with product as the cotangent of r h, of r.
template <class T>
struct GruCandidateStepGradient {
  std::int64_t count, pitch;
  const T* product;
  const T* dh;
  const T* gates;
  const T* h_before;
  T* handed_back;  ///< replaced by d z
  T* dp;
};
template <class T>
struct GruResetStepGradient {
  std::int64_t count, pitch;
  const T* product;
  const T* gates;
  const T* h_before;
  T* handed_back;  ///< r times the product is added
  T* dp;
};

template <class T>
struct RecurrentGates {
  void (*rnn_tanh)(const RnnStep<T>& step);
  void (*rnn_relu)(const RnnStep<T>& step);
  void (*rnn_tanh_gradient)(const RnnStepGradient<T>& step);
  void (*rnn_relu_gradient)(const RnnStepGradient<T>& step);
  void (*lstm)(const LstmStep<T>& step);
  void (*lstm_gradient)(const LstmStepGradient<T>& step);
  void (*gru)(const GruStep<T>& step);
  void (*gru_gradient)(const GruStepGradient<T>& step);
  void (*gru_reset)(const GruResetStep<T>& step);
  void (*gru_candidate)(const GruCandidateStep<T>& step);
  void (*gru_candidate_gradient)(const GruCandidateStepGradient<T>& step);
  void (*gru_reset_gradient)(const GruResetStepGradient<T>& step);
  /// y = a + b + c; c may be null.
  void (*add)(std::int64_t count, const T* a, const T* b, const T* c, T* y);
};
template <class T>
[[nodiscard]] const RecurrentGates<T>& recurrent_gates();
template <>
[[nodiscard]] const RecurrentGates<float>& recurrent_gates<float>();
template <>
[[nodiscard]] const RecurrentGates<double>& recurrent_gates<double>();

}  // namespace narae::cpu
