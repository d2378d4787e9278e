#include "narae/text/bpe_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "narae/core/files.h"
#include "narae/text/bpe_trainer.h"
#include "narae/text/tokenizer.h"
#include "tests/data/files_for_tests.h"
#include "tests/text/bpe_reference.h"

namespace narae::text {
namespace {

using namespace testing_files;
using Json = nlohmann::json;

// What an Error says; "" when there is none.
template <class F>
std::string complaint(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

Bpe small() {
  static const std::vector<std::string> texts{"the fox and the grapes and the \"fox\"\n"};
  return train_bpe(texts, {.vocabulary_size = 280, .special_tokens = {"<|endoftext|>"}});
}

// What is said about the small tokenizer when something in it is changed.
template <class Change>
std::string error_after(Change change) {
  Json json = Json::parse(to_json(small()));
  change(json);
  return complaint([&] { (void)parse_bpe(json.dump(), "t.json"); });
}

TEST(BpeFile, WhatIsWrittenIsReadBackTheSame) {
  for (const char* name : {"gpt2.json", "llama3.json"}) {
    SCOPED_TRACE(name);
    const Bpe bpe = parse_bpe(reference_text(name), name);
    EXPECT_EQ(parse_bpe(to_json(bpe), "again"), bpe);
    EXPECT_EQ(Json::parse(to_json(bpe))["model"], Json::parse(to_json(parse_bpe(to_json(bpe), "again")))["model"]);
  }
  const Bpe llama3 = parse_bpe(reference_text("llama3.json"), "llama3");
  EXPECT_EQ(llama3.parts().before, (TokenIds{600}));
  EXPECT_EQ(llama3.parts().after, (TokenIds{601}));
  EXPECT_EQ(llama3.parts().pre_tokens.splits, (std::vector<std::string>{std::string(llama3_pattern)}));
}

TEST(BpeFile, ModelAndDecoderAreWrittenAsTheReferenceWritesThem) {
  const Json theirs = Json::parse(reference_text("gpt2.json"));
  const Json ours = Json::parse(to_json(parse_bpe(reference_text("gpt2.json"), "gpt2")));
  EXPECT_EQ(ours, theirs);
}

TEST(BpeFile, FoldersHoldEitherForm) {
  const std::filesystem::path folder = fresh_folder();
  const Bpe bpe = small();
  save_bpe(folder / "new", bpe);
  EXPECT_EQ(load_bpe(folder / "new"), bpe);
  EXPECT_EQ(load_bpe(folder / "new/tokenizer.json"), bpe);
  EXPECT_EQ(load_bpe(folder / "new/vocab.json"), bpe);
  EXPECT_EQ(load_bpe(folder / "new/merges.txt"), bpe);
  std::filesystem::remove(folder / "new/tokenizer.json");
  EXPECT_EQ(load_bpe(folder / "new"), bpe) << "<|endoftext|> is what no merge makes";
  EXPECT_EQ(load_tokenizer(folder / "new").bpe->parts(), bpe.parts());
  std::filesystem::remove(folder / "new/merges.txt");
  EXPECT_TRUE(contains(complaint([&] { (void)load_bpe(folder / "new"); }), "merges.txt"));
  std::filesystem::remove(folder / "new/vocab.json");
  EXPECT_TRUE(contains(complaint([&] { (void)load_bpe(folder / "new"); }), "expected is tokenizer.json"));
  EXPECT_THROW((void)load_bpe(folder / "none.json"), Error);
}

TEST(BpeFile, MergesMayBeLinesInsideJson) {
  EXPECT_EQ(error_after([](Json& j) {
              for (Json& merge : j["model"]["merges"]) {
                merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
              }
            }),
            "");
}

TEST(BpeFile, RefusesWhatItDoesNotKnowByName) {
  const auto says = [](const std::string& error, const std::string& part) {
    return contains(error, "t.json: not a tokenizer: ") && contains(error, part)
               ? testing::AssertionSuccess()
               : testing::AssertionFailure() << '"' << error << "\" lacks \"" << part << '"';
  };
  EXPECT_TRUE(says(error_after([](Json& j) { j["normalizer"] = {{"type", "NFC"}}; }), "normalizer: "));
  EXPECT_TRUE(says(error_after([](Json& j) { j["truncation"] = {{"max_length", 5}}; }), "truncation: "));
  EXPECT_TRUE(says(error_after([](Json& j) { j["surprise"] = 1; }), "surprise: the key is not known"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["type"] = "Unigram"; }), "model.type: 'Unigram'"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["dropout"] = 0.1; }), "model.dropout: 0.1"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["byte_fallback"] = true; }), "model.byte_fallback: true"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["unk_token"] = "<unk>"; }), "model.unk_token: "));
  EXPECT_TRUE(says(error_after([](Json& j) { j["pre_tokenizer"] = nullptr; }), "pre_tokenizer: 'null'"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; }), "'Whitespace'"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["decoder"]["type"] = "WordPiece"; }), "decoder: only ByteLevel"));
  EXPECT_TRUE(says(error_after([](Json& j) {
                     j["post_processor"] = {{"type", "BertProcessing"}};
                   }),
                   "post_processor: 'BertProcessing'"));
  EXPECT_TRUE(
      says(error_after([](Json& j) { j["added_tokens"][0]["lstrip"] = true; }), "added_tokens[0].lstrip: true"));
  const auto split = [](const char* expression, const char* behavior) {
    return error_after([&](Json& j) {
      const Json level = j["pre_tokenizer"];
      const Json step{
          {"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", behavior}, {"invert", false}};
      j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {step, level}}};
    });
  };
  EXPECT_EQ(split("\\s+", "Isolated"), "");
  EXPECT_TRUE(says(split("\\s+", "Removed"), "pre_tokenizer.pretokenizers[0].behavior: 'Removed'"));
  EXPECT_TRUE(says(split("\\d+", "Isolated"), "pre_tokenizer.pretokenizers[0].pattern.Regex: the pattern has '\\d'"));
}

