// Products of few terms, a^T b with k rows each, whose result goes through a loop: the gradient of a layer's weights
// from a small batch, which the optimiser's update reads once and which is larger than all else. Blocks of it stay in
// the first cache and are never stored.
#include <algorithm>
#include <memory>
#include <vector>

#include "narae/backend/cpu/conv.h"
#include "narae/backend/cpu/gemm.h"
#include "narae/backend/cpu/loop_behind.h"
#include "narae/backend/cpu/product.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t block_rows = 6;
constexpr std::int64_t block_columns = 2048;
constexpr std::int64_t block_numbers = block_rows * block_columns;

class ProductBehind {
 public:
  ProductBehind(const Shape& a, const Shape& b, const Loop& loop, int from)
      : k_(a[0]),
        m_(a[1]),
        n_(b[1]),
        loop_(loop, from),
        a_rows_(offsets(m_, 1)),
        a_columns_(offsets(k_, m_)),
        b_rows_(offsets(k_, n_)),
        threads_(loop_threads(blocks(), grain)) {}

  [[nodiscard]] std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(threads_) * (block_numbers * sizeof(float) + loop_.pieces().area_bytes);
  }
  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(k_ * m_) * static_cast<double>(n_) + loop_.pieces().flops;
  }
  [[nodiscard]] std::vector<int> in_place() const {
    std::vector<int> result;
    for (const int i : loop_.pieces().in_place)
      if (!loop_.is_from(i)) result.push_back(loop_.input_of(i));
    return result;
  }

  void run(const KernelArguments& at) const {
    const std::int64_t across = blocks_across();
    parallel_for(
        blocks(), grain,
        [&](std::int64_t begin, std::int64_t end, std::int64_t area) {
          auto* block = reinterpret_cast<float*>(at.scratch) + area * block_numbers;
          for (std::int64_t b = begin; b < end; ++b)
            run_block(at, b / across * block_rows, b % across * block_columns, block, area);
        },
        threads_);
  }

 private:
  static constexpr std::int64_t grain = 8;  // blocks that are worth a thread: about 100,000 numbers

  [[nodiscard]] std::int64_t blocks_across() const { return (n_ + block_columns - 1) / block_columns; }
  [[nodiscard]] std::int64_t blocks() const { return (m_ + block_rows - 1) / block_rows * blocks_across(); }

  void run_block(const KernelArguments& at, std::int64_t i, std::int64_t j, float* block, std::int64_t area) const {
    const std::int64_t rows = std::min(block_rows, m_ - i);
    const std::int64_t columns = std::min(block_columns, n_ - j);
    gemm(Gemm<float>{.m = rows,
                     .n = columns,
                     .k = k_,
                     .a = at.in<float>(0),
                     .a_rows = a_rows_.data() + i,
                     .a_columns = a_columns_.data(),
                     .b = at.in<float>(1) + j,
                     .b_rows = b_rows_.data(),
                     .c = block,
                     .c_row = block_columns});
    std::byte* const areas = at.scratch + static_cast<std::size_t>(threads_) * (block_numbers * sizeof(float));
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t first = (i + r) * n_ + j;
      loop_.run(at, block + r * block_columns, first, first + columns, areas, area);
    }
  }

  std::int64_t k_, m_, n_;
  LoopBehind loop_;
  std::vector<std::int64_t> a_rows_, a_columns_, b_rows_;
  std::int64_t threads_;
};

// A product to whose rows one row is added: oneDNN and the tile units do that with the product.
Kernel make_product_with_bias(const KernelRequest& r, const Loop& loop, int from) {
  const Shape& y = r.results[0].shape;
  if (r.op->name != "matmul" || r.results[0].dtype != DType::f32 || y.rank() != 2 || loop.inputs.size() != 2 ||
      loop.instructions.size() != 1 || loop.instructions[0].op->name != "add")
    return {};
  const Loop::Input& product = loop.inputs[static_cast<std::size_t>(from)];
  const Loop::Input& row = loop.inputs[static_cast<std::size_t>(1 - from)];
  Shape along_rows = contiguous_strides(loop.shape);
  for (int i = 0; i + 1 < along_rows.rank(); ++i) along_rows.set(i, 0);
  const bool fits = loop.shape[-1] == y[1] && product.strides == contiguous_strides(loop.shape) &&
                    row.dtype == DType::f32 && row.strides == along_rows;
  const auto words = attributes_as<MatmulAttributes>(r.attributes);
  return fits ? make_product(product_of(r.inputs[0].shape, y, words), DType::f32, true) : Kernel{};
}

Kernel make_product_behind(const KernelRequest& r, const Loop& loop, int from) {
  if (r.op->name != "matmul" || r.results[0].dtype != DType::f32 || r.results[0].shape.rank() != 2) return {};
  const auto words = attributes_as<MatmulAttributes>(r.attributes);
  if (words.transpose_a == 0 || words.transpose_b != 0) return {};
  const Shape& a = r.inputs[0].shape;
  const Shape& b = r.inputs[1].shape;
  const Loop::Input& input = loop.inputs[static_cast<std::size_t>(from)];
  const bool fits = a[0] > 0 && a[0] <= Backend::Loops::few_terms && b[1] >= Backend::Loops::least_columns &&
                    loop.inputs.size() <= LoopBehind::most_inputs && input.strides == contiguous_strides(loop.shape);
  if (!fits || is_wide(loop)) return {};
  const auto product = std::make_shared<const ProductBehind>(a, b, loop, from);
  return {.run = [product](const KernelArguments& at) { product->run(at); },
          .scratch_bytes = product->scratch_bytes(),
          .flops = product->flops(),
          .in_place = product->in_place()};
}

}  // namespace

Kernel make_behind(const KernelRequest& request, const Loop& loop, int from, bool exact) {
  if (Kernel kernel = make_conv_behind(request, loop, from, exact)) return kernel;
  if (Kernel kernel = make_product_with_bias(request, loop, from)) return kernel;
  if (Kernel kernel = make_rows_behind(request, loop, from)) return kernel;
  return make_product_behind(request, loop, from);
}

}  // namespace narae::cpu
