// softmax, log_softmax and their gradients along any axis.
#include <algorithm>

#include "narae/backend/cpu/softmax_lines.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

template <class T, class Function>
Kernel along_axis(const Shape& shape, std::int64_t axis, bool two_inputs, Function function) {
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (i < axis) outer *= shape[i];
    if (i > axis) inner *= shape[i];
  }
  const std::int64_t length = shape[static_cast<int>(axis)];
  // Lines next to each other are done 64 at a time.
  constexpr std::int64_t block = 64;
  const std::int64_t blocks = (inner + block - 1) / block;
  const std::int64_t work = length * std::min(inner, block);
  const std::int64_t grain = std::max<std::int64_t>(1, 4096 / work);
  Kernel kernel{.run = {}, .flops = 12.0 * static_cast<double>(shape.count())};
  kernel.in_place = two_inputs ? std::vector<int>{0, 1} : std::vector<int>{0};
  kernel.run = [=](const KernelArguments& at) {
    parallel_for(outer * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % blocks * block;
        const std::int64_t offset = i / blocks * length * inner + first;
        function(SoftmaxLines<T>{.a = at.in<T>(0) + offset,
                                 .b = two_inputs ? at.in<T>(1) + offset : nullptr,
                                 .result = at.out<T>(0) + offset,
                                 .length = length,
                                 .stride = inner,
                                 .width = std::min(block, inner - first)});
      }
    });
  };
  return kernel;
}

template <SoftmaxKind kind>
Kernel make(const KernelRequest& request) {
  const Shape& shape = request.results[0].shape;
  const std::int64_t axis = attributes_as<AxisAttributes>(request.attributes).axis;
  const bool two_inputs = request.inputs.size() == 2;
  if (shape.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return along_axis<float>(shape, axis, two_inputs, softmax_f32(kind));
  if (request.results[0].dtype == DType::f64) return along_axis<double>(shape, axis, two_inputs, softmax_f64(kind));
  return {};
}

const DefineKernel softmax(cpu_backend(), "softmax", make<SoftmaxKind::softmax>);
const DefineKernel log_softmax(cpu_backend(), "log_softmax", make<SoftmaxKind::log_softmax>);
const DefineKernel softmax_gradient(cpu_backend(), "softmax_gradient", make<SoftmaxKind::softmax_gradient>);
const DefineKernel log_softmax_gradient(cpu_backend(), "log_softmax_gradient", make<SoftmaxKind::log_softmax_gradient>);

}  // namespace
}  // namespace narae::cpu
