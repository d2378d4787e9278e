#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/dataset.h"
#include "narae/data/image.h"
#include "narae/data/resize.h"

namespace narae {

/// How the pictures of a folder are read.
struct ImageFolderOptions {
  /// Samples become this, (1 or 3, height, width), whatever the files hold. Empty: grey when all training pictures
  /// are, and of `size`; without one, of the size that all training pictures share; of `usual_size` when they differ.
  Shape input = {};
  PictureSize size = {};
  PictureSize usual_size = {224, 224};
  FitOptions fit = {};
  bool strict = false;  ///< a file that is no sound picture is an Error; otherwise it is left out and counted
  std::int64_t max_pixels = max_image_pixels;  ///< larger pictures are not decoded
  /// Decode a set that fits into 256 MiB at once, which finds every damaged file, and measure mean and deviation.
  /// Otherwise pictures are decoded when they are asked for.
  bool prepare = true;
};

/// What such a folder is expected to hold, for messages.
[[nodiscard]] NARAE_API std::string image_folder_layout();

/// True when sub-folders of the folder, or of its sub-folder train, hold PNG or JPEG files.
[[nodiscard]] NARAE_API bool holds_pictures(const std::string& folder);

/// Pictures in one sub-folder a class: FOLDER/class/...png|jpg, or FOLDER/train/class/..., with test/ and val/ (or
/// valid/, validation/) beside train/. Class folders may have sub-folders of their own. Classes and samples are in the
/// order of their names.
///
/// Where only part of a set can be kept in memory, a file whose damage shows first when it is decoded is replaced by
/// the next sound sample (so that the number of samples stays) and counted in Dataset::files.
class NARAE_API ImageFolder {
 public:
  /// Lists the files. Throws Error naming the folder when it has no class folders, only one, one without pictures, or
  /// test or validation classes that are not in train.
  explicit ImageFolder(const std::string& folder, const ImageFolderOptions& options = {});

  [[nodiscard]] bool has(Split split) const;
  /// image (channels, height, width) u8, label () i64. Mean and deviation are those of the training pictures (of 4,096
  /// of them at most, when they are not kept in memory); empty unless prepared. Throws Error naming the file for one
  /// that is not sound when `strict`, for a training class without any sound picture, and for a split that isn't there.
  [[nodiscard]] Dataset open(Split split) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace narae
