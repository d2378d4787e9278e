#pragma once

#include <cstdint>

namespace narae::cpu {

/// Local response normalisation of one image of `channels` planes, see ops/local_response_norm.h.
template <class T>
struct ChannelWindows {
  std::int64_t channels, plane, size;
  T alpha, beta, k;
};

/// Pixels that are worked on at a time.
inline constexpr std::int64_t channel_windows_tile = 64;

void local_response(const ChannelWindows<float>& w, const float* x, float* y);
void local_response(const ChannelWindows<double>& w, const double* x, double* y);
/// `memory`: channels * channel_windows_tile numbers.
void local_response_gradient(const ChannelWindows<float>& w, const float* x, const float* dy, float* dx, float* memory);
void local_response_gradient(const ChannelWindows<double>& w, const double* x, const double* dy, double* dx,
                             double* memory);

}  // namespace narae::cpu
