#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "narae/core/export.h"

namespace narae {

/// A folder that one training run writes to, locked against a second one as long as this object lives.
class NARAE_API RunFolder {
 public:
  /// Makes project/recipe/name, or name-2, name-3, ... when it is taken, without races between processes. With
  /// `reuse`, an existing folder of that name is taken and emptied of the run's files. Throws Error naming the path and
  /// what to do when it can't be made or another process trains in it; UsageError for a name that is no folder's.
  [[nodiscard]] static RunFolder create(const std::filesystem::path& project, const std::string& recipe,
                                        const std::string& name, bool reuse);
  /// Takes an existing folder to go on with. Throws Error when there is none or another process trains in it.
  [[nodiscard]] static RunFolder open(const std::filesystem::path& path);

  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return path_ / name; }
  [[nodiscard]] std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  /// `which`: "best" or "last".
  [[nodiscard]] std::filesystem::path weights(const std::string& which) const;

  /// Removes what a run leaves behind, checkpoints first; other files stay.
  void clear() const;

 private:
  explicit RunFolder(std::filesystem::path path);
  void prepare() const;

  std::filesystem::path path_;
  int lock_ = -1;
};

/// Makes a folder and those around it. Throws Error naming the path, the reason and what to do.
NARAE_API void make_run_folders(const std::filesystem::path& path);
/// Throws UsageError for what can't be the name of a run's folder.
NARAE_API void require_run_name(const std::string& name);

/// The run of that name that was made last (the highest number), or nothing.
[[nodiscard]] NARAE_API std::optional<std::filesystem::path> newest_run(const std::filesystem::path& project,
                                                                        const std::string& recipe,
                                                                        const std::string& name);

/// The run of that recipe, whatever its name, that was begun last or wrote the last checkpoint; or nothing.
[[nodiscard]] NARAE_API std::optional<std::filesystem::path> latest_run(const std::filesystem::path& project,
                                                                        const std::string& recipe);

}  // namespace narae
