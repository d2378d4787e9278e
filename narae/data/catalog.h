#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/core/shape.h"
#include "narae/data/dataset.h"
#include "narae/data/image.h"
#include "narae/data/resize.h"
#include "narae/data/series.h"
#include "narae/data/text_pairs.h"
#include "narae/data/text_sets.h"
#include "narae/text/corpus.h"

namespace narae {

struct SplitOptions {
  double validation_fraction = 0;  ///< of the training samples, split off at random for validation
  std::uint64_t seed = 0;          ///< of that choice

  // Of pictures.
  std::int64_t size = 0;                ///< they are brought to size x size; 0: they keep the size that they all have
  PictureSize usual_size = {224, 224};  ///< of pictures in a folder that differ in size, without `size`
  Shape input = {};  ///< what pictures in a folder become, (channels, height, width), whatever they are; may be empty
  FitOptions fit = {};  ///< how pictures are brought to a size
  bool strict = false;  ///< damaged files in a folder are an Error instead of being left out and counted
  std::int64_t max_pixels = max_image_pixels;  ///< pictures in a folder that are larger are not decoded
  /// Folders of pictures: decode small sets at once, and measure mean and deviation. Without, nothing is decoded before
  /// it is asked for, and there are no mean and deviation.
  bool prepare = true;
};

struct Splits {
  Dataset train;
  Dataset validation;  ///< empty when the fraction is 0 and the source has none of its own
  Dataset test;        ///< empty when the source has none
};

/// Opens a dataset in all its splits; mean and deviation of each are those of the training pictures.
///
/// `name` is a generator, with its settings if wanted (`synth:digits`, `synth:digits?train=20000&test=4000&seed=3`,
/// `synth:shapes?size=64`, `synth:xor|moons|circles?noise=0.2`), the path of a folder, or the name of a folder below
/// $NARAE_DATA or ./data. What lies in the folder is recognised: IDX files as MNIST's, CIFAR's binary
/// batches, or pictures in one sub-folder a class (see ImageFolder). Throws UsageError for an unknown name or setting,
/// and Error that says where was looked and which files are expected when a folder does not hold them.
[[nodiscard]] NARAE_API Splits open_splits(const std::string& name, const SplitOptions& options = {});

/// One split of it. Throws Error for a split that there is none of: Split::validation when the fraction is 0 and the
/// source has none of its own, Split::test of a folder of pictures without one.
[[nodiscard]] NARAE_API Dataset open_dataset(const std::string& name, Split split, const SplitOptions& options = {});

/// What the samples of a dataset are, and so which function opens it.
enum class DataKind {
  samples,  ///< arrays of one shape, as pictures: open_splits
  corpus,   ///< a text to learn a language from: open_corpus
  texts,    ///< texts with a class each: open_texts
  tags,     ///< sentences with a tag for each word: open_tags
  series,   ///< numbers over time: open_series
  pairs,    ///< texts and what each is turned into: open_pairs
};

/// "samples", "corpus", "texts", "tags", "series", "pairs".
[[nodiscard]] NARAE_API std::string_view name_of(DataKind kind);

/// What `name` holds, without reading it all. Throws as open_splits does for names and folders that hold nothing known.
[[nodiscard]] NARAE_API DataKind data_kind(const std::string& name);

/// A language to be learned: `synth:text` (with settings, `synth:text?size=300000`), or a text file or folder of them
/// (text::read_corpus). Names and errors are those of open_splits.
[[nodiscard]] NARAE_API text::Corpus open_corpus(const std::string& name, const text::CorpusOptions& options = {});
/// Labelled texts: `synth:sentiment`, `synth:names`, or a folder or file of them (read_text_set). `trec` and `subj` are
/// the two sets of a folder `trec-subj`.
[[nodiscard]] NARAE_API TextSplits open_texts(const std::string& name, const TextSetOptions& options = {});
/// Tagged sentences: `synth:tags`, or a folder of them (read_tag_set).
[[nodiscard]] NARAE_API TagSplits open_tags(const std::string& name, const TextSetOptions& options = {});
/// A series: `synth:series`, or a CSV file, or a folder with one; a bare name `airline-passengers` is also looked for
/// as a file in the folder `time-series`. Throws Error listing the files of a folder that has several.
[[nodiscard]] NARAE_API Series open_series(const std::string& name);

/// Texts in pairs: `synth:reverse` and its kin, or a folder or table of them (read_pair_set).
[[nodiscard]] NARAE_API PairSplits open_pairs(const std::string& name, const PairSetOptions& options = {});

/// The name, or for a folder that is found by the place where the process runs its absolute path: one that leads to the
/// same data from elsewhere.
[[nodiscard]] NARAE_API std::string lasting_dataset_name(const std::string& name);

struct DatasetInfo {
  std::string name;
  std::string description;
  std::string location;  ///< the folder; "generated" for synth:*; empty when it was not found
  DataKind kind = DataKind::samples;
};

/// Every dataset that can be opened by name: the generators, the well-known folders (found or not) and every other
/// folder with a dataset in the places where names are looked for.
[[nodiscard]] NARAE_API std::vector<DatasetInfo> datasets();

}  // namespace narae
