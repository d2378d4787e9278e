#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "narae/train/recipe.h"
#include "tests/cli/command.h"

namespace narae::cli {

// A training run of a second or less in a folder of its own: 8 steps an epoch.
class TrainCommand : public testing::Test {
 protected:
  ~TrainCommand() override { std::filesystem::remove_all(folder_); }

  CommandResult train(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "train");
    return run_command(arguments, {.folder = folder_});
  }
  // The built-in mlp on a few points, with these flags besides.
  CommandResult train_points(std::vector<std::string> flags) {
    const std::vector<std::string> base = {
        "mlp", "model.hidden=8", "--data", "synth:moons?train=80&test=40", "--batch-size", "10", "--epochs", "2"};
    flags.insert(flags.begin(), base.begin(), base.end());
    return train(std::move(flags));
  }
  [[nodiscard]] Recipe recipe_of(const std::string& run) const { return load_recipe((folder_ / run).string()); }
  [[nodiscard]] bool has(const std::string& path) const { return std::filesystem::exists(folder_ / path); }

  const std::filesystem::path folder_ = temporary_folder();
};

/// The last line that holds anything.
inline std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n');
  const std::size_t begin = text.rfind('\n', end);
  return text.substr(begin + 1, end - begin);
}

/// The hash of the weights that a run's last line ends with.
inline std::string hash_in(const std::string& text) {
  const std::string line = last_line(text);
  return line.substr(line.rfind(' ') + 1);
}

}  // namespace narae::cli