TEST(BpeFile, RefusesDefects) {
  const auto says = [](const std::string& error, const std::string& part) {
    return contains(error, part) ? testing::AssertionSuccess()
                                 : testing::AssertionFailure() << '"' << error << "\" lacks \"" << part << '"';
  };
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"].erase("merges"); }), "model: the key 'merges' is missing"));
  EXPECT_TRUE(says(error_after([](Json& j) { j.erase("model"); }), "the key 'model' is missing"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["vocab"]["a"] = 999; }), "there is no token "));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["vocab"]["a"] = 5; }), "token 5 is "));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["vocab"]["a"] = -5; }), "model.vocab['a']: is not the number"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["vocab"]["a"] = 1e30; }), "is not the number"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["vocab"]["a"] = 4000000000; }), "is not the number"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["vocab"] = 5; }), "model.vocab: is not an object"));
  EXPECT_TRUE(says(error_after([](Json& j) {
                     j["model"]["merges"][1] = {"zz", "q"};
                   }),
                   "model.merges[1]: 'zz' is not in the vocabulary"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["merges"][1] = {"t"}; }), "model.merges[1]: 1 tokens"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["model"]["merges"][1] = "t"; }), "is no merge"));
  EXPECT_TRUE(
      says(error_after([](Json& j) { j["model"]["merges"][1] = j["model"]["merges"][0]; }), "is merge 0 and merge 1"));
  EXPECT_TRUE(says(error_after([](Json& j) { j["added_tokens"][0]["id"] = 5; }), "token 5 is "));
  EXPECT_TRUE(says(complaint([] { (void)parse_bpe("[1]", "t.json"); }), "is not an object but array"));
  EXPECT_TRUE(says(complaint([] { (void)parse_bpe("{\"a\": ", "t.json"); }), "t.json: not a tokenizer: "));
  EXPECT_TRUE(says(complaint([] { (void)parse_bpe("{\"a\": \"\\ud800\"}", "t.json"); }), "surrogate"));
  EXPECT_TRUE(says(complaint([] { (void)parse_bpe("{\"\xff\": 1}", "t.json"); }), "UTF-8"));
  EXPECT_TRUE(says(complaint([] { (void)parse_bpe(std::string(100000, '['), "t.json"); }), "not a tokenizer"));
}

TEST(BpeFile, RefusesDefectsOfTheTwoFiles) {
  const std::string vocab = vocab_json(small());
  const std::string merges = merges_text(small());
  const auto error = [&](const std::string& v, const std::string& m) {
    return complaint([&] { (void)parse_vocab_and_merges(v, m, "vocab.json", "merges.txt"); });
  };
  EXPECT_EQ(error(vocab, merges), "");
  EXPECT_EQ(error(vocab, merges.substr(merges.find('\n') + 1)), "") << "the line of the version may be missing";
  EXPECT_TRUE(
      contains(error(vocab, "#version: 0.2\nt h\nth\n"), "merges.txt: not a tokenizer: line 3: 'th' is no merge"));
  EXPECT_TRUE(contains(error(vocab, "t h x\n"), "line 1"));
  EXPECT_TRUE(contains(error(vocab, "t \n"), "is no merge"));
  EXPECT_TRUE(contains(error(vocab, "qq t\n"), "line 1: 'qq' is not in the vocabulary"));
  EXPECT_TRUE(contains(error(vocab, "h e\nh e\n"), "is merge 0 and merge 1"));
  EXPECT_TRUE(contains(error(vocab, "#version: 0.2\n"), "there are no merges"));
  EXPECT_TRUE(
      contains(error("{\"a\": 0}", merges), "vocab.json: not a tokenizer: byte pairs: there is no token for byte 0"));
  EXPECT_TRUE(contains(error("{}", merges), "no token for byte 0"));
  EXPECT_TRUE(contains(error("[]", merges), "is not an object"));
}

TEST(BpeFile, PaddingMustBeTokenZeroForNetworks) {
  BpeParts parts = small().parts();
  parts.added.push_back({.id = static_cast<std::int32_t>(parts.tokens.size())});
  parts.tokens.emplace_back("<pad>");
  const std::string json = to_json(Bpe(parts));
  EXPECT_EQ(parse_bpe(json, "t.json").size(), small().size() + 1);
  EXPECT_TRUE(contains(complaint([&] { (void)parse_tokenizer(json, "t.json"); }),
                       "t.json: vocabulary: <pad> is token " + std::to_string(small().size())));
}

}  // namespace
}  // namespace narae::text
