#include "narae/data/image_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>

#include "narae/core/error.h"
#include "narae/data/image_folder_files.h"
#include "narae/data/picture.h"

namespace narae {
namespace {

using detail::Listing;
using detail::PictureFile;
using detail::PictureStore;

constexpr std::int64_t most_in_memory = std::int64_t{1} << 28;  // bytes of a split's samples
constexpr std::int64_t most_measured = 4096;                    // samples, where they are not in memory

// The samples [0, n) of a store as they would be generated, without those whose files turn out to be damaged.
struct Decoded {
  Array images;
  Array labels;
};

Decoded decode_all(const PictureStore& store, const Shape& shape, const FitOptions& fitting) {
  const std::int64_t n = store.size();
  Shape all{n, shape[0], shape[1], shape[2]};
  Decoded decoded{Array::empty(DType::u8, all), Array::empty(DType::i64, {n})};
  const auto pixels = decoded.images.mutable_values<std::uint8_t>();
  const auto labels = decoded.labels.mutable_values<std::int64_t>();
  const auto bytes = static_cast<std::size_t>(shape.count());
  std::vector<std::uint8_t> sound(static_cast<std::size_t>(n));
  detail::for_each_file(n, [&](std::int64_t i) {
    const auto row = static_cast<std::size_t>(i);
    const std::optional<LabelledPicture> picture = store.try_read(i);
    if (!picture) return;
    fit(view_of(picture->image), {shape[1], shape[2]}, fitting, pixels.subspan(row * bytes, bytes));
    labels[row] = picture->label;
    sound[row] = 1;
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    if (sound[i] == 0) continue;
    if (kept != i) {
      std::copy_n(pixels.begin() + static_cast<std::ptrdiff_t>(i * bytes), bytes,
                  pixels.begin() + static_cast<std::ptrdiff_t>(kept * bytes));
      labels[kept] = labels[i];
    }
    ++kept;
  }
  all = {static_cast<std::int64_t>(kept), shape[0], shape[1], shape[2]};
  decoded.images.shape = all;
  decoded.labels.shape = {all[0]};
  return decoded;
}

std::string first_message(const SkippedFiles& skipped) {
  const std::vector<std::string> messages = skipped.messages();
  return messages.empty() ? "" : "; " + messages.front();
}

}  // namespace

struct ImageFolder::State {
  Listing listing;
  ImageFolderOptions options;
  std::mutex mutex;
  std::optional<Dataset> train;  ///< its mean and deviation are those of all splits

  State(const std::string& folder, const ImageFolderOptions& chosen)
      : listing(detail::list_image_folder(folder)), options(chosen) {
    check(options.fit);
  }

  // Header by header: which files are sound as far as that shows, and what they hold.
  [[nodiscard]] std::shared_ptr<PictureStore> probed(Split split, const std::shared_ptr<PictureFiles>& files) const {
    const std::vector<PictureFile>& listed = listing.files(split);
    return std::make_shared<PictureStore>(listed, files, options.strict, options.max_pixels);
  }

  [[nodiscard]] Shape shape_for(const PictureStore& store) const {
    if (options.input.rank() == 3) return options.input;
    PictureSize size = options.size;
    if (size.count() == 0) size = store.common_size().value_or(options.usual_size);
    return {store.all_grey() ? 1 : 3, size.height, size.width};
  }

  [[nodiscard]] Dataset open(Split split) {
    if (split == Split::train) return train_set();
    Shape shape = options.input;
    const bool needs_train = options.prepare || shape.rank() != 3;
    if (needs_train) shape = train_set().fields[0].shape;
    Dataset dataset = make(split, probed(split, std::make_shared<PictureFiles>()), shape);
    if (needs_train) {
      dataset.mean = train_set().mean;
      dataset.stddev = train_set().stddev;
    }
    return dataset;
  }

  [[nodiscard]] const Dataset& train_set() {
    const std::lock_guard lock(mutex);
    if (train) return *train;
    const auto store = probed(Split::train, std::make_shared<PictureFiles>());
    Dataset dataset = make(Split::train, store, shape_for(*store));
    require_every_class(dataset);
    if (options.prepare) measure_training(dataset);
    train = std::move(dataset);
    return *train;
  }

  [[nodiscard]] Dataset make(Split split, std::shared_ptr<PictureStore> store, const Shape& shape) const {
    store->set_channels(shape[0]);
    const std::shared_ptr<PictureFiles> files = store->files();
    const bool fits = store->size() <= most_in_memory / std::max<std::int64_t>(shape.count(), 1);
    Dataset dataset;
    if (options.prepare && fits) {
      Decoded decoded = decode_all(*store, shape, options.fit);
      store = store->sound_ones();
      dataset = in_memory(listing.name, {{"image", decoded.images}, {"label", decoded.labels}});
    } else {
      dataset = generated(listing.name, {{"image", DType::u8, shape}, {"label", DType::i64, {}}}, store->size(),
                          [store, shape, fitting = options.fit](std::int64_t i, std::span<const Slot> out) {
                            const LabelledPicture picture = store->read(i);
                            fit(view_of(picture.image), {shape[1], shape[2]}, fitting, out[0].values<std::uint8_t>());
                            out[1].values<std::int64_t>()[0] = picture.label;
                          });
      dataset.labels = std::make_shared<const std::vector<std::int64_t>>(store->labels());
    }
    dataset.whole = [store](std::int64_t i) { return store->read_kept(i); };
    dataset.classes = listing.classes;
    dataset.files = files;
    if (dataset.size() == 0) {
      throw Error("dataset folder " + listing.folder + ": none of the " + std::to_string(listing.files(split).size()) +
                  " files of split '" + std::string(name_of(split)) + "' is a sound picture" +
                  first_message(files->skipped));
    }
    return dataset;
  }

  void require_every_class(const Dataset& dataset) const {
    const std::vector<std::int64_t> counts = class_counts(dataset);
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] > 0) continue;
      throw Error("dataset folder " + listing.folder + ": class '" + listing.classes[c] +
                  "' has no sound picture to train with" + first_message(dataset.files->skipped));
    }
  }

  static void measure_training(Dataset& dataset) {
    if (!dataset.generate || dataset.size() <= most_measured) return measure(dataset, dataset.size());
    std::vector<std::int64_t> evenly;
    for (std::int64_t i = 0; i < most_measured; ++i) evenly.push_back(i * dataset.size() / most_measured);
    Dataset part = subset(dataset, evenly);
    measure(part, part.size());
    dataset.mean = part.mean;
    dataset.stddev = part.stddev;
  }
};

ImageFolder::ImageFolder(const std::string& folder, const ImageFolderOptions& options)
    : state_(std::make_shared<State>(folder, options)) {}

bool ImageFolder::has(Split split) const {
  return !state_->listing.files(split).empty();
}

Dataset ImageFolder::open(Split split) const {
  if (!has(split)) {
    throw Error("dataset folder " + state_->listing.folder + ": no pictures for split '" + std::string(name_of(split)) +
                "'; expected is " + image_folder_layout());
  }
  return state_->open(split);
}

}  // namespace narae
