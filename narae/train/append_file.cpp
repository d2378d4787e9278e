#include "narae/train/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "narae/core/error.h"

namespace narae {

AppendFile::AppendFile(std::filesystem::path path)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail(errno);
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw Error(path_.string() + ": is not a regular file; remove it");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

AppendFile::~AppendFile() {
  ::close(descriptor_);
}

void AppendFile::fail(int error) const {
  throw Error(path_.string() + ": cannot be written: " + std::generic_category().message(error) +
              (error == ENOSPC || error == EDQUOT ? "; free some space there, then go on with --resume"
                                                  : "; check the folder's permissions and the disk"));
}

void AppendFile::write(std::string_view text) {
  std::uint64_t end = size_;
  while (!text.empty()) {
    const ssize_t put = ::pwrite(descriptor_, text.data(), text.size(), static_cast<off_t>(end));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      const int error = put < 0 ? errno : EIO;
      // What was written of the line goes; if even that fails there is nothing left to do about it.
      [[maybe_unused]] const int ignored = ::ftruncate(descriptor_, static_cast<off_t>(size_));
      fail(error);
    }
    end += static_cast<std::uint64_t>(put);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  size_ = end;
}

void AppendFile::cut(std::uint64_t size) {
  if (size >= size_) return;
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail(errno);
  size_ = size;
}

void AppendFile::keep_whole_lines(std::string_view header) {
  std::string text(size_, '\0');
  const int reader = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (reader < 0) fail(errno);
  const ssize_t got = ::pread(reader, text.data(), text.size(), 0);
  const int error = errno;
  ::close(reader);
  if (got < 0) fail(error);
  text.resize(static_cast<std::size_t>(got));
  const std::size_t last = text.rfind('\n');
  cut(text.starts_with(header) && last != std::string::npos ? last + 1 : 0);
}

void AppendFile::sync() {
  if (::fsync(descriptor_) != 0) fail(errno);
}

}  // namespace narae
