#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "narae/core/array.h"

namespace narae::cli {

// `narae inspect WHAT`: each adds one WHAT with its flags to the command `inspect`, in a file of its own
// (inspect_WHAT.cpp).
void add_inspect_filters(CLI::App& inspect);
void add_inspect_bptt(CLI::App& inspect);
void add_inspect_gradients(CLI::App& inspect);
void add_inspect_attention(CLI::App& inspect);

/// Where an inspection leaves its picture and the numbers behind it.
struct InspectionFiles {
  std::string picture;  ///< FILE.png
  std::string numbers;  ///< FILE.npz beside it
};
/// From the value of --save. Throws UsageError unless it ends in .png.
[[nodiscard]] InspectionFiles inspection_files(const std::string& save);
/// Writes both files.
void write_inspection(const InspectionFiles& files, const Array& picture, const std::map<std::string, Array>& numbers);

}  // namespace narae::cli
