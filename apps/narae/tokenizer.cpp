#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/text/bpe_file.h"
#include "narae/text/bpe_trainer.h"
#include "narae/text/corpus.h"
#include "narae/text/tokenizer.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct TrainArguments {
  std::vector<std::string> files;
  std::string save;
  std::string pattern = "gpt2";
  text::BpeTraining training;
  bool json = false;
};

void run_train(TrainArguments arguments) {
  if (arguments.pattern == "llama3") {
    arguments.training.pre_tokens = {.splits = {std::string(text::llama3_pattern)}, .use_regex = false};
  }
  std::vector<std::string> texts;
  std::size_t bytes = 0;
  for (const std::string& file : arguments.files) {
    texts.push_back(text::read_text_file(file == "-" ? "/dev/stdin" : file));
    bytes += texts.back().size();
  }
  const text::Bpe bpe = text::train_bpe(texts, arguments.training);
  text::save_bpe(arguments.save, bpe);
  const auto merges = std::ssize(bpe.parts().merges);
  if (arguments.json) {
    print_json({{"folder", arguments.save}, {"tokens", bpe.size()}, {"merges", merges}, {"bytes", bytes}});
    return;
  }
  if (bpe.size() < arguments.training.vocabulary_size) {
    fmt::print(stderr, "the texts give {} tokens; {} were asked for\n", bpe.size(), arguments.training.vocabulary_size);
  }
  print(fmt::format("{}: {} tokens, {} merges, learned from {} bytes\n", arguments.save, bpe.size(), merges, bytes));
}

struct CodingArguments {
  std::string tokenizer;
  std::vector<std::string> inputs;
  bool add_special = false;
  bool keep_special = false;
  bool tokens = false;
  bool json = false;
};

text::Tokenizer open_tokenizer(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw UsageError(
        "--tokenizer: there is no file or folder '" + path +
        "'; a tokenizer.json, vocabulary.json, vocab.json with merges.txt, or a folder with one is wanted");
  }
  return text::load_tokenizer(path);
}

// The input itself, or for "-" what standard input holds.
std::string content_of(const std::string& input) {
  return input == "-" ? read_text("/dev/stdin", text::most_text_bytes) : input;
}

void run_encode(const CodingArguments& arguments) {
  const text::Tokenizer tokenizer = open_tokenizer(arguments.tokenizer);
  if (arguments.add_special && !tokenizer.bpe) {
    throw UsageError("--add-special: " + arguments.tokenizer +
                     " is no tokenizer of byte pairs; it adds nothing to texts");
  }
  Json list = Json::array();
  std::string lines;
  for (const std::string& input : arguments.inputs) {
    const std::string content = content_of(input);
    const text::TokenIds ids =
        tokenizer.bpe ? tokenizer.bpe->encode(content, arguments.add_special) : tokenizer.encode(content);
    std::vector<std::string> tokens;
    if (arguments.tokens || arguments.json) {
      for (const std::int32_t id : ids) tokens.push_back(tokenizer.vocabulary.token(id));
    }
    if (arguments.json) list.push_back({{"ids", ids}, {"tokens", tokens}});
    lines += arguments.tokens ? fmt::format("{}\n", fmt::join(tokens, " ")) : fmt::format("{}\n", fmt::join(ids, " "));
  }
  if (arguments.json) {
    print_json(list);
  } else {
    print(lines);
  }
}

// The numbers in a text, which blanks, line ends or commas set apart.
void read_ids(std::string_view text, text::TokenIds& ids) {
  constexpr std::string_view between = " \t\r\n,";
  while (true) {
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(between)));
    if (text.empty()) return;
    std::int32_t id = 0;
    const std::string_view word = text.substr(0, text.find_first_of(between));
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc{} || end != word.data() + word.size()) {
      throw UsageError("'" + std::string(word.substr(0, 40)) + "' is not the number of a token");
    }
    ids.push_back(id);
    text.remove_prefix(word.size());
  }
}

void run_decode(const CodingArguments& arguments) {
  const text::Tokenizer tokenizer = open_tokenizer(arguments.tokenizer);
  if (arguments.keep_special && !tokenizer.bpe) {
    throw UsageError("--keep-special: " + arguments.tokenizer + " is no tokenizer of byte pairs");
  }
  text::TokenIds ids;
  for (const std::string& input : arguments.inputs) read_ids(content_of(input), ids);
  const std::string text = tokenizer.bpe ? tokenizer.bpe->decode(ids, arguments.keep_special) : tokenizer.decode(ids);
  if (arguments.json) {
    print_json({{"text", text}});
  } else {
    print(text + "\n");
  }
}

