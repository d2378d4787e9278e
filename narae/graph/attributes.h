#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "narae/core/error.h"
#include "narae/core/shape.h"
#include "narae/graph/op.h"

namespace narae {

/// The attributes of operators as structs of int64 words; ops and backends share these. Operators whose attributes
/// are a plain list (reshape, broadcast_to, transpose, ...) read the words as they are.

/// Reductions: bit i of `axes` is set when axis i is reduced; reduced axes keep extent 1 when `keep` is 1.
struct ReduceAttributes {
  std::int64_t axes;
  std::int64_t keep;
};
struct AxisAttributes {
  std::int64_t axis;
};
/// slice: elements start, start + step, ... (`length` of them) of `axis`; the start is a run-time input.
struct SliceAttributes {
  std::int64_t axis;
  std::int64_t length;
  std::int64_t step;
};
/// The products a b with either matrix transposed (last two axes).
struct MatmulAttributes {
  std::int64_t transpose_a;
  std::int64_t transpose_b;
};
/// Convolutions and their gradients. `extent`: height and width of what the gradient is taken for (the input or the
/// kernel); 0 in the forward convolution.
struct Conv2dAttributes {
  std::int64_t stride[2];
  std::int64_t padding[2];
  std::int64_t dilation[2];
  std::int64_t groups;
  std::int64_t extent[2];
};
/// Pooling and its gradients; `extent` as for convolutions. With `ceil_mode` 1 a last window may reach beyond the
/// padded input.
struct Pool2dAttributes {
  std::int64_t kernel[2];
  std::int64_t stride[2];
  std::int64_t padding[2];
  std::int64_t count_include_pad;
  std::int64_t ceil_mode;
  std::int64_t extent[2];
};
/// split3: three parts along an axis.
struct Split3Attributes {
  std::int64_t axis;
  std::int64_t lengths[3];
};
/// sort along an axis.
struct SortAttributes {
  std::int64_t axis;
  std::int64_t descending;
};
struct CumsumAttributes {
  std::int64_t axis;
  std::int64_t reverse;
};
struct CrossEntropyAttributes {
  std::int64_t ignore_index;
};
/// local_response_norm: over `size` neighbouring channels.
struct LocalResponseNormAttributes {
  std::int64_t size;
};
/// group_norm: the channels in `groups` parts.
struct GroupNormAttributes {
  std::int64_t groups;
};
/// layer_norm and rms_norm: over the last `axes` axes.
struct LayerNormAttributes {
  std::int64_t axes;
};

/// The words of an attribute struct.
template <class T>
[[nodiscard]] Attributes words_of(const T& attributes) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::int64_t) == 0);
  return {reinterpret_cast<const std::int64_t*>(&attributes), sizeof(T) / sizeof(std::int64_t)};
}

template <class T>
[[nodiscard]] T attributes_as(Attributes words) {
  static_assert(std::is_trivially_copyable_v<T>);
  T result;
  if (words.size_bytes() != sizeof result) throw Error("operator: wrong number of attributes");
  std::memcpy(&result, words.data(), sizeof result);
  return result;
}

/// A shape with the axes in the mask removed, or kept with extent 1.
[[nodiscard]] inline Shape reduced_shape(const Shape& shape, const ReduceAttributes& a) {
  Shape result;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool reduced = (a.axes >> i & 1) != 0;
    if (!reduced)
      result.push_back(shape[i]);
    else if (a.keep != 0)
      result.push_back(1);
  }
  return result;
}

}  // namespace narae
