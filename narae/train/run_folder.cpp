#include "narae/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/train/checkpoint.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

constexpr std::array run_files = {"recipe.toml",     "config.json",  "results.csv",   "steps.csv",
                                  "curves.svg",      "log.txt",      "summary.txt",   "weights",
                                  "predictions.png", "mistakes.png", "confusion.png", "boundary.png"};

[[noreturn]] void fail(const fs::path& path, int error) {
  const char* advice = error == ENOSPC || error == EDQUOT    ? "free some space there"
                       : error == EROFS                      ? "the file system is read-only"
                       : error == EEXIST || error == ENOTDIR ? "a file stands where a folder has to be, move it away"
                                                             : "make the folder around it writable for this user";
  throw Error(path.string() + ": the run's folder cannot be made: " + std::generic_category().message(error) + "; " +
              advice + " or choose another place with --project");
}

// Temporary files that a killed process left.
void remove_leftovers(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".narae-") && name.ends_with(".tmp")) fs::remove(entry.path(), ignored);
  }
}

// 1 for name itself, n for name-n, 0 for anything else.
int number_of(const std::string& folder, const std::string& name) {
  if (folder == name) return 1;
  if (!folder.starts_with(name + "-")) return 0;
  const char* begin = folder.data() + name.size() + 1;
  const char* end = folder.data() + folder.size();
  int number = 0;
  const auto result = std::from_chars(begin, end, number);
  return result.ec == std::errc{} && result.ptr == end && number >= 2 && *begin != '0' ? number : 0;
}

}  // namespace

void make_run_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(path, error.value());
  if (!fs::is_directory(path, error)) fail(path, ENOTDIR);
}

void require_run_name(const std::string& name) {
  if (name.empty() || name[0] == '.' || name.size() > 200 || name.find_first_of("/\n\r\t") != std::string::npos) {
    throw UsageError("a run can't be called '" + name + "': a name of its folder is wanted, without '/' and not " +
                     "beginning with '.'; --project chooses the place");
  }
}

RunFolder::RunFolder(fs::path path) : path_(std::move(path)), lock_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (lock_ < 0) throw Error(path_.string() + ": cannot be opened: " + std::generic_category().message(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(lock_);
    throw Error(path_.string() + ": another process is training in this folder; wait for it or end it");
  }
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

void RunFolder::prepare() const {
  make_run_folders(path_ / "weights");
  make_run_folders(checkpoints());
  remove_leftovers(path_);
  remove_leftovers(path_ / "weights");
}

RunFolder RunFolder::create(const fs::path& project, const std::string& recipe, const std::string& name, bool reuse) {
  require_run_name(name);
  const fs::path parent = project / recipe;
  make_run_folders(parent);
  for (int number = 1;; ++number) {
    const fs::path path = parent / (number == 1 ? name : name + "-" + std::to_string(number));
    // mkdir tells who was first.
    const bool made = ::mkdir(path.c_str(), 0777) == 0;
    const int error = made ? 0 : errno;
    if (error == EEXIST && !reuse) continue;
    if (error != 0 && error != EEXIST) fail(path, error);
    if (std::error_code ignored; !fs::is_directory(path, ignored)) fail(path, ENOTDIR);
    RunFolder folder(path);
    if (!made) folder.clear();
    folder.prepare();
    return folder;
  }
}

RunFolder RunFolder::open(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) throw Error(path.string() + ": there is no such run folder");
  RunFolder folder(path);
  folder.prepare();
  return folder;
}

fs::path RunFolder::weights(const std::string& which) const {
  return path_ / "weights" / (which + ".safetensors");
}

void RunFolder::clear() const {
  std::error_code error;
  fs::remove_all(checkpoints(), error);
  for (const char* name : run_files) {
    if (!error) fs::remove_all(path_ / name, error);
  }
  if (error) {
    throw Error(path_.string() + ": files of the last run cannot be removed: " + error.message() +
                "; make the folder writable or choose another --name");
  }
  prepare();
}

std::optional<fs::path> newest_run(const fs::path& project, const std::string& recipe, const std::string& name) {
  std::optional<fs::path> newest;
  int highest = 0;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(project / recipe, ignored)) {
    const int number = number_of(entry.path().filename().string(), name);
    if (number > highest && entry.is_directory(ignored)) {
      highest = number;
      newest = entry.path();
    }
  }
  return newest;
}

std::optional<fs::path> latest_run(const fs::path& project, const std::string& recipe) {
  std::optional<fs::path> latest;
  fs::file_time_type at{};
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(project / recipe, ignored)) {
    std::vector<fs::path> signs = checkpoints_in(entry.path() / "checkpoints");
    signs.push_back(entry.path() / "recipe.toml");
    for (const fs::path& sign : signs) {
      std::error_code missing;
      const fs::file_time_type written = fs::last_write_time(sign, missing);
      if (missing || (latest && written <= at)) continue;
      at = written;
      latest = entry.path();
    }
  }
  return latest;
}

}  // namespace narae
