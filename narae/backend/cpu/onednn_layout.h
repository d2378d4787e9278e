#pragma once

#include <dnnl.hpp>

#include "narae/graph/kernel.h"

namespace narae::cpu::onednn {

/// The number of a memory layout; row_major for a dense row-major one. Equal layouts have equal numbers.
[[nodiscard]] Layout layout_of(const dnnl::memory::desc& desc);

/// The description behind a number; `row_major` for Layout::row_major.
[[nodiscard]] dnnl::memory::desc desc_of(Layout layout, const dnnl::memory::desc& row_major);

}  // namespace narae::cpu::onednn
