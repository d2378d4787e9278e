#pragma once

#include <string>

#include "narae/data/catalog.h"

namespace narae::cli {

/// Prints what a dataset of texts, tagged sentences or numbers over time holds, and its first samples of a split.
void show_text_dataset(const std::string& name, DataKind kind, Split split, bool as_json);

}  // namespace narae::cli
