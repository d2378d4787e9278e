// oneDNN's blocked layouts as numbers for the plan, and reorders between them.
#include "narae/backend/cpu/onednn_layout.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/onednn.h"
#include "narae/backend/cpu/winograd_filters.h"
#include "narae/core/error.h"

namespace narae::cpu::onednn {
namespace {

struct Known {
  std::mutex mutex;
  std::vector<dnnl::memory::desc> descs;  // layout n is descs[n - 1]
};

Known& known() {
  static auto* instance = new Known;
  return *instance;
}

dnnl::memory::desc desc_at(Layout layout) {
  const std::lock_guard lock(known().mutex);
  return known().descs.at(static_cast<std::size_t>(layout) - 1);
}

// The same layout of elements of another type.
dnnl::memory::desc of_type(dnnl::memory::desc desc, dnnl_data_type_t type) {
  desc.data.data_type = type;
  return desc;
}

}  // namespace

std::size_t elements(Layout layout) {
  return desc_at(layout).get_size() / sizeof(float);
}

// The outer axes by falling stride, then the blocks inside.
std::vector<LayoutAxis> axes(Layout layout) {
  const dnnl::memory::desc desc = desc_at(layout);
  if (desc.data.format_kind != dnnl_blocked) return {};
  const auto& blocking = desc.data.format_desc.blocking;
  std::vector<LayoutAxis> inner;
  std::vector<std::int64_t> steps(static_cast<std::size_t>(desc.data.ndims), 1);
  for (int k = blocking.inner_nblks; k-- > 0;) {
    const auto axis = static_cast<int>(blocking.inner_idxs[k]);
    std::int64_t& step = steps[static_cast<std::size_t>(axis)];
    inner.insert(inner.begin(), {axis, blocking.inner_blks[k], step});
    step *= blocking.inner_blks[k];
  }
  std::vector<LayoutAxis> result;
  for (int i = 0; i < desc.data.ndims; ++i) {
    if (desc.data.dims[i] != desc.data.padded_dims[i]) return {};
    const std::int64_t step = steps[static_cast<std::size_t>(i)];
    result.push_back({i, desc.data.dims[i] / step, step});
  }
  std::stable_sort(result.begin(), result.end(), [&](const LayoutAxis& a, const LayoutAxis& b) {
    return blocking.strides[a.axis] > blocking.strides[b.axis];
  });
  result.insert(result.end(), inner.begin(), inner.end());
  return result;
}

Kernel reorder(const Signature& value, Layout from, Layout to) {
  const dnnl::memory::desc row_major = plain({value.shape.begin(), value.shape.end()});
  dnnl::memory::desc source = desc_of(from, row_major);
  dnnl::memory::desc target = desc_of(to, row_major);
  if (value.dtype == DType::boolean) {
    source = of_type(source, dnnl_u8);
    target = of_type(target, dnnl_u8);
  } else if (value.dtype == DType::i32) {
    source = of_type(source, dnnl_s32);
    target = of_type(target, dnnl_s32);
  } else if (value.dtype != DType::f32) {
    throw Error("oneDNN: only f32, i32 and bool values are reordered");
  }
  Sequence sequence(threads_for(8.0 * static_cast<double>(value.shape.count())));
  sequence.convert(sequence.input(0, source), sequence.result(0, target));
  return sequence.kernel(0);
}

Layout layout_of(const dnnl::memory::desc& desc) {
  if (desc == plain(desc.dims())) return Layout::row_major;
  const std::lock_guard lock(known().mutex);
  auto& descs = known().descs;
  for (std::size_t i = 0; i < descs.size(); ++i)
    if (descs[i] == desc) return static_cast<Layout>(i + 1);
  descs.push_back(desc);
  return static_cast<Layout>(descs.size());
}

dnnl::memory::desc desc_of(Layout layout, const dnnl::memory::desc& row_major) {
  return layout == Layout::row_major ? row_major : desc_at(layout);
}

}  // namespace narae::cpu::onednn

namespace narae::cpu {
namespace {

dnnl::memory::desc blocked_desc(const Shape& shape, std::int64_t block) {
  return {{shape.begin(), shape.end()},
          dnnl::memory::data_type::f32,
          block == 16 ? dnnl::memory::format_tag::nChw16c : dnnl::memory::format_tag::nChw8c};
}

}  // namespace

std::optional<ChannelBlocks> channel_blocks(Layout layout) {
  if (layout == Layout::row_major || winograd_filters(layout)) return {};
  const dnnl::memory::desc desc = onednn::desc_of(layout, {});
  const dnnl::memory::dims dims = desc.dims();
  if (dims.size() != 4) return {};
  for (const std::int64_t block : {16, 8}) {
    if (dims[1] % block != 0 || desc != blocked_desc({dims[0], dims[1], dims[2], dims[3]}, block)) continue;
    return ChannelBlocks{dims[0], dims[1] / block, dims[2], dims[3], block};
  }
  return {};
}

std::optional<Layout> channel_blocked(const Shape& shape, std::int64_t block) {
  if (shape.rank() != 4 || shape.count() == 0 || shape[1] % block != 0) return {};
  return onednn::layout_of(blocked_desc(shape, block));
}

}  // namespace narae::cpu
