#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/resize.h"

namespace narae {

/// Files of a dataset that could not be used, and why. May be used from several threads.
class NARAE_API SkippedFiles {
 public:
  /// `why` is a whole message: it names the file.
  void add(const std::string& why);
  [[nodiscard]] std::int64_t count() const;
  /// The messages, in the order of their text.
  [[nodiscard]] std::vector<std::string> messages() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

/// What is known about pictures that lie in files of their own.
struct PictureFiles {
  std::vector<PictureSize> sizes;  ///< of the pictures in the files, one a sound file
  SkippedFiles skipped;            ///< files that were left out; those whose damage shows in decoding come later
};

}  // namespace narae
