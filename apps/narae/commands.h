#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace narae::cli {

/// Exit codes of the command.
enum ExitCode : int { done = 0, failed = 1, used_wrongly = 2, interrupted = 130 };

/// What a subcommand leaves behind besides its output. It throws UsageError (exit code 2) or any other exception (1)
/// with a message for the user; main prints it.
struct Outcome {
  int exit_code = done;
};

// Each adds one subcommand with its flags; its callback does the work when the command line has been read.
void add_train(CLI::App& app, Outcome& outcome);
void add_eval(CLI::App& app);
void add_predict(CLI::App& app);
void add_generate(CLI::App& app);
void add_forward(CLI::App& app);
void add_export(CLI::App& app);
void add_summary(CLI::App& app);
void add_tokenizer(CLI::App& app);
void add_inspect(CLI::App& app);
void add_models(CLI::App& app);
void add_recipes(CLI::App& app);
void add_datasets(CLI::App& app);
void add_runs(CLI::App& app);
void add_bench(CLI::App& app);

/// `--threads auto|N`, set as soon as it is read.
void add_threads_flag(CLI::App& command);
/// `--json`: one JSON document on standard output and nothing else.
CLI::Option* add_json_flag(CLI::App& command, bool& json);

/// For values that must say something: `option->check(not_empty())`.
[[nodiscard]] CLI::Validator not_empty();
/// Throws UsageError when `output` is one of the files that are read, or lies among the shards of one.
void refuse_overwriting(const std::string& flag, const std::filesystem::path& output,
                        const std::vector<std::filesystem::path>& read);

/// Writes to standard output. Throws Error when it can't be written (a full disk, a closed pipe).
void print(std::string_view text);
/// Numbers that JSON lacks (NaN, infinities) become null, text that is not UTF-8 is repaired.
void print_json(const nlohmann::ordered_json& document);

/// True when colours and moving progress are welcome on this stream (STDOUT_FILENO, STDERR_FILENO): a terminal; for
/// colours NO_COLOR must be unset or empty besides.
[[nodiscard]] bool is_terminal(int stream);
[[nodiscard]] bool colors_welcome(int stream);

}  // namespace narae::cli
