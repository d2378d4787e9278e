#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "narae/core/threads.h"
#include "narae/data/dataset.h"
#include "narae/data/picture_files.h"

// The files of a folder of pictures: which there are, and reading one.
namespace narae::detail {

struct PictureFile {
  std::string path;
  std::int64_t label = 0;
};

struct Listing {
  std::string folder;
  std::string name;
  std::vector<std::string> classes;
  std::vector<PictureFile> train;
  std::vector<PictureFile> validation;
  std::vector<PictureFile> test;

  [[nodiscard]] const std::vector<PictureFile>& files(Split split) const {
    return split == Split::train ? train : split == Split::test ? test : validation;
  }
};

/// Throws Error as ImageFolder's constructor does.
[[nodiscard]] Listing list_image_folder(const std::string& folder);

/// What went wrong with files, by their numbers.
using FileFailures = std::map<std::int64_t, std::exception_ptr>;
/// Throws the first failure; the message says how many more there are.
[[noreturn]] void throw_first(const FileFailures& failures);

/// Calls body(i) for i in [0, count) on all threads. Where bodies throw, the first of these in the order of i reaches
/// the caller, whichever thread met it when.
template <class Body>
void for_each_file(std::int64_t count, const Body& body) {
  std::mutex mutex;
  FileFailures failures;
  parallel_for(count, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        failures.emplace(i, std::current_exception());
      }
    }
  });
  if (!failures.empty()) throw_first(failures);
}

/// The pictures of one split: whatever a header shows to be unsound is left out from the beginning.
class PictureStore {
 public:
  /// Reads the headers. Throws Error for a file that is not sound when `strict`.
  PictureStore(const std::vector<PictureFile>& listed, std::shared_ptr<PictureFiles> files, bool strict,
               std::int64_t max_pixels);

  [[nodiscard]] std::int64_t size() const { return std::ssize(entries_); }
  [[nodiscard]] bool all_grey() const { return all_grey_; }
  /// The size of all pictures; none when they differ.
  [[nodiscard]] std::optional<PictureSize> common_size() const;
  [[nodiscard]] std::vector<std::int64_t> labels() const;
  [[nodiscard]] const std::shared_ptr<PictureFiles>& files() const { return files_; }
  /// 1 or 3: what every picture is converted to.
  void set_channels(std::int64_t channels) { channels_ = channels; }

  /// Picture i; none when its file turns out to be damaged, which is then counted. Throws Error when `strict`.
  [[nodiscard]] std::optional<LabelledPicture> try_read(std::int64_t i) const;
  /// The first sound picture from i on, going round. Throws Error when there is none, or as try_read does.
  [[nodiscard]] LabelledPicture read(std::int64_t i) const;
  /// The same; decoded pictures are kept while they are few.
  [[nodiscard]] LabelledPicture read_kept(std::int64_t i) const;
  /// Without the files that try_read found damaged.
  [[nodiscard]] std::shared_ptr<PictureStore> sound_ones() const;

 private:
  struct Entry {
    PictureFile file;
    PictureSize size;
  };

  PictureStore() = default;
  void reset_damaged() { damaged_ = std::vector<std::atomic<bool>>(entries_.size()); }

  std::vector<Entry> entries_;
  std::shared_ptr<PictureFiles> files_;
  bool strict_ = false;
  bool all_grey_ = true;
  std::int64_t max_pixels_ = 0;
  std::int64_t channels_ = 3;
  mutable std::vector<std::atomic<bool>> damaged_;
  mutable std::mutex mutex_;                   ///< of what follows
  mutable std::vector<LabelledPicture> kept_;  ///< by entry; undefined images are not kept
  mutable std::int64_t kept_bytes_ = 0;
};

}  // namespace narae::detail
