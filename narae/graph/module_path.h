#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "narae/core/export.h"

namespace narae {

/// The name of a module, which remembers its number under the path where it was used last: a scope then takes no lock.
/// Any number of threads may use it.
class NARAE_API ModuleName {
 public:
  explicit ModuleName(std::string text = "") : text_(std::move(text)) {}
  [[nodiscard]] const std::string& text() const { return text_; }
  /// Not while other threads use it.
  void set_text(const std::string& text);
  /// Number of the path `outer` with this name appended.
  [[nodiscard]] std::uint32_t number_under(std::uint32_t outer) const;

 private:
  static constexpr std::uint64_t none = 0;  // no path has the number 0 and a name
  std::string text_;
  mutable std::atomic<std::uint64_t> last_{none};  // outer path and number, 32 bits each
};

/// While it lives, nodes written by this thread carry `name` appended to the path of the scope around it:
/// error messages, summaries and profiles name the module ("features.0.conv1").
class NARAE_API ModuleScope {
 public:
  explicit ModuleScope(const std::string& name);
  explicit ModuleScope(const ModuleName& name);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  std::uint32_t outer_;
};

/// Number of the calling thread's module path; 0 outside any module.
[[nodiscard]] NARAE_API std::uint32_t current_module();
/// "" for 0.
[[nodiscard]] NARAE_API std::string module_path(std::uint32_t module);

namespace detail {
/// Sets the calling thread's path and returns the one before.
NARAE_API std::uint32_t exchange_module(std::uint32_t module);

/// While it lives, the calling thread writes under this path (gradient rules write under their forward node's).
class ModulePath {
 public:
  explicit ModulePath(std::uint32_t module) : outer_(exchange_module(module)) {}
  ~ModulePath() { exchange_module(outer_); }
  ModulePath(const ModulePath&) = delete;
  ModulePath& operator=(const ModulePath&) = delete;

 private:
  std::uint32_t outer_;
};
}  // namespace detail

}  // namespace narae
