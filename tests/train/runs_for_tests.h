#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "narae/core/error.h"
#include "narae/train/trainer.h"

namespace narae {

/// A run in `project` that prints nothing.
inline TrainOptions quiet(const std::filesystem::path& project) {
  return {.project = project, .progress = {.quiet = true}};
}

/// What an Error of the action says; "" when there is none.
inline std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace narae
