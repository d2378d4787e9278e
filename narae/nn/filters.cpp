#include "narae/nn/filters.h"

#include <cmath>
#include <functional>

#include "narae/core/error.h"
#include "narae/ops/conv.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae::nn {
namespace {

// A kernel from its weight at each row and column, counted from the middle.
ImageFilter square_filter(const std::string& name, std::int64_t size,
                          const std::function<double(std::int64_t row, std::int64_t column)>& weight) {
  if (size < 1 || size % 2 == 0) {
    throw Error(name + ": a filter of " + std::to_string(size) + " pixels has no middle; the size must be odd");
  }
  ImageFilter filter{.name = name, .kernel = Array::empty(DType::f32, {size, size})};
  const auto values = filter.kernel.mutable_values<float>();
  std::size_t next = 0;
  for (std::int64_t row = -size / 2; row <= size / 2; ++row)
    for (std::int64_t column = -size / 2; column <= size / 2; ++column)
      values[next++] = static_cast<float>(weight(row, column));
  return filter;
}

// 1 2 1 along the edge, -1 0 1 across it.
double sobel(std::int64_t along, std::int64_t across) {
  return static_cast<double>((along == 0 ? 2 : 1) * across);
}

// x with the first and the last position of an axis repeated `times` times.
Tensor with_repeated_border(const Tensor& x, int axis, std::int64_t times) {
  if (times == 0) return x;
  Shape border = x.shape();
  border.set(axis, times);
  const Tensor first = broadcast_to(narrow(x, axis, 0, 1), border);
  const Tensor last = broadcast_to(narrow(x, axis, x.size(axis) - 1, 1), border);
  return concat({first, x, last}, axis);
}

}  // namespace

ImageFilter box_filter(std::int64_t size) {
  return square_filter("box", size, [&](std::int64_t, std::int64_t) { return 1 / static_cast<double>(size * size); });
}

ImageFilter gaussian_filter(std::int64_t size, double sigma) {
  if (!(sigma > 0)) throw Error("gaussian: sigma must be positive, not " + std::to_string(sigma));
  const auto bell = [&](std::int64_t row, std::int64_t column) {
    return std::exp(-static_cast<double>(row * row + column * column) / (2 * sigma * sigma));
  };
  double total = 0;
  for (std::int64_t row = -size / 2; row <= size / 2; ++row)
    for (std::int64_t column = -size / 2; column <= size / 2; ++column) total += bell(row, column);
  return square_filter("gaussian", size,
                       [&](std::int64_t row, std::int64_t column) { return bell(row, column) / total; });
}

ImageFilter sharpen_filter() {
  return square_filter("sharpen", 3, [](std::int64_t row, std::int64_t column) {
    if (row == 0 && column == 0) return 5.0;
    return row == 0 || column == 0 ? -1.0 : 0.0;
  });
}

ImageFilter horizontal_edge_filter() {
  ImageFilter filter =
      square_filter("horizontal_edge", 3, [](std::int64_t row, std::int64_t column) { return sobel(column, row); });
  filter.finds_edges = true;
  return filter;
}

ImageFilter vertical_edge_filter() {
  ImageFilter filter =
      square_filter("vertical_edge", 3, [](std::int64_t row, std::int64_t column) { return sobel(row, column); });
  filter.finds_edges = true;
  return filter;
}

ImageFilter motion_filter(std::int64_t size) {
  return square_filter("motion", size, [&](std::int64_t row, std::int64_t column) {
    return row == column ? 1 / static_cast<double>(size) : 0.0;
  });
}

std::vector<ImageFilter> image_filters() {
  return {box_filter(),           gaussian_filter(), sharpen_filter(), horizontal_edge_filter(),
          vertical_edge_filter(), motion_filter()};
}

Tensor apply_filter(const Tensor& x, const ImageFilter& filter) {
  if (!x.defined() || x.rank() != 4 || !is_floating(x.dtype()) || x.count() == 0) {
    throw Error("apply_filter: x is " +
                (x.defined() ? std::string(name_of(x.dtype())) + " " + to_string(x.shape()) : "undefined") +
                "; a floating (batch, channels, height, width) is needed");
  }
  const Shape& size = filter.kernel.shape;
  if (filter.kernel.dtype != DType::f32 || size.rank() != 2 || size[0] % 2 == 0 || size[1] % 2 == 0) {
    throw Error("apply_filter: the kernel is " + std::string(name_of(filter.kernel.dtype)) + " " + to_string(size) +
                "; f32 of odd height and width is needed");
  }
  const std::int64_t channels = x.size(1);
  const Tensor one = cast(reshape(Tensor(filter.kernel), {1, 1, size[0], size[1]}), x.dtype());
  const Tensor weight = broadcast_to(one, {channels, 1, size[0], size[1]});
  const Tensor wide = with_repeated_border(with_repeated_border(x, 2, size[0] / 2), 3, size[1] / 2);
  return conv2d(wide, weight, {}, {.groups = channels});
}

}  // namespace narae::nn
