#pragma once

// What the records of the normalisations share.

#include <cstdint>
#include <span>

#include "narae/graph/node.h"
#include "narae/graph/tensor.h"
#include "narae/ops/reduce.h"

namespace narae::normalisation {

/// Throws Error unless all arguments have one floating type.
void require_floating(const char* op, std::span<const Node* const> inputs);
/// Throws Error naming both shapes unless `shape`, of the argument with that name, is `wanted`.
void require_shape(const char* op, const char* argument, const Shape& shape, const Shape& wanted, const Shape& x);
/// Throws Error unless x has `axes` last axes to normalise over.
void require_rows(const char* op, const Shape& x, std::int64_t axes);
/// eps as a scalar of x's type.
[[nodiscard]] Tensor eps_of(const char* op, const Tensor& x, double eps);

/// (channels) repeated over x: (batch, channels, ...).
[[nodiscard]] Tensor over_channels(const Tensor& statistic, const Tensor& x);
[[nodiscard]] Axes all_but_channels(const Tensor& x);
/// Elements of a channel.
[[nodiscard]] double per_channel(const Tensor& x);

/// The first axes of x, those before its last `axes`; and the last ones.
[[nodiscard]] Shape leading(const Shape& x, std::int64_t axes);
[[nodiscard]] Shape trailing(const Shape& x, std::int64_t axes);

/// Of a tensor like x: its last axes, which make a row, and those before them.
struct RowAxes {
  RowAxes(const Tensor& of, std::int64_t axes);
  /// A statistic of each row, repeated over the row.
  [[nodiscard]] Tensor over_rows(const Tensor& statistic) const;

  const Tensor& x;
  Axes rows;
  Axes elements;
  Shape kept;     ///< of x, with 1 for the axes of a row
  double length;  ///< of a row
};

/// sum += part, for a sum that may still be undefined.
void add_to(Tensor& sum, const Tensor& part);

}  // namespace narae::normalisation
