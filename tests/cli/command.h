#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tests/house/places.h"

namespace narae::cli {

struct CommandOptions {
  std::filesystem::path folder = {};           ///< where it runs; here unless given
  std::string input = {};                      ///< on its standard input
  std::vector<std::string> environment = {};   ///< "NAME=value", besides what there is
  std::filesystem::path standard_output = {};  ///< where it goes instead of `out`
};

struct CommandResult {
  int exit_code = -1;  ///< -n when signal n ended it
  std::string out;
  std::string err;
};

/// A fresh empty folder for one test; all of them are removed when the process ends.
inline std::filesystem::path temporary_folder() {
  struct Root {
    std::filesystem::path path =
        std::filesystem::path(::testing::TempDir()) / ("narae-tests-" + std::to_string(getpid()));
    std::atomic<int> folders{0};
    Root() { std::filesystem::remove_all(path); }  // of a process that crashed under the same number
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;
    ~Root() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static Root root;
  const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = info == nullptr ? "test" : info->name();
  std::filesystem::path folder = root.path / (name + "-" + std::to_string(root.folders++));
  std::filesystem::create_directories(folder);
  return folder;
}

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_whole(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Starts the command with its output in files of `scratch`; returns its process id.
inline pid_t start_command(const std::vector<std::string>& arguments, const CommandOptions& options,
                           const std::filesystem::path& scratch) {
  write_whole(scratch / "in", options.input);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string in = scratch / "in";
  const std::string out = options.standard_output.empty() ? scratch / "out" : options.standard_output;
  const std::string err = scratch / "err";
  constexpr int writing = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), writing, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), writing, 0600);
  const std::string folder = options.folder;
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());

  std::vector<std::string> words = {test_places::command_path()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> settings = options.environment;
  std::vector<char*> envp;
  for (std::string& setting : settings) envp.push_back(setting.data());
  for (char** old = environ; *old != nullptr; ++old) {
    const char* const end = std::strchr(*old, '=');
    if (end == nullptr) continue;
    const std::string name(static_cast<const char*>(*old), end + 1);
    bool replaced = false;
    for (const std::string& setting : settings) replaced = replaced || setting.starts_with(name);
    if (!replaced) envp.push_back(*old);
  }
  envp.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawn(&child, test_places::command_path().c_str(), &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("can't start " + test_places::command_path() + ": " + std::strerror(error));
  return child;
}

/// Waits for a command that was started with this scratch folder.
inline CommandResult finish_command(pid_t child, const std::filesystem::path& scratch) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  CommandResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  result.out = read_whole(scratch / "out");
  result.err = read_whole(scratch / "err");
  return result;
}

/// Runs `narae arguments...` to its end.
inline CommandResult run_command(const std::vector<std::string>& arguments, const CommandOptions& options = {}) {
  const std::filesystem::path scratch = temporary_folder();
  CommandResult result = finish_command(start_command(arguments, options, scratch), scratch);
  std::filesystem::remove_all(scratch);
  return result;
}

inline ::testing::AssertionResult says(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}
/// The text holds the part.
#define EXPECT_SAYS(text, part) EXPECT_TRUE(::narae::cli::says(text, part))

}  // namespace narae::cli
