// Folders that transformers wrote, and what it is to read.
#include "narae/train/pretrained.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/io/safetensors.h"
#include "narae/models/huggingface.h"
#include "narae/text/bpe_file.h"
#include "narae/text/tokenizer.h"
#include "narae/train/text_score.h"
#include "tests/cli/command.h"
#include "tests/models/decoder_reference.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::CommandResult;
using cli::read_whole;
using cli::temporary_folder;
using cli::write_whole;
using nlohmann::json;

json configs() {
  const TensorFile file = read_safetensors(test_places::source_dir() / "tests" / "reference" / "gpt.safetensors");
  return json::parse(file.metadata.at("configs"));
}

// The folder of a case as transformers saves it.
fs::path saved_by_transformers(const fs::path& folder, const std::string& name, bool shards = false) {
  fs::create_directories(folder);
  write_whole(folder / "config.json", configs()[name].get<std::string>());
  nn::StateDict all;
  for (const auto& [key, array] : testing::decoder_values().group(name + ".param")) all.emplace_back(key, array);
  if (!shards) {
    write_safetensors(folder / "model.safetensors", all, {{"format", "pt"}});
    return folder;
  }
  json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", json::object()}};
  for (std::size_t part = 0; part < 2; ++part) {
    const std::string file = "model-0000" + std::to_string(part + 1) + "-of-00002.safetensors";
    nn::StateDict some;
    for (std::size_t i = part; i < all.size(); i += 2) {
      some.push_back(all[i]);
      index["weight_map"][all[i].first] = file;
    }
    write_safetensors(folder / file, some, {{"format", "pt"}});
  }
  write_whole(folder / "model.safetensors.index.json", index.dump());
  return folder;
}

double error_of(const TrainedModel& model, const std::string& name) {
  const auto& tensors = testing::decoder_values().tensors;
  const Tensor logits = (*model.network)(Tensor(tensors.at(testing::key_of(name, "in.x"))));
  return testing::relative_error(logits.array(), tensors.at(testing::key_of(name, "out.logits")));
}

TEST(Pretrained, FoldersOfTransformersAreReadAsTheyAre) {
  for (const std::string& name : testing::decoder_cases()) {
    for (const bool shards : {false, true}) {
      const fs::path folder = saved_by_transformers(temporary_folder(), name, shards);
      ASSERT_TRUE(is_pretrained_folder(folder));
      const TrainedModel model = load_pretrained(folder);
      EXPECT_LT(error_of(model, name), 1e-5) << name;
      EXPECT_FALSE(model.tokenizer);
      EXPECT_FALSE(model.network->is_training());
    }
  }
}

