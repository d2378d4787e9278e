#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/narae/commands.h"
#include "narae/core/error.h"
#include "narae/core/threads.h"

namespace narae::cli {
namespace {

constexpr int most_threads = 1024;

void set_threads(const std::string& text) {
  if (text == "auto") {
    set_thread_count(available_cores());
    return;
  }
  int n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size() || n < 1 || n > most_threads) {
    throw UsageError("--threads: '" + text + "' is neither auto nor a number from 1 to " +
                     std::to_string(most_threads));
  }
  set_thread_count(n);
}

}  // namespace

void add_threads_flag(CLI::App& command) {
  command.add_option_function<std::string>("--threads", set_threads, "Threads to compute with: auto or a number")
      ->type_name("N")
      ->default_str("auto");
}

CLI::Option* add_json_flag(CLI::App& command, bool& json) {
  return command.add_flag("--json", json, "One JSON document on standard output and nothing else");
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error(std::string("standard output can't be written: ") + std::strerror(errno));
  }
}

void print_json(const nlohmann::ordered_json& document) {
  print(document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

bool is_terminal(int stream) {
  return isatty(stream) == 1;
}

bool colors_welcome(int stream) {
  const char* unwanted = std::getenv("NO_COLOR");
  return is_terminal(stream) && (unwanted == nullptr || *unwanted == '\0');
}

CLI::Validator not_empty() {
  return {[](std::string& text) { return text.empty() ? std::string("it is empty") : std::string(); }, ""};
}

void refuse_overwriting(const std::string& flag, const std::filesystem::path& output,
                        const std::vector<std::filesystem::path>& read) {
  std::error_code ignored;
  for (const std::filesystem::path& file : read) {
    const bool is_shard = file.string().ends_with(".index.json") && output.extension() == ".safetensors" &&
                          std::filesystem::equivalent(output.parent_path() / ".", file.parent_path() / ".", ignored);
    if (is_shard || std::filesystem::equivalent(output, file, ignored)) {
      throw UsageError(flag + ": " + output.string() + " would overwrite what is read; choose another name");
    }
  }
}

}  // namespace narae::cli
