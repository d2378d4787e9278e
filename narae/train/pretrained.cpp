#include "narae/train/pretrained.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/io/safetensors.h"
#include "narae/models/huggingface.h"
#include "narae/nn/init.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_config = std::size_t{16} << 20;  // bytes
constexpr const char* config_file = "config.json";
constexpr const char* weights_file = "model.safetensors";
constexpr const char* index_file = "model.safetensors.index.json";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::optional<text::Tokenizer> tokenizer_in(const fs::path& folder) {
  const bool there = is_file(folder / "tokenizer.json") || is_file(folder / "vocab.json");
  if (!there) return std::nullopt;
  return text::load_tokenizer(folder);
}

}  // namespace

bool is_pretrained_folder(const fs::path& folder) {
  return is_file(folder / config_file) &&
         models::is_huggingface_config(read_text(folder / config_file, largest_config));
}

TrainedModel load_pretrained(const fs::path& folder) {
  const fs::path config = folder / config_file;
  TrainedModel model{.config = {}, .network = nullptr};
  model.config.model = models::parse_huggingface_config(read_text(config, largest_config), config.string());
  {
    const nn::init::Skip skip;  // every value comes from the file
    model.network = models::make_model(model.config.model);
  }
  const bool shards = !is_file(folder / weights_file) && is_file(folder / index_file);
  load_weights(folder / (shards ? index_file : weights_file), *model.network);
  model.tokenizer = tokenizer_in(folder);
  const std::int64_t tokens = model.tokenizer ? model.tokenizer->vocabulary.size() : 0;
  if (tokens > model.config.model.vocabulary) {
    throw Error(folder.string() + ": the tokenizer has " + std::to_string(tokens) + " tokens, the network knows " +
                std::to_string(model.config.model.vocabulary));
  }
  model.network->eval();
  return model;
}

void save_pretrained(const fs::path& folder, const TrainedModel& model) {
  const std::string config = models::to_huggingface_config(model.config.model);
  fs::create_directories(folder);
  write_file(folder / config_file, config);
  nn::StateDict state = model.network->state_dict();
  // A tied head is the embedding, which is there already.
  const bool tied = config.find("\"tie_word_embeddings\": true") != std::string::npos;
  if (tied) std::erase_if(state, [](const auto& entry) { return entry.first == "lm_head.weight"; });
  write_safetensors(folder / weights_file, state, {{"format", "pt"}});
  if (model.tokenizer && model.tokenizer->bpe) text::save_tokenizer(folder / "tokenizer.json", *model.tokenizer);
}

}  // namespace narae