// tests/reference/make_gpt.py --check reads such folders with transformers; NARAE_PRETRAINED says where they are to be.
TEST(Pretrained, WhatIsSavedIsReadBack) {
  const char* wanted = std::getenv("NARAE_PRETRAINED");
  const fs::path below = wanted != nullptr ? fs::path(wanted) : temporary_folder();
  for (const std::string& name : testing::decoder_cases()) {
    const TrainedModel model = load_pretrained(saved_by_transformers(temporary_folder(), name));
    save_pretrained(below / name, model);
    const TrainedModel again = load_pretrained(below / name);
    EXPECT_EQ(error_of(again, name), error_of(model, name));
    EXPECT_EQ(again.config.model.options, model.config.model.options) << name;
    const json theirs = json::parse(configs()[name].get<std::string>());
    const json ours = json::parse(read_whole(below / name / "config.json"));
    for (const char* key : {"n_embd", "n_inner", "n_positions", "layer_norm_epsilon", "hidden_size", "head_dim",
                            "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "vocab_size"}) {
      EXPECT_EQ(ours.contains(key), theirs.contains(key)) << name << " " << key;
      if (theirs.contains(key)) EXPECT_EQ(ours[key], theirs[key]) << name << " " << key;
    }
    std::size_t tensors = 0;
    for (const auto& [key, array] : read_safetensors(below / name / "model.safetensors").tensors) {
      EXPECT_TRUE(testing::decoder_values().tensors.contains(testing::key_of(name, "param." + key))) << key;
      ++tensors;
    }
    EXPECT_EQ(tensors, testing::decoder_values().group(name + ".param").size());
  }
}

TEST(Pretrained, WhatIsWrongIsNamed) {
  const auto refusal = [](const auto& change) -> std::string {
    json config = json::parse(configs()["llama.grouped"].get<std::string>());
    change(config);
    try {
      (void)models::parse_huggingface_config(config.dump(), "config.json");
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(refusal([](json&) {}), "");
  EXPECT_SAYS(refusal([](json& c) { c["model_type"] = "bert"; }), "config.json: 'model_type' is bert");
  EXPECT_SAYS(refusal([](json& c) { c.erase("hidden_size"); }), "'hidden_size' is missing");
  EXPECT_SAYS(refusal([](json& c) { c["hidden_size"] = "wide"; }), "'hidden_size' is of the wrong type");
  EXPECT_SAYS(refusal([](json& c) { c["num_attention_heads"] = 0; }), "'num_attention_heads'");
  EXPECT_SAYS(refusal([](json& c) { c["attention_bias"] = true; }), "'attention_bias' is true");
  EXPECT_SAYS(refusal([](json& c) { c["head_dim"] = 7; }), "'head_dim' is 7");
  EXPECT_SAYS(refusal([](json& c) { c["hidden_act"] = "gelu"; }), "'hidden_act'");
  EXPECT_SAYS(refusal([](json& c) { c["vocab_size"] = 0; }), "'vocab_size'");
  EXPECT_SAYS(refusal([](json& c) { c["rope_parameters"]["rope_type"] = "llama3"; }), "'rope_type' is \"llama3\"");
  EXPECT_SAYS(refusal([](json& c) { c["rope_scaling"] = {{"type", "linear"}}; }), "linear");
  EXPECT_SAYS(refusal([](json& c) { c["num_hidden_layers"] = -1; }), "'layers'");
  EXPECT_THROW((void)models::parse_huggingface_config("{", "x"), Error);
  EXPECT_THROW((void)models::parse_huggingface_config("[]", "x"), Error);
  EXPECT_THROW((void)models::to_huggingface_config({.name = "lenet5"}), Error);

  const fs::path folder = saved_by_transformers(temporary_folder(), "gpt2.small");
  nn::StateDict state;
  for (const auto& [key, array] : testing::decoder_values().group("gpt2.small.param")) {
    if (key != "transformer.wpe.weight") state.emplace_back(key, array);
  }
  write_safetensors(folder / "model.safetensors", state, {});
  try {
    (void)load_pretrained(folder);
    FAIL() << "a tensor is missing";
  } catch (const Error& e) {
    EXPECT_SAYS(e.what(), "transformer.wpe.weight");
  }
}

// The command line: a folder with a tokenizer writes texts, is judged by one, and is exported.
TEST(Pretrained, FoldersAreUsedLikeRuns) {
  const std::string story = "the fox saw the grapes and the grapes saw the fox. ";
  std::string text;
  for (int i = 0; i < 30; ++i) text += story;
  const fs::path folder = temporary_folder();
  write_whole(folder / "story.txt", text);
  const std::vector<std::string> texts = {text};
  const text::Tokenizer tokenizer =
      text::learn_tokenizer(texts, {.kind = text::TokenKind::byte_pair}, {.max_size = 270});
  TrainedModel model{.config = {}, .network = nullptr, .tokenizer = tokenizer};
  model.config.model = {.name = "gpt",
                        .options = {{"width", std::int64_t{16}}, {"context", std::int64_t{32}}},
                        .input = {32},
                        .num_classes = 280,
                        .vocabulary = 280};
  model.network = models::make_model(model.config.model);
  save_pretrained(folder / "model", model);
  const auto run = [&](const std::vector<std::string>& arguments) {
    return cli::run_command(arguments, {.folder = folder});
  };

  const CommandResult written = run({"generate", "model", "--prompt", "the fox", "--max-tokens", "40", "--top-k", "3"});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_TRUE(written.out.starts_with("the fox")) << written.out;
  const CommandResult found = run({"generate", "model", "--prompt", "the", "--max-tokens", "5", "--beams", "3", "--num",
                                   "2", "--length-penalty", "0.5", "--json"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  const json answers = json::parse(found.out);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_GE(answers[0]["score"].get<double>(), answers[1]["score"].get<double>());

  const CommandResult judged = run({"eval", "model", "--text", "story.txt", "--json"});
  EXPECT_EQ(judged.exit_code, 0) << judged.err;
  const json score = json::parse(judged.out);
  EXPECT_EQ(score["tokens"].get<std::size_t>() + 1, tokenizer.encode(text).size());
  EXPECT_NEAR(score["perplexity"].get<double>(), std::exp(score["loss"].get<double>()), 1e-6);
  EXPECT_NEAR(score["loss"].get<double>(), std::log(280), 0.5) << "untrained weights know nothing";

  EXPECT_EQ(run({"export", "model", "copy"}).exit_code, 0);
  EXPECT_EQ(read_whole(folder / "copy" / "model.safetensors"), read_whole(folder / "model" / "model.safetensors"));
  EXPECT_EQ(read_whole(folder / "copy" / "tokenizer.json"), read_whole(folder / "model" / "tokenizer.json"));
  EXPECT_SAYS(run({"export", "model", "copy"}).err, "holds a model already");
  fs::remove(folder / "model" / "tokenizer.json");
  EXPECT_SAYS(run({"generate", "model"}).err, "without a tokenizer");
}

}  // namespace
}  // namespace narae