Json description_of(const text::Tokenizer& tokenizer) {
  Json json{{"kind", text::name_of(tokenizer.rule.kind)}, {"tokens", tokenizer.vocabulary.size()}};
  Json special = Json::object();
  if (tokenizer.bpe) {
    const text::BpeParts& parts = tokenizer.bpe->parts();
    json["merges"] = parts.merges.size();
    json["patterns"] = parts.pre_tokens.splits;
    if (parts.pre_tokens.use_regex) json["patterns"].push_back(text::gpt2_pattern);
    json["add_prefix_space"] = parts.pre_tokens.add_prefix_space;
    for (const text::AddedToken& token : parts.added) special[tokenizer.vocabulary.token(token.id)] = token.id;
  } else {
    for (std::int64_t id = 0; id < tokenizer.vocabulary.size(); ++id)
      if (tokenizer.vocabulary.is_special(id)) special[tokenizer.vocabulary.token(id)] = id;
  }
  json["special"] = special;
  return json;
}

void run_show(const std::string& path, bool as_json) {
  const Json json = description_of(open_tokenizer(path));
  if (as_json) {
    print_json(json);
    return;
  }
  for (const auto& [key, value] : json.items()) {
    print(fmt::format("{:18} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump()));
  }
}

void add_tokenizer_option(CLI::App& command, std::string& path) {
  command
      .add_option("--tokenizer", path,
                  "tokenizer.json, vocabulary.json, vocab.json with merges.txt, or a folder with one, as a run's")
      ->type_name("PATH")
      ->required();
}

void add_train(CLI::App& tokenizer) {
  CLI::App* command = tokenizer.add_subcommand("train", "Learn byte pairs from text files, line by line");
  const auto arguments = std::make_shared<TrainArguments>();
  text::BpeTraining& training = arguments->training;
  command->add_option("files", arguments->files, "Text files, plain or gzip; - reads standard input")
      ->type_name("FILE")
      ->required();
  command->add_option("--save", arguments->save, "Folder for tokenizer.json, vocab.json and merges.txt")
      ->type_name("FOLDER")
      ->required()
      ->check(not_empty());
  command->add_option("--size", training.vocabulary_size, "Tokens, special ones and the 256 bytes included")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{256}, std::int64_t{1} << 30))
      ->capture_default_str();
  command->add_option("--min-count", training.min_count, "Pairs that occur less often are not merged")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--special", training.special_tokens, "A special token, as <|endoftext|>; may be given again")
      ->type_name("TOKEN")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--pattern", arguments->pattern, "How texts are cut into words first: gpt2 or llama3")
      ->check(CLI::IsMember({"gpt2", "llama3"}))
      ->capture_default_str();
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run_train(*arguments); });
}

void add_encode(CLI::App& tokenizer) {
  CLI::App* command = tokenizer.add_subcommand("encode", "Print the numbers of the tokens of texts, a line each");
  const auto arguments = std::make_shared<CodingArguments>();
  command->add_option("texts", arguments->inputs, "Texts; - reads standard input")->type_name("TEXT")->required();
  add_tokenizer_option(*command, arguments->tokenizer);
  command->add_flag("--tokens", arguments->tokens, "The tokens themselves instead of their numbers");
  command->add_flag("--add-special", arguments->add_special,
                    "With the tokens that begin and end texts, if there are any");
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run_encode(*arguments); });
}

void add_decode(CLI::App& tokenizer) {
  CLI::App* command = tokenizer.add_subcommand("decode", "Print the text of tokens");
  const auto arguments = std::make_shared<CodingArguments>();
  command->add_option("ids", arguments->inputs, "Numbers of tokens; - reads standard input")
      ->type_name("N")
      ->required();
  add_tokenizer_option(*command, arguments->tokenizer);
  command->add_flag("--keep-special", arguments->keep_special, "Special tokens are printed, too");
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run_decode(*arguments); });
}

void add_show(CLI::App& tokenizer) {
  CLI::App* command = tokenizer.add_subcommand("show", "Print what a tokenizer is made of");
  const auto path = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  add_tokenizer_option(*command, *path);
  add_json_flag(*command, *json);
  command->callback([path, json] { run_show(*path, *json); });
}

}  // namespace

void add_tokenizer(CLI::App& app) {
  CLI::App* command = app.add_subcommand("tokenizer", "Train, apply and look at tokenizers");
  command->require_subcommand(1);
  add_train(*command);
  add_encode(*command);
  add_decode(*command);
  add_show(*command);
}

}  // namespace narae::cli
