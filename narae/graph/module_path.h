#pragma once

#include <cstdint>
#include <string>

#include "narae/core/export.h"

namespace narae {

/// While it lives, nodes written by this thread carry `name` appended to the path of the scope around it:
/// error messages, summaries and profiles name the module ("features.0.conv1").
class NARAE_API ModuleScope {
 public:
  explicit ModuleScope(const std::string& name);
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
