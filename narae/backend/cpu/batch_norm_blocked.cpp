// Statistics of channels that lie in blocks, and what batch normalisation does with them.
#include "narae/backend/cpu/batch_norm_blocked.h"

#include <algorithm>
#include <cmath>

#include "narae/backend/cpu/block_rows.h"
#include "narae/backend/cpu/block_sums.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

constexpr float zeros[16] = {};

// Scratch memory: the doubles of BlockSums, then numbers for each channel.
struct Memory {
  double* sums;
  float* numbers;

  Memory(const KernelArguments& at, const BlockSums& sums_of)
      : sums(reinterpret_cast<double*>(at.scratch)), numbers(reinterpret_cast<float*>(sums + sums_of.memory_size())) {}
};

std::size_t scratch_bytes(const ChannelBlocks& b, std::int64_t numbers_per_channel) {
  const auto sums = static_cast<std::size_t>(BlockSums(b).memory_size());
  return sums * sizeof(double) + static_cast<std::size_t>(numbers_per_channel * b.channels()) * sizeof(float);
}

double per_channel(const ChannelBlocks& b) {
  return static_cast<double>(b.batch * b.pixels());
}
double numbers_of(const ChannelBlocks& b) {
  return per_channel(b) * static_cast<double>(b.channels());
}

// One pass: sums of x - a and its square for a number a near the mean, that of the first image.
void statistics(const ChannelBlocks& b, const KernelArguments& at) {
  const BlockRows& rows = block_rows(b.block);
  const BlockSums sums(b);
  const Memory memory(at, sums);
  const auto* x = at.in<float>(0);
  float* about = memory.numbers;
  for (std::int64_t block = 0; block < b.blocks; ++block) {
    double sum[16] = {};
    double square[16] = {};
    rows.moments(x + block * b.plane(), b.pixels(), zeros, sum, square);
    for (std::int64_t i = 0; i < b.block; ++i) {
      about[block * b.block + i] = static_cast<float>(sum[i] / static_cast<double>(b.pixels()));
    }
  }
  sums.run(memory.sums, [&](std::int64_t start, std::int64_t block, double* first, double* second) {
    rows.moments(x + start, b.pixels(), about + block * b.block, first, second);
  });
  const double m = per_channel(b);
  for (std::int64_t c = 0; c < b.channels(); ++c) {
    const double distance = sums.total(memory.sums, 0, c) / m;
    const double variance = sums.total(memory.sums, 1, c) / m - distance * distance;
    at.out<float>(0)[c] = static_cast<float>(static_cast<double>(about[c]) + distance);
    at.out<float>(1)[c] = static_cast<float>(std::max(0.0, variance));
  }
}

// dx = dy a + (x - mean) b + c, see batch_norm.cpp.
void gradient(const ChannelBlocks& b, const KernelArguments& at) {
  const BlockRows& rows = block_rows(b.block);
  const BlockSums sums(b);
  const Memory memory(at, sums);
  const auto* x = at.in<float>(0);
  const auto* mean = at.in<float>(2);
  const auto* dy = at.in<float>(5);
  sums.run(memory.sums, [&](std::int64_t start, std::int64_t block, double* first, double* second) {
    rows.gradient_sums(x + start, dy + start, b.pixels(), mean + block * b.block, first, second);
  });
  float* of_dy = memory.numbers;
  float* of_x = of_dy + b.channels();
  float* rest = of_x + b.channels();
  const double m = per_channel(b);
  const auto eps = static_cast<double>(*at.in<float>(4));
  for (std::int64_t c = 0; c < b.channels(); ++c) {
    const double r = 1 / std::sqrt(static_cast<double>(at.in<float>(3)[c]) + eps);
    const double scale = static_cast<double>(at.in<float>(1)[c]) * r;
    const double sum = sums.total(memory.sums, 0, c);
    const double product = sums.total(memory.sums, 1, c);
    of_dy[c] = static_cast<float>(scale);
    of_x[c] = static_cast<float>(-scale * r * r * product / m);
    rest[c] = static_cast<float>(-scale * sum / m);
    at.out<float>(1)[c] = static_cast<float>(product * r);
    at.out<float>(2)[c] = static_cast<float>(sum);
  }
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / b.plane());
  parallel_for(b.batch * b.blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t start = item * b.plane();
      const std::int64_t c = item % b.blocks * b.block;
      rows.gradient(x + start, dy + start, b.pixels(), mean + c, of_dy + c, of_x + c, rest + c,
                    at.out<float>(0) + start);
    }
  });
}

void channel_sum(const ChannelBlocks& b, const KernelArguments& at) {
  const BlockRows& rows = block_rows(b.block);
  const BlockSums sums(b);
  const Memory memory(at, sums);
  const auto* x = at.in<float>(0);
  sums.run(memory.sums, [&](std::int64_t start, std::int64_t, double* first, double* second) {
    rows.moments(x + start, b.pixels(), zeros, first, second);
  });
  for (std::int64_t c = 0; c < b.channels(); ++c) {
    at.out<float>(0)[c] = static_cast<float>(sums.total(memory.sums, 0, c));
  }
}

void plane_sum(const ChannelBlocks& b, const KernelArguments& at) {
  const BlockRows& rows = block_rows(b.block);
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / b.plane());
  parallel_for(b.batch * b.blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      double sum[16] = {};
      double square[16] = {};
      rows.moments(at.in<float>(0) + item * b.plane(), b.pixels(), zeros, sum, square);
      for (std::int64_t i = 0; i < b.block; ++i) at.out<float>(0)[item * b.block + i] = static_cast<float>(sum[i]);
    }
  });
}

}  // namespace

Kernel make_blocked_plane_sum(const ChannelBlocks& b) {
  return {.run = [b](const KernelArguments& at) { plane_sum(b, at); }, .flops = numbers_of(b)};
}

Kernel make_blocked_statistics(const ChannelBlocks& b) {
  return {.run = [b](const KernelArguments& at) { statistics(b, at); },
          .scratch_bytes = scratch_bytes(b, 1),
          .flops = 4 * numbers_of(b)};
}

Kernel make_blocked_batch_norm_gradient(const ChannelBlocks& b) {
  return {.run = [b](const KernelArguments& at) { gradient(b, at); },
          .scratch_bytes = scratch_bytes(b, 3),
          .flops = 9 * numbers_of(b),
          .in_place = {5, 0}};
}

Kernel make_blocked_channel_sum(const ChannelBlocks& b) {
  return {.run = [b](const KernelArguments& at) { channel_sum(b, at); },
          .scratch_bytes = scratch_bytes(b, 0),
          .flops = numbers_of(b)};
}

}  // namespace narae::cpu
