// narae inspect attention: what every head of every layer looks at.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/inspect.h"
#include "apps/narae/runs.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/draw/pictures.h"
#include "narae/graph/eval.h"
#include "narae/ops/attention.h"
#include "narae/train/generate.h"
#include "narae/train/translation.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t most_tokens = 512;  // a picture of more could not be read

struct Arguments {
  std::string run;
  std::string text;
  std::string answer;
  std::string layer;
  std::int64_t head = -1;
  std::string save = "attention.png";
  bool last = false;
  bool json = false;
};

// Tokens by number and as they are read.
struct Tokens {
  std::vector<std::int64_t> ids;
  std::vector<std::string> names;

  [[nodiscard]] Tensor row() const { return Tensor::of(std::span<const std::int64_t>(ids), {1, std::ssize(ids)}); }
};

// What a network looked at, and the tokens that its queries and keys stand for.
struct Looks {
  std::vector<AttentionRecord::Entry> entries;
  Tokens source;
  Tokens answer;  // of a translator; of a language model empty
};

Tokens tokens_of(const text::Tokenizer& tokenizer, const std::string& text) {
  Tokens tokens;
  for (const std::int32_t id : tokenizer.encode(text)) tokens.ids.push_back(id);
  return tokens;
}

void require_room(const Tokens& tokens, std::int64_t context, const char* flag) {
  const std::int64_t most = context > 0 ? std::min(context, most_tokens) : most_tokens;
  if (tokens.ids.empty()) throw UsageError(fmt::format("{}: there are no tokens in it", flag));
  if (std::ssize(tokens.ids) <= most) return;
  throw UsageError(fmt::format("{}: {} tokens; at most {} can be looked at at once", flag, tokens.ids.size(), most));
}

void name_all(Tokens& tokens, const text::Tokenizer& tokenizer) {
  for (const std::int64_t id : tokens.ids) {
    std::string name = tokenizer.decode(std::span(&id, 1));
    if (name.empty()) name = tokenizer.vocabulary.token(id);  // <bos>, part of a character
    std::replace(name.begin(), name.end(), ' ', '_');
    std::replace(name.begin(), name.end(), '\n', '|');
    tokens.names.push_back(name);
  }
}

// The token numbers of a text between those that begin and end texts.
Looks look_at_translation(const TrainedModel& model, const nn::EncoderDecoder& network, const Arguments& arguments) {
  const text::Tokenizer& tokenizer = *model.tokenizer;
  Looks looks;
  looks.source = tokens_of(tokenizer, arguments.text);
  const std::string answer = arguments.answer.empty()
                                 ? translate(network, tokenizer, std::span(&arguments.text, 1)).front()
                                 : arguments.answer;
  looks.answer = tokens_of(tokenizer, answer);
  const auto begin = tokenizer.vocabulary.find(text::Special::begin);
  const auto end = tokenizer.end_token();
  if (!begin || !end) throw Error("the tokenizer has no <bos> or no <eos> for answers to begin and end with");
  looks.source.ids.push_back(*end);
  looks.answer.ids.insert(looks.answer.ids.begin(), *begin);
  require_room(looks.source, 0, "--text");
  require_room(looks.answer, network.context(), "--answer");
  const AttentionRecord record;
  (void)network({.x = looks.source.row(), .target = looks.answer.row()});
  looks.entries = record.entries();
  return looks;
}

Looks look_at_text(const TrainedModel& model, const Arguments& arguments) {
  if (!arguments.answer.empty()) throw UsageError("--answer: " + arguments.run + " does not turn texts into others");
  const nn::SequenceModule& network = language_model_of(model);
  Looks looks;
  looks.source = tokens_of(*model.tokenizer, arguments.text);
  require_room(looks.source, network.context(), "--text");
  const AttentionRecord record;
  (void)network({.x = looks.source.row()});
  looks.entries = record.entries();
  return looks;
}

// Layers by their path, as far as they are wanted.
void choose(Looks& looks, const Arguments& arguments) {
  if (looks.entries.empty()) throw UsageError(arguments.run + ": the network has no attention to look at");
  std::string known;
  for (const auto& entry : looks.entries) known += (known.empty() ? "" : ", ") + entry.module;
  std::erase_if(looks.entries,
                [&](const auto& entry) { return entry.module.find(arguments.layer) == std::string::npos; });
  if (looks.entries.empty()) throw UsageError("--layer '" + arguments.layer + "': there are " + known);
  for (const auto& entry : looks.entries) {
    if (arguments.head < entry.probabilities.size(1)) continue;
    throw UsageError(
        fmt::format("--head {}: {} has heads 0 to {}", arguments.head, entry.module, entry.probabilities.size(1) - 1));
  }
}

