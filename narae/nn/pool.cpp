#include "narae/nn/pool.h"

namespace narae::nn {
namespace {

std::string text_of(Size2d size) {
  return std::to_string(size.height) + "x" + std::to_string(size.width);
}

template <class Options>
std::string details_of(Size2d kernel, const Options& options) {
  std::string text = "kernel " + text_of(kernel);
  if (options.stride.value_or(kernel) != kernel) text += ", stride " + text_of(*options.stride);
  if (options.padding != Size2d(0)) text += ", padding " + text_of(options.padding);
  if (options.ceil_mode) text += ", ceil mode";
  return text;
}

}  // namespace

MaxPool2d::MaxPool2d(Size2d kernel, const MaxPool2dOptions& options)
    : Module("MaxPool2d", details_of(kernel, options)), kernel_(kernel), options_(options) {}
Tensor MaxPool2d::forward(const Tensor& x) const {
  return max_pool2d(x, kernel_, options_);
}

AvgPool2d::AvgPool2d(Size2d kernel, const AvgPool2dOptions& options)
    : Module("AvgPool2d", details_of(kernel, options)), kernel_(kernel), options_(options) {}
Tensor AvgPool2d::forward(const Tensor& x) const {
  return avg_pool2d(x, kernel_, options_);
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Size2d size) : Module("AdaptiveAvgPool2d", text_of(size)), size_(size) {}
Tensor AdaptiveAvgPool2d::forward(const Tensor& x) const {
  return adaptive_avg_pool2d(x, size_);
}

AdaptiveMaxPool2d::AdaptiveMaxPool2d(Size2d size) : Module("AdaptiveMaxPool2d", text_of(size)), size_(size) {}
Tensor AdaptiveMaxPool2d::forward(const Tensor& x) const {
  return adaptive_max_pool2d(x, size_);
}

Tensor GlobalAvgPool::forward(const Tensor& x) const {
  return global_avg_pool(x);
}

}  // namespace narae::nn
