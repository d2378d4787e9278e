#pragma once

#include <cstddef>
#include <dnnl.hpp>
#include <vector>

#include "narae/graph/kernel.h"

namespace narae::cpu::onednn {

/// The number of a memory layout; row_major for a dense row-major one. Equal layouts have equal numbers.
[[nodiscard]] Layout layout_of(const dnnl::memory::desc& desc);

/// The description behind a number; `row_major` for Layout::row_major.
[[nodiscard]] dnnl::memory::desc desc_of(Layout layout, const dnnl::memory::desc& row_major);

/// For Backend::Layouts.
[[nodiscard]] std::size_t elements(Layout layout);
[[nodiscard]] std::vector<LayoutAxis> axes(Layout layout);
[[nodiscard]] Kernel reorder(const Signature& value, Layout from, Layout to);

}  // namespace narae::cpu::onednn
