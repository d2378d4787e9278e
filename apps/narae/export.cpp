#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "apps/narae/commands.h"
#include "apps/narae/runs.h"
#include "narae/core/error.h"
#include "narae/train/pretrained.h"

namespace narae::cli {
namespace {

struct Arguments {
  std::string run;
  std::string folder;
  bool last = false;
};

void run_export(const Arguments& arguments) {
  const TrainedModel model = load_run(arguments.run, arguments.last ? "last" : "best");
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::path(arguments.folder) / "config.json", ignored)) {
    throw UsageError("'" + arguments.folder + "' holds a model already; name another folder");
  }
  save_pretrained(arguments.folder, model);
  print(fmt::format("{}: config.json, model.safetensors{}\n", arguments.folder,
                    model.tokenizer && model.tokenizer->bpe ? ", tokenizer.json" : ""));
}

}  // namespace

void add_export(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("export", "Write a language model as Hugging Face's transformers read it (model gpt)");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("run", arguments->run, "The run's folder, or recipe/name below runs/")
      ->type_name("RUN")
      ->required();
  command->add_option("folder", arguments->folder, "Where config.json and model.safetensors are to lie")
      ->type_name("FOLDER")
      ->required()
      ->check(not_empty());
  command->add_flag("--last", arguments->last, "The last weights instead of the best");
  command->callback([arguments] { run_export(*arguments); });
}

}  // namespace narae::cli
