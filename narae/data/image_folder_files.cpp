#include "narae/data/image_folder_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "narae/core/error.h"
#include "narae/data/image_folder.h"
#include "narae/data/picture.h"

namespace narae {
namespace detail {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_kept = std::int64_t{1} << 28;  // bytes of decoded pictures
constexpr std::int64_t most_looked_at = 4096;              // entries, when a folder's kind is guessed
constexpr std::array<std::string_view, 3> picture_endings{".jpg", ".jpeg", ".png"};
// Pictures too, but not ones that can be read: they count as skipped.
constexpr std::array<std::string_view, 5> other_endings{".gif", ".bmp", ".tif", ".tiff", ".webp"};

std::string lower_ending(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return ending;
}

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

template <std::size_t N>
bool is_one_of(const std::string& ending, const std::array<std::string_view, N>& endings) {
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

// Sorted, without hidden ones.
std::vector<fs::path> sub_folders(const fs::path& folder) {
  std::vector<fs::path> result;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (!is_hidden(entry.path()) && is_folder(entry.path())) result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

bool holds_a_picture(const fs::path& folder, std::int64_t& looked_at) {
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, ignored);
       it != fs::recursive_directory_iterator() && looked_at < most_looked_at; it.increment(ignored)) {
    ++looked_at;
    if (!is_hidden(it->path()) && is_one_of(lower_ending(it->path()), picture_endings)) return true;
    if (ignored) return false;
  }
  return false;
}

// Files of pictures below a class folder, in the order of their paths.
void add_files(const fs::path& folder, std::int64_t label, std::vector<PictureFile>& files) {
  const std::size_t begin = files.size();
  try {
    for (const fs::directory_entry& entry :
         fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
      const std::string ending = lower_ending(entry.path());
      const bool wanted = is_one_of(ending, picture_endings) || is_one_of(ending, other_endings);
      if (wanted && !is_hidden(entry.path()) && !entry.is_directory()) {
        files.push_back({entry.path().string(), label});
      }
    }
  } catch (const fs::filesystem_error& e) {
    throw Error("dataset folder " + folder.string() + " can't be read: " + e.code().message());
  }
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(begin), files.end(),
            [](const PictureFile& a, const PictureFile& b) { return a.path < b.path; });
}

// A class may be called "train" as well: only a folder of folders is a split.
fs::path split_folder(const fs::path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (!sub_folders(folder / name).empty()) return folder / name;
  }
  return {};
}

void list_training(const fs::path& folder, Listing& listing) {
  for (const fs::path& path : sub_folders(folder)) {
    const std::size_t before = listing.train.size();
    add_files(path, std::ssize(listing.classes), listing.train);
    if (listing.train.size() == before) {
      throw Error("dataset folder " + path.string() + ": no pictures (.jpg, .jpeg, .png) in this class; expected is " +
                  image_folder_layout());
    }
    listing.classes.push_back(path.filename().string());
  }
  if (listing.classes.empty()) {
    throw Error("dataset folder " + folder.string() + ": no sub-folders; expected is " + image_folder_layout());
  }
  if (listing.classes.size() == 1) {
    throw Error("dataset folder " + folder.string() + ": a single class, '" + listing.classes.front() +
                "'; at least two sub-folders are needed to tell pictures apart. Expected is " + image_folder_layout());
  }
}

void list_others(const fs::path& folder, const Listing& listing, std::vector<PictureFile>& files) {
  for (const fs::path& path : sub_folders(folder)) {
    const std::string name = path.filename().string();
    const auto known = std::find(listing.classes.begin(), listing.classes.end(), name);
    if (known == listing.classes.end()) {
      throw Error("dataset folder " + path.string() + ": there is no class '" + name + "' among the training pictures" +
                  did_you_mean(name, listing.classes));
    }
    const std::size_t before = files.size();
    add_files(path, known - listing.classes.begin(), files);
    if (files.size() == before) {
      throw Error("dataset folder " + path.string() +
                  ": no pictures (.jpg, .jpeg, .png) in this class; remove the folder or fill it");
    }
  }
}

}  // namespace

void throw_first(const FileFailures& failures) {
  const std::exception_ptr& first = failures.begin()->second;
  if (failures.size() == 1) std::rethrow_exception(first);
  try {
    std::rethrow_exception(first);
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + " (the first of " + std::to_string(failures.size()) + " such files)");
  }
}

