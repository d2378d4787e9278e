// oneDNN's blocked layouts as numbers for the plan, and reorders between them.
#include "narae/backend/cpu/onednn_layout.h"

#include <mutex>
#include <vector>

#include "narae/backend/cpu/conv.h"
#include "narae/backend/cpu/onednn.h"
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

std::size_t elements(Layout layout) {
  return desc_at(layout).get_size() / sizeof(float);
}

// The same layout of one-byte elements.
dnnl::memory::desc of_bytes(dnnl::memory::desc desc) {
  desc.data.data_type = dnnl_u8;
  return desc;
}

Kernel reorder(const Signature& value, Layout from, Layout to) {
  const dnnl::memory::desc row_major = plain({value.shape.begin(), value.shape.end()});
  dnnl::memory::desc source = desc_of(from, row_major);
  dnnl::memory::desc target = desc_of(to, row_major);
  if (value.dtype == DType::boolean) {
    source = of_bytes(source);
    target = of_bytes(target);
  } else if (value.dtype != DType::f32) {
    throw Error("oneDNN: only f32 and bool values are reordered");
  }
  Sequence sequence(threads_for(8.0 * static_cast<double>(value.shape.count())));
  sequence.convert(sequence.input(0, source), sequence.result(0, target));
  return sequence.kernel(0);
}

[[maybe_unused]] const bool registered = [] {
  cpu_backend().set_layouts({choose_conv_layouts, elements, reorder});
  return true;
}();

}  // namespace

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
