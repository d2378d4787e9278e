#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/narae/commands.h"
#include "apps/narae/runs.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/train/generate.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string run;
  std::string prompt;
  std::string of_class;
  std::int64_t max_tokens = 200;
  std::int64_t number = 1;
  SamplingOptions sampling;
  bool last = false;
  bool json = false;
};

void run_generate(const Arguments& arguments) {
  const TrainedModel model = load_trained(find_run(arguments.run), arguments.last ? "last" : "best");
  const std::string prompt = arguments.prompt == "-" ? read_text("/dev/stdin") : arguments.prompt;
  Json texts = Json::array();
  for (std::int64_t i = 0; i < arguments.number; ++i) {
    SamplingOptions sampling = arguments.sampling;
    sampling.seed += static_cast<std::uint64_t>(i);
    TextGenerator generator(model, {.text = prompt, .of_class = arguments.of_class}, sampling);
    if (i == 0 && generator.unknown() > 0) {
      fmt::print(stderr, "{} of the prompt's tokens are not in the run's vocabulary and are read as <unk>\n",
                 generator.unknown());
    }
    std::string text = prompt;
    if (!arguments.json) print(prompt);
    for (std::int64_t k = 0; k < arguments.max_tokens; ++k) {
      const auto piece = generator.next();
      if (!piece) break;
      if (!arguments.json) print(*piece);
      text += *piece;
    }
    const std::string rest = generator.rest();
    if (!arguments.json) print(rest);
    text += rest;
    if (!arguments.json) print("\n");
    texts.push_back({{"seed", sampling.seed}, {"text", text}});
  }
  if (arguments.json) print_json(texts);
}

}  // namespace

void add_generate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "Let a language model go on with a text");
  const auto arguments = std::make_shared<Arguments>();
  SamplingOptions& sampling = arguments->sampling;
  command->add_option("run", arguments->run, "The run's folder, or recipe/name below runs/")
      ->type_name("RUN")
      ->required();
  command->add_option("--prompt", arguments->prompt, "What the text begins with; - reads standard input")
      ->type_name("TEXT");
  command->add_option("--class", arguments->of_class, "Of a run that learned from texts with classes: which one")
      ->type_name("NAME");
  command
      ->add_option("--max-tokens", arguments->max_tokens,
                   "Tokens (characters, words or byte pairs) at most; <eos> ends it earlier")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--temperature", sampling.temperature, "Divides the logits; 0 takes the likeliest token")
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--top-k", sampling.top_k, "Choose among the N likeliest tokens only; 0: among all")
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--top-p", sampling.top_p, "Choose among the likeliest tokens that have this probability together")
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--num", arguments->number, "So many texts, of seeds that follow each other")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--seed", sampling.seed, "The same seed, the same text")->type_name("N")->capture_default_str();
  command->add_flag("--last", arguments->last, "The last weights instead of the best");
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run_generate(*arguments); });
}

}  // namespace narae::cli