// Attention of a decoder to its encoder has queries of the answer and keys of the source.
const Tokens& side_of(const Looks& looks, const AttentionRecord::Entry& entry, bool keys) {
  const bool decodes = entry.module.find("decoder") != std::string::npos;
  const bool crosses = entry.module.find("multihead_attn") != std::string::npos;
  return decodes && !(keys && crosses) && !looks.answer.ids.empty() ? looks.answer : looks.source;
}

Array head_of(const Array& probabilities, std::int64_t head) {
  const std::int64_t rows = probabilities.shape[2];
  const std::int64_t columns = probabilities.shape[3];
  Array map = Array::empty(DType::f32, {rows, columns});
  const auto size = static_cast<std::size_t>(rows * columns);
  const auto from = probabilities.values<float>().subspan(static_cast<std::size_t>(head) * size, size);
  std::copy(from.begin(), from.end(), map.mutable_values<float>().begin());
  return map;
}

Array ids_of(const Tokens& tokens) {
  return tokens.row().array();
}

// A map of many tokens takes about a thousand pixels each way.
void require_drawable(const std::vector<draw::HeatMap>& maps) {
  constexpr std::int64_t most_cells = 4'000'000;
  std::int64_t cells = 0;
  for (const draw::HeatMap& map : maps) cells += map.values.count();
  if (cells <= most_cells) return;
  throw UsageError(fmt::format("{} maps with {} numbers are too many for a picture: choose with --layer or --head",
                               maps.size(), cells));
}

void run(const Arguments& arguments) {
  const InspectionFiles files = inspection_files(arguments.save);
  const TrainedModel model = load_run(arguments.run, arguments.last ? "last" : "best");
  if (!model.tokenizer) throw UsageError(arguments.run + ": the network takes no texts");
  const NoGrad no_grad;
  const auto* translator = dynamic_cast<const nn::EncoderDecoder*>(model.network.get());
  Looks looks =
      translator != nullptr ? look_at_translation(model, *translator, arguments) : look_at_text(model, arguments);
  name_all(looks.source, *model.tokenizer);
  name_all(looks.answer, *model.tokenizer);
  choose(looks, arguments);
  std::map<std::string, Array> numbers = {{"tokens", ids_of(looks.source)}};
  if (!looks.answer.ids.empty()) numbers["answer"] = ids_of(looks.answer);
  std::vector<draw::HeatMap> maps;
  Json layers = Json::array();
  int heads = 1;
  std::vector<Tensor> all;
  for (const auto& entry : looks.entries) all.push_back(entry.probabilities);
  eval(all);
  for (const auto& entry : looks.entries) {
    const Array probabilities = entry.probabilities.array();
    numbers[entry.module] = probabilities;
    layers.push_back({{"layer", entry.module}, {"heads", probabilities.shape[1]}});
    heads = arguments.head >= 0 ? 1 : std::max(heads, static_cast<int>(probabilities.shape[1]));
    for (std::int64_t h = 0; h < probabilities.shape[1]; ++h) {
      if (arguments.head >= 0 && h != arguments.head) continue;
      maps.push_back({.title = fmt::format("{} head {}", entry.module, h),
                      .values = head_of(probabilities, h),
                      .rows = side_of(looks, entry, false).names,
                      .columns = side_of(looks, entry, true).names});
    }
  }
  require_drawable(maps);
  write_inspection(files,
                   draw::heat_maps(maps, {.title = "Attention of " + arguments.run,
                                          .line = "a row for each token that looks, a column for each that is seen",
                                          .columns = heads}),
                   numbers);
  if (arguments.json) {
    Json json{{"picture", files.picture}, {"numbers", files.numbers}, {"tokens", looks.source.names}};
    if (!looks.answer.ids.empty()) json["answer"] = looks.answer.names;
    json["layers"] = layers;
    return print_json(json);
  }
  print(fmt::format("{} maps of {} layers\nPicture: {}, numbers: {}\n", maps.size(), looks.entries.size(),
                    files.picture, files.numbers));
}

}  // namespace

void add_inspect_attention(CLI::App& inspect) {
  CLI::App* command = inspect.add_subcommand(
      "attention", "What every head of every layer looks at while a transformer reads a text (and writes its answer)");
  const auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("run", arguments->run,
                   "The run's folder, or recipe/name below runs/, or a folder saved by transformers")
      ->type_name("RUN")
      ->required();
  command->add_option("--text", arguments->text, "What it reads")->type_name("TEXT")->required();
  command->add_option("--answer", arguments->answer, "Of a translator: what it writes; its own answer unless given")
      ->type_name("TEXT");
  command->add_option("--layer", arguments->layer, "Only layers with this in their path: h.0, multihead_attn")
      ->type_name("PART");
  command->add_option("--head", arguments->head, "Only this head of each layer, from 0")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 16));
  command->add_option("--save", arguments->save, "Where the picture goes; its numbers go beside it as .npz")
      ->type_name("FILE.png")
      ->capture_default_str();
  command->add_flag("--last", arguments->last, "The last weights instead of the best");
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace narae::cli
