#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "narae/data/catalog.h"

// The datasets that the program makes itself, by name.
namespace narae::detail {

inline constexpr std::string_view synth_prefix = "synth:";

struct SynthInfo {
  std::string_view name;
  std::string_view description;
  DataKind kind;
};
[[nodiscard]] std::vector<SynthInfo> synth_sets();

/// What `synth:digits?train=20000` holds. Throws UsageError for an unknown name.
[[nodiscard]] DataKind synth_kind(const std::string& name);

/// `synth:digits`, or with settings `synth:digits?train=20000&seed=3`. Sets up to 256 MiB are drawn once and kept,
/// larger ones are drawn anew in every epoch. Each throws UsageError for an unknown name or setting, and for a set of
/// another kind.
[[nodiscard]] Dataset open_synth(const std::string& name, Split split);
[[nodiscard]] text::Corpus open_synth_corpus(const std::string& name);
[[nodiscard]] TextSplits open_synth_texts(const std::string& name);
[[nodiscard]] TagSplits open_synth_tags(const std::string& name);
[[nodiscard]] Series open_synth_series(const std::string& name);
[[nodiscard]] PairSplits open_synth_pairs(const std::string& name);

/// What to say when a dataset is opened as something that it is not.
[[noreturn]] void refuse_kind(const std::string& name, DataKind kind, DataKind wanted);

}  // namespace narae::detail
