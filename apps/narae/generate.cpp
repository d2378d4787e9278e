#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/profile.h"
#include "apps/narae/runs.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/train/generate.h"
#include "narae/train/stop_strings.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string run;
  std::string prompt;
  std::string of_class;
  std::int64_t max_tokens = 200;
  std::int64_t number = 1;
  std::vector<std::string> stops;
  SamplingOptions sampling;
  std::int64_t beams = 0;  // 0: no search
  double length_penalty = 1;
  bool last = false;
  bool json = false;
};

void tell_unknown(const TextGenerator& generator) {
  if (generator.unknown() == 0) return;
  fmt::print(stderr, "{} of the prompt's tokens are not in the run's vocabulary and are read as <unk>\n",
             generator.unknown());
}

// Writes a text as it comes, unless JSON is wanted; returns what follows the prompt.
std::string sampled(TextGenerator& generator, const Arguments& arguments) {
  std::string text;
  const auto write = [&](const std::string& piece) {
    if (!arguments.json) print(piece);
    text += piece;
  };
  StopStrings stops(arguments.stops);
  for (std::int64_t k = 0; k < arguments.max_tokens && !stops.stopped(); ++k) {
    const auto piece = generator.next();
    if (!piece) break;
    write(stops.add(*piece));
  }
  write(stops.add(generator.rest()));
  write(stops.rest());
  return text;
}

// The likeliest texts that a search finds, `number` of them.
Json searched(const TextGenerator& generator, const std::string& prompt, const Arguments& arguments) {
  Json texts = Json::array();
  for (const FoundText& found : generator.search({.beams = arguments.beams,
                                .max_tokens = arguments.max_tokens,
                                .length_penalty = arguments.length_penalty})) {
    if (std::ssize(texts) == arguments.number) break;
    StopStrings stops(arguments.stops);
    const std::string certain = stops.add(found.text);
    const std::string text = prompt + certain + stops.rest();
    if (!arguments.json) print(text + "\n");
    texts.push_back({{"score", found.score}, {"text", text}});
  }
  return texts;
}

void require_agreeing(const Arguments& arguments) {
  if (arguments.beams > 0 && arguments.number > arguments.beams) {
    throw UsageError(
        fmt::format("--num {}: {} beams find {} texts at most", arguments.number, arguments.beams, arguments.beams));
  }
}

void run_generate(const Arguments& arguments) {
  require_agreeing(arguments);
  const TrainedModel model = load_run(arguments.run, arguments.last ? "last" : "best");
  const std::string prompt = arguments.prompt == "-" ? read_text("/dev/stdin") : arguments.prompt;
  const Prompt begin{.text = prompt, .of_class = arguments.of_class};
  Json texts = Json::array();
  if (arguments.beams > 0) {
    const TextGenerator generator(model, begin, arguments.sampling);
    tell_unknown(generator);
    texts = searched(generator, prompt, arguments);
  }
  for (std::int64_t i = 0; arguments.beams == 0 && i < arguments.number; ++i) {
    SamplingOptions sampling = arguments.sampling;
    sampling.seed += static_cast<std::uint64_t>(i);
    TextGenerator generator(model, begin, sampling);
    if (i == 0) tell_unknown(generator);
    if (!arguments.json) print(prompt);
    const std::string text = prompt + sampled(generator, arguments);
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
  command
      ->add_option("run", arguments->run,
                   "The run's folder, or recipe/name below runs/, or a folder saved by transformers")
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
  command
      ->add_option("--repetition-penalty", sampling.repetition_penalty,
                   "Divides the logits of tokens that the text has already (negative ones are multiplied); 1: none")
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--stop", arguments->stops, "Ends the text before this string; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  CLI::Option* beams =
      command
          ->add_option("--beams", arguments->beams,
                       "Search for the likeliest text with N beams instead of choosing at random; --num of them")
          ->type_name("N")
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 10))
          ->excludes("--temperature")
          ->excludes("--top-k")
          ->excludes("--top-p");
  command
      ->add_option("--length-penalty", arguments->length_penalty,
                   "Texts of a search are compared by log probability / tokens^X: above 1 for longer ones")
      ->type_name("X")
      ->needs(beams)
      ->capture_default_str();
  CLI::Option* seed = command->add_option("--seed", sampling.seed, "The same seed, the same text")
                          ->type_name("N")
                          ->capture_default_str();
  beams->excludes(seed);
  command->add_flag("--last", arguments->last, "The last weights instead of the best");
  add_threads_flag(*command);
  add_profile_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run_generate(*arguments); });
}

}  // namespace narae::cli
