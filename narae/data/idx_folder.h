#pragma once

#include <string>

#include "narae/core/export.h"
#include "narae/data/dataset.h"

namespace narae {

/// The files that a folder of IDX files is expected to hold, for messages.
[[nodiscard]] NARAE_API std::string idx_layout();

/// True when the folder (or its subfolder raw, MNIST/raw or FashionMNIST/raw, as torchvision leaves them) holds the
/// training pictures of such a set.
[[nodiscard]] NARAE_API bool holds_idx(const std::string& folder);

/// Reads the pictures and labels of one split: image (channels, height, width), label () i64. The classes are those of
/// Fashion-MNIST when the folder's name says "fashion", otherwise the numbers from 0. Mean and deviation are those of
/// these pictures. Throws Error for missing or damaged files, and when pictures and labels don't belong together.
[[nodiscard]] NARAE_API Dataset read_idx_folder(const std::string& folder, Split split);

/// Gives `test` the mean, deviation and classes of `train`. Throws Error when the samples' shapes differ or a label has
/// no class.
NARAE_API void adopt_statistics(Dataset& test, const Dataset& train);

}  // namespace narae
