#include "narae/nn/conv.h"

#include <cmath>

#include "narae/nn/init.h"

namespace narae::nn {
namespace {

std::string text_of(Size2d size) {
  return std::to_string(size.height) + "x" + std::to_string(size.width);
}

template <class Options>
std::string details_of(std::int64_t channels, std::int64_t filters, Size2d kernel, const Options& options) {
  std::string text = std::to_string(channels) + ", " + std::to_string(filters) + ", kernel " + text_of(kernel);
  if (options.stride != Size2d(1)) text += ", stride " + text_of(options.stride);
  if (options.padding != Size2d(0)) text += ", padding " + text_of(options.padding);
  if constexpr (requires { options.output_padding; }) {
    if (options.output_padding != Size2d(0)) text += ", output padding " + text_of(options.output_padding);
  }
  if (options.dilation != Size2d(1)) text += ", dilation " + text_of(options.dilation);
  if (options.groups != 1) text += ", groups " + std::to_string(options.groups);
  if (!options.bias) text += ", no bias";
  return text;
}

void require_extents(const Module& module, std::int64_t channels, std::int64_t filters, Size2d kernel,
                     std::int64_t groups) {
  if (channels < 1 || filters < 1 || kernel.height < 1 || kernel.width < 1) {
    throw Error(module.kind() + ": " + module.details() + ": channels, filters and kernel must be at least 1");
  }
  if (groups < 1 || channels % groups != 0 || filters % groups != 0) {
    throw Error(module.kind() + ": " + module.details() + ": the groups must divide channels and filters");
  }
}

}  // namespace

Conv2d::Conv2d(std::int64_t channels, std::int64_t filters, Size2d kernel, const Conv2dOptions& options)
    : Module("Conv2d", details_of(channels, filters, kernel, options)),
      geometry_{.stride = options.stride,
                .padding = options.padding,
                .dilation = options.dilation,
                .groups = options.groups} {
  require_extents(*this, channels, filters, kernel, options.groups);
  // kaiming_uniform with a = sqrt(5), PyTorch's choice.
  const Shape shape{filters, channels / options.groups, kernel.height, kernel.width};
  const double bound = 1 / std::sqrt(init::fans_of(shape).in);
  weight_ = register_parameter("weight", init::draw_uniform(options.dtype, shape, -bound, bound));
  if (options.bias) bias_ = register_parameter("bias", init::draw_uniform(options.dtype, {filters}, -bound, bound));
}

Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(x, weight_, bias_, geometry_);
}

ConvTranspose2d::ConvTranspose2d(std::int64_t channels, std::int64_t filters, Size2d kernel,
                                 const ConvTranspose2dOptions& options)
    : Module("ConvTranspose2d", details_of(channels, filters, kernel, options)),
      geometry_{.stride = options.stride,
                .padding = options.padding,
                .output_padding = options.output_padding,
                .dilation = options.dilation,
                .groups = options.groups} {
  require_extents(*this, channels, filters, kernel, options.groups);
  // kaiming_uniform with a = sqrt(5), PyTorch's choice; the second axis counts as the fan in.
  const Shape shape{channels, filters / options.groups, kernel.height, kernel.width};
  const double bound = 1 / std::sqrt(init::fans_of(shape).in);
  weight_ = register_parameter("weight", init::draw_uniform(options.dtype, shape, -bound, bound));
  if (options.bias) bias_ = register_parameter("bias", init::draw_uniform(options.dtype, {filters}, -bound, bound));
}

Tensor ConvTranspose2d::forward(const Tensor& x) const {
  return conv_transpose2d(x, weight_, bias_, geometry_);
}

}  // namespace narae::nn
