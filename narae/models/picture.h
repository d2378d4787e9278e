#pragma once

#include <cstdint>
#include <string>

#include "narae/core/export.h"
#include "narae/core/shape.h"

namespace narae::models {

/// Throws Error unless a sample is a picture (channels, height, width) of at least smallest x smallest pixels; `model`
/// is who says so.
NARAE_API void require_picture(const std::string& model, const Shape& sample, std::int64_t smallest);

}  // namespace narae::models