Listing list_image_folder(const std::string& folder) {
  std::error_code ignored;
  const fs::path root = fs::weakly_canonical(folder, ignored);
  Listing listing;
  listing.folder = folder;
  listing.name = root.has_filename() ? root.filename().string() : root.parent_path().filename().string();
  const fs::path train = split_folder(folder, {"train"});
  if (train.empty()) {
    list_training(folder, listing);
    return listing;
  }
  list_training(train, listing);
  if (const fs::path path = split_folder(folder, {"val", "valid", "validation"}); !path.empty()) {
    list_others(path, listing, listing.validation);
  }
  if (const fs::path path = split_folder(folder, {"test"}); !path.empty()) list_others(path, listing, listing.test);
  return listing;
}

PictureStore::PictureStore(const std::vector<PictureFile>& listed, std::shared_ptr<PictureFiles> files, bool strict,
                           std::int64_t max_pixels)
    : files_(std::move(files)), strict_(strict), max_pixels_(max_pixels) {
  std::vector<std::optional<PictureInfo>> found(listed.size());
  for_each_file(std::ssize(listed), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    try {
      found[at] = probe_picture(std::filesystem::path(listed[at].path), max_pixels);
    } catch (const Error& error) {
      if (strict) throw;
      files_->skipped.add(error.what());
    }
  });
  for (std::size_t i = 0; i < listed.size(); ++i) {
    if (!found[i]) continue;
    entries_.push_back({listed[i], {found[i]->height, found[i]->width}});
    files_->sizes.push_back(entries_.back().size);
    all_grey_ = all_grey_ && found[i]->channels == 1;
  }
  reset_damaged();
}

std::optional<PictureSize> PictureStore::common_size() const {
  if (entries_.empty()) return std::nullopt;
  const PictureSize first = entries_.front().size;
  const bool same = std::all_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.size == first; });
  return same ? std::optional(first) : std::nullopt;
}

std::vector<std::int64_t> PictureStore::labels() const {
  std::vector<std::int64_t> result;
  for (const Entry& entry : entries_) result.push_back(entry.file.label);
  return result;
}

std::optional<LabelledPicture> PictureStore::try_read(std::int64_t i) const {
  const auto at = static_cast<std::size_t>(i);
  if (damaged_[at]) return std::nullopt;
  try {
    const PictureFile& file = entries_[at].file;
    return LabelledPicture{with_channels(read_picture(file.path, max_pixels_), channels_), file.label};
  } catch (const Error& error) {
    if (strict_) throw;
    if (!damaged_[at].exchange(true)) files_->skipped.add(error.what());
    return std::nullopt;
  }
}

LabelledPicture PictureStore::read(std::int64_t i) const {
  for (std::int64_t k = 0; k < size(); ++k) {
    if (auto picture = try_read((i + k) % size())) return *picture;
  }
  throw Error("none of the " + std::to_string(size()) + " pictures can be decoded any more; the first one is " +
              entries_.front().file.path);
}

LabelledPicture PictureStore::read_kept(std::int64_t i) const {
  const auto at = static_cast<std::size_t>(i);
  {
    const std::lock_guard lock(mutex_);
    if (kept_.empty()) kept_.resize(entries_.size());
    if (kept_[at].image.buffer) return kept_[at];
  }
  LabelledPicture picture = read(i);
  const std::lock_guard lock(mutex_);
  const auto bytes = static_cast<std::int64_t>(picture.image.bytes());
  if (!kept_[at].image.buffer && kept_bytes_ + bytes <= most_kept) {
    kept_[at] = picture;
    kept_bytes_ += bytes;
  }
  return picture;
}

std::shared_ptr<PictureStore> PictureStore::sound_ones() const {
  std::shared_ptr<PictureStore> result(new PictureStore);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!damaged_[i]) result->entries_.push_back(entries_[i]);
  }
  result->files_ = files_;
  result->strict_ = strict_;
  result->all_grey_ = all_grey_;
  result->max_pixels_ = max_pixels_;
  result->channels_ = channels_;
  result->reset_damaged();
  return result;
}

}  // namespace detail

std::string image_folder_layout() {
  return "one sub-folder a class with .jpg, .jpeg or .png files, or such sub-folders in train/, with test/ and val/ "
         "beside it";
}

bool holds_pictures(const std::string& folder) {
  const std::filesystem::path train = detail::split_folder(folder, {"train"});
  std::int64_t looked_at = 0;
  for (const auto& path : detail::sub_folders(train.empty() ? std::filesystem::path(folder) : train)) {
    if (detail::holds_a_picture(path, looked_at)) return true;
  }
  return false;
}

}  // namespace narae
