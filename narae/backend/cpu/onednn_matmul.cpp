#include "narae/backend/cpu/onednn_matmul.h"

#include <string_view>

#include "narae/backend/cpu/onednn.h"

namespace narae::cpu::onednn {
namespace {

using dnnl::memory;

// A batch of matrices; a transposed one is described by its strides and not copied.
memory::desc matrices(std::int64_t batch, std::int64_t rows, std::int64_t columns, bool transposed) {
  memory::dims dims{rows, columns};
  memory::dims strides = transposed ? memory::dims{1, rows} : memory::dims{columns, 1};
  if (batch != 1) {
    dims.insert(dims.begin(), batch);
    strides.insert(strides.begin(), rows * columns);
  }
  return {dims, memory::data_type::f32, strides};
}

// oneDNN offers its blocks (brgemm) first, which read the operands where they lie. Its older kernel copies both into
// panels: of 60 products measured it was 5 to 25 per cent faster on the large ones, but for those named here. The
// panels are memory of its own, fetched in each run: the one exception to a plan's memory being laid out before.
bool is_for_panels(const Product& p) {
  if (p.batch != 1 || p.m < 64 || p.flops() < 5e7) return false;
  if (p.transpose_b) return p.m > 512;
  return !p.transpose_a || p.m < 1024 || p.n > 512;
}

// Makes `primitive` the one whose implementation has that name, where there is one. `desc` has to live meanwhile.
void choose(const dnnl::matmul::desc& desc, std::string_view name, dnnl::matmul::primitive_desc& primitive) {
  dnnl::matmul::primitive_desc other(desc, attributes(), engine());
  do {
    if (std::string_view(other.impl_info_str()).starts_with(name)) {
      primitive = other;
      return;
    }
  } while (other.next_impl());
}

Kernel make(const Product& p, bool has_bias) {
  const memory::desc a = matrices(p.batch, p.m, p.k, p.transpose_a);
  const memory::desc b = matrices(p.batch, p.k, p.n, p.transpose_b);
  const memory::desc y = matrices(p.batch, p.m, p.n, false);
  const memory::desc bias = plain({1, p.n});
  Sequence sequence(threads_for(p.flops()));
  const dnnl::matmul::desc desc = has_bias ? dnnl::matmul::desc(a, b, bias, y) : dnnl::matmul::desc(a, b, y);
  dnnl::matmul::primitive_desc primitive(desc, attributes(), engine());
  if (is_for_panels(p)) choose(desc, "gemm", primitive);
  const int a_value = sequence.input(0, a);
  const int b_value = sequence.input(1, b);
  const int y_value = sequence.result(0, y);
  if (has_bias) {
    const int bias_value = sequence.input(2, bias);
    sequence.run(
        dnnl::matmul(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, a_value}, {DNNL_ARG_WEIGHTS, b_value}, {DNNL_ARG_BIAS, bias_value}, {DNNL_ARG_DST, y_value}});
  } else {
    sequence.run(dnnl::matmul(primitive), primitive.scratchpad_desc(),
                 {{DNNL_ARG_SRC, a_value}, {DNNL_ARG_WEIGHTS, b_value}, {DNNL_ARG_DST, y_value}});
  }
  return sequence.kernel(p.flops());
}

}  // namespace

Kernel make_product(const Product& p, bool has_bias) {
  return if_implemented("matmul", [&] { return make(p, has_bias); });
}

}  // namespace narae::cpu::onednn
