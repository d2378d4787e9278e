#include "narae/core/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "narae/core/error.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
constexpr std::size_t largest_write = std::size_t{1} << 30;  // Linux writes at most 2 GiB a call

std::string reason_of(int error) {
  switch (error) {
    case ENOENT:
      return "no such file";
    case EACCES:
    case EPERM:
      return "permission denied";
    default:
      return std::generic_category().message(error);
  }
}

[[noreturn]] void fail_reading(const fs::path& path, int error) {
  const bool permission = error == EACCES || error == EPERM;
  throw Error(path.string() + ": " + reason_of(error) +
              (permission ? "; make the file and its folders readable for this user" : ""));
}

std::string advice_for(int error, const fs::path& folder) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space there or choose another folder";
    case EROFS:
      return "; the file system is read-only, choose another folder";
    case EACCES:
    case EPERM:
      return "; make the folder " + folder.string() + " writable for this user or choose another one";
    case ENOENT:
    case ENOTDIR:
      return "; create the folder " + folder.string() + " first";
    case EFBIG:
      return "; the file is larger than this file system or the limit of the process (ulimit -f) allows";
    case ENAMETOOLONG:
      return "; choose a shorter name";
    default:
      return "; check the disk or choose another folder";
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

[[noreturn]] void fail_writing(const fs::path& path, int error) {
  throw Error(path.string() + ": cannot be written: " + std::generic_category().message(error) +
              advice_for(error, folder_of(path)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

int open_retrying(const fs::path& path, int flags, mode_t mode = 0) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// The size of an opened file; refuses folders.
struct stat status_of(const Descriptor& file, const fs::path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_reading(path, errno);
  if (S_ISDIR(status.st_mode)) throw Error(path.string() + ": is a folder; a file was expected");
  return status;
}

// Where the bytes have to go in the end: a link is followed, so that it stays a link; devices and pipes are refused,
// because renaming over them would remove them.
fs::path target_of(const fs::path& path) {
  if (!path.has_filename()) throw Error(path.string() + ": names a folder; give the name of a file");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) throw Error(path.string() + ": is a folder; give the name of a file");
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw Error(path.string() + ": is not a regular file; give the name of a file that may be replaced");
  }
  if (fs::is_symlink(fs::symlink_status(path, error))) {
    fs::path resolved = fs::weakly_canonical(path, error);
    if (error) fail_writing(path, error.value());
    if (fs::is_symlink(fs::symlink_status(resolved, error))) {
      throw Error(path.string() + ": is a symbolic link that leads nowhere; remove it first");
    }
    return resolved;
  }
  return path;
}

}  // namespace

Buffer map_file(const fs::path& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang; it means nothing for regular files.
  const Descriptor file(open_retrying(path, O_RDONLY | O_NONBLOCK));
  if (file.get() < 0) fail_reading(path, errno);
  const struct stat status = status_of(file, path);
  if (!S_ISREG(status.st_mode)) {
    throw Error(path.string() + ": is not a regular file and cannot be mapped; copy it to a file first");
  }
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes == 0) return Buffer::adopt(nullptr, 0, [] {});
  void* const memory = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED) {
    throw Error(path.string() + ": " + std::to_string(bytes) +
                " bytes cannot be mapped: " + std::generic_category().message(errno));
  }
  return Buffer::adopt(memory, bytes, [memory, bytes] { ::munmap(memory, bytes); });
}

std::string read_text(const fs::path& path, std::size_t limit) {
  const Descriptor file(open_retrying(path, O_RDONLY));
  if (file.get() < 0) fail_reading(path, errno);
  const struct stat status = status_of(file, path);
  const std::string too_long =
      path.string() + ": larger than the " + std::to_string(limit) + " bytes that such a file may have";
  std::size_t expected = 0;
  if (S_ISREG(status.st_mode)) {
    expected = static_cast<std::size_t>(status.st_size);
    if (expected > limit) throw Error(too_long);
  }
  // One byte more than expected shows the end of the file without another round.
  std::string text(std::max<std::size_t>(expected + 1, 4096), '\0');
  std::size_t filled = 0;
  while (true) {
    const ssize_t got = ::read(file.get(), text.data() + filled, std::min(text.size() - filled, largest_write));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_reading(path, errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    if (filled > limit) throw Error(too_long);
    if (filled == text.size()) text.resize(2 * text.size());
  }
  text.resize(filled);
  return text;
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)), target_(target_of(path_)) {
  static std::atomic<unsigned> counter{0};
  const std::string prefix = ".narae-" + std::to_string(::getpid()) + "-";
  int error = EEXIST;
  // A name can be taken by what a killed process of the same number left: then the next one is tried.
  for (int attempt = 0; attempt < 1000 && error == EEXIST; ++attempt) {
    temporary_ = folder_of(target_) / (prefix + std::to_string(counter++) + ".tmp");
    descriptor_ = open_retrying(temporary_, O_WRONLY | O_CREAT | O_EXCL, 0666);
    error = descriptor_ < 0 ? errno : 0;
  }
  if (error != 0) fail_writing(path_, error);
}

AtomicFile::~AtomicFile() {
  discard();
}

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  if (descriptor_ < 0) throw Error(path_.string() + ": written to after it was committed or had failed");
  if (bytes == 0) return;
  const auto* begin = static_cast<const char*>(data);
  if (pending_.size() + bytes > buffer_bytes) flush();
  if (bytes > buffer_bytes) {
    write_through(begin, bytes);
  } else {
    pending_.append(begin, bytes);
  }
}

void AtomicFile::flush() {
  write_through(pending_.data(), pending_.size());
  pending_.clear();
}

void AtomicFile::write_through(const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t put = ::write(descriptor_, data, std::min(bytes, largest_write));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      const int error = put < 0 ? errno : EIO;
      discard();
      fail_writing(path_, error);
    }
    data += put;
    bytes -= static_cast<std::size_t>(put);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw Error(path_.string() + ": committed twice or after it had failed");
  flush();
  int error = ::fsync(descriptor_) != 0 ? errno : 0;
  // EINTR from close still closes on Linux; the data is already synced.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR && error == 0) error = errno;
  if (error == 0 && ::rename(temporary_.c_str(), target_.c_str()) != 0) error = errno;
  if (error != 0) {
    discard();
    fail_writing(path_, error);
  }
  temporary_.clear();
  sync_folder(folder_of(target_));
}

void write_file(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void sync_folder(const fs::path& path) {
  const Descriptor folder(open_retrying(path, O_RDONLY | O_DIRECTORY));
  if (folder.get() < 0) throw Error(path.string() + ": folder cannot be opened: " + reason_of(errno));
  // Some network file systems can't sync a folder and say EINVAL; renames are then as durable as they get.
  if (::fsync(folder.get()) != 0 && errno != EINVAL && errno != EROFS) {
    throw Error(path.string() + ": folder cannot be synced: " + std::generic_category().message(errno));
  }
}

}  // namespace narae
