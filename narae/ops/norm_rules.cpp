#include "narae/ops/norm_rules.h"

#include <string>

#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae::normalisation {

void require_floating(const char* op, std::span<const Node* const> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!is_floating(inputs[i]->dtype) || inputs[i]->dtype != inputs[0]->dtype) {
      throw Error(std::string(op) + ": argument " + std::to_string(i + 1) + " is " +
                  std::string(name_of(inputs[i]->dtype)) + ", x " + std::string(name_of(inputs[0]->dtype)) +
                  "; one floating type is needed, cast one of them");
    }
  }
}

void require_shape(const char* op, const char* argument, const Shape& shape, const Shape& wanted, const Shape& x) {
  if (shape == wanted) return;
  throw Error(std::string(op) + ": " + argument + " has shape " + to_string(shape) + ", x " + to_string(x) + "; " +
              to_string(wanted) + " is needed");
}

void require_rows(const char* op, const Shape& x, std::int64_t axes) {
  if (axes < 1 || axes > x.rank()) {
    throw Error(std::string(op) + ": x has shape " + to_string(x) + "; can't normalise its last " +
                std::to_string(axes) + " axes");
  }
}

Tensor eps_of(const char* op, const Tensor& x, double eps) {
  if (!x.defined()) throw Error(std::string(op) + ": x is undefined");
  return scalar(eps, x.dtype());
}

Tensor over_channels(const Tensor& statistic, const Tensor& x) {
  Shape shape;
  for (int i = 0; i < x.rank(); ++i) shape.push_back(i == 1 ? x.size(1) : 1);
  return broadcast_to(reshape(statistic, shape), x.shape());
}

Axes all_but_channels(const Tensor& x) {
  Shape axes;
  for (int i = 0; i < x.rank(); ++i)
    if (i != 1) axes.push_back(i);
  return {axes.dims()};
}

double per_channel(const Tensor& x) {
  return static_cast<double>(x.count()) / static_cast<double>(x.size(1));
}

Shape leading(const Shape& x, std::int64_t axes) {
  return Shape(x.dims().first(static_cast<std::size_t>(x.rank() - axes)));
}
Shape trailing(const Shape& x, std::int64_t axes) {
  return Shape(x.dims().last(static_cast<std::size_t>(axes)));
}

RowAxes::RowAxes(const Tensor& of, std::int64_t axes)
    : x(of), kept(of.shape()), length(static_cast<double>(trailing(of.shape(), axes).count())) {
  Shape outer;
  Shape inner;
  for (int i = 0; i < x.rank(); ++i) {
    (i < x.rank() - axes ? outer : inner).push_back(i);
    if (i >= x.rank() - axes) kept.set(i, 1);
  }
  rows = Axes(outer.dims());
  elements = Axes(inner.dims());
}

Tensor RowAxes::over_rows(const Tensor& statistic) const {
  return broadcast_to(reshape(statistic, kept), x.shape());
}

void add_to(Tensor& sum, const Tensor& part) {
  sum = sum.defined() ? sum + part : part;
}

}  // namespace narae::normalisation
