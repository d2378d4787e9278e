#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/dataset.h"

namespace narae {

struct SplitOptions {
  double validation_fraction = 0;  ///< of the training samples, split off at random for validation
  std::uint64_t seed = 0;          ///< of that choice
};

struct Splits {
  Dataset train;
  Dataset validation;  ///< empty when the fraction is 0
  Dataset test;
};

/// Opens a dataset in all its splits; mean and deviation of each are those of the training pictures.
///
/// `name` is a generator, with its settings if wanted (`synth:digits`, `synth:digits?train=20000&test=4000&seed=3`,
/// `synth:xor|moons|circles?noise=0.2`), the path of a folder, or the name of a folder below $NARAE_DATA or
/// ./data. A folder holds IDX files as MNIST does, plain or gzip. Throws UsageError for an unknown name or
/// setting, and Error that says where was looked and which files are expected when a folder does not hold them.
[[nodiscard]] NARAE_API Splits open_splits(const std::string& name, const SplitOptions& options = {});

/// One split of it. Throws Error for Split::validation when the fraction is 0.
[[nodiscard]] NARAE_API Dataset open_dataset(const std::string& name, Split split, const SplitOptions& options = {});

/// The name, or for a folder that is found by the place where the process runs its absolute path: one that leads to the
/// same data from elsewhere.
[[nodiscard]] NARAE_API std::string lasting_dataset_name(const std::string& name);

struct DatasetInfo {
  std::string name;
  std::string description;
  std::string location;  ///< the folder; "generated" for synth:*; empty when it was not found
};

/// Every dataset that open_dataset knows by name: the generators, the well-known folders (found or not) and every other
/// folder with IDX files in the places where names are looked for.
[[nodiscard]] NARAE_API std::vector<DatasetInfo> datasets();

}  // namespace narae
