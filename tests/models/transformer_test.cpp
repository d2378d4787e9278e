// Encoder-decoder transformers: answers against PyTorch's, with cached keys and values and without.
#include "narae/models/transformer.h"

#include <gtest/gtest.h>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/train/beam_search.h"
#include "narae/train/language_decoder.h"
#include "tests/models/zoo_reference.h"
#include "tests/train/runs_for_tests.h"

namespace narae {
namespace {

const testing::ReferenceFile& values() {
  static const testing::ReferenceFile file("transformer.safetensors", "cases");
  return file;
}

std::vector<std::string> all_cases() {
  std::vector<std::string> names;
  for (const auto& [name, description] : values().description.items()) names.push_back(name);
  return names;
}

std::shared_ptr<nn::EncoderDecoder> network_of(const std::string& name) {
  nlohmann::json description = values().description[name];
  description["input"].insert(description["input"].begin(), 1);  // the batch
  auto network = std::dynamic_pointer_cast<nn::EncoderDecoder>(testing::undefined_network(description));
  network->load_state_dict(values().group(name + ".param"));
  network->eval();
  return network;
}

Tensor input(const std::string& name, const std::string& key) {
  const auto group = values().group(name + ".in");
  return group.contains(key) ? Tensor(group.at(key)) : Tensor();
}

// The likeliest tokens behind token 1, (batch, steps) row by row.
std::vector<std::int64_t> greedy(const nn::SequenceModule& decoder, std::int64_t batch, std::int64_t steps,
                                 bool cached) {
  LanguageDecoder language(decoder, {.cached = cached});
  language.begin(std::vector<TokenSequence>(static_cast<std::size_t>(batch), {1}));
  std::vector<std::int64_t> written(static_cast<std::size_t>(batch * steps));
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::vector<std::int64_t> best = argmax(Tensor(language.logits())).to_vector<std::int64_t>();
    for (std::int64_t n = 0; n < batch; ++n) {
      written[static_cast<std::size_t>(n * steps + step)] = best[static_cast<std::size_t>(n)];
    }
    if (step + 1 < steps) language.go_on(best);
  }
  return written;
}

TEST(Transformer, AnswersAsPyTorchDoesCachedOrNot) {
  for (const std::string& name : all_cases()) {
    const auto network = network_of(name);
    const Tensor expected = values().tensors.at(testing::key_of(name, "greedy.tokens"));
    const auto decoder = network->decoder_for(input(name, "x"), input(name, "lengths"));
    for (const bool cached : {true, false}) {
      EXPECT_EQ(greedy(*decoder, expected.size(0), expected.size(1), cached), expected.to_vector<std::int64_t>())
          << name << " " << cached;
    }
  }
}

// What stands behind a source's end is seen by nobody.
TEST(Transformer, SeesNothingBehindTheEndOfASource) {
  const std::string name = "transformer.padded";
  const auto network = network_of(name);
  std::vector<std::int64_t> x = input(name, "x").to_vector<std::int64_t>();
  const Tensor lengths = input(name, "lengths");
  const auto before = greedy(*network->decoder_for(input(name, "x"), lengths), 3, 8, true);
  x[7 + 2] = (x[7 + 2] + 1) % 13;  // the second source has two tokens
  const Tensor changed = Tensor::of(std::span<const std::int64_t>(x), {3, 7});
  EXPECT_EQ(greedy(*network->decoder_for(changed, lengths), 3, 8, true), before);
  EXPECT_NE(greedy(*network->decoder_for(changed, {}), 3, 8, true), before);
}

// Beams of several sources can't be mixed up: each search follows its own rows of keys and values.
TEST(Transformer, OneBeamIsGreedyAndMoreAreNoWorse) {
  const std::string name = "transformer.post";
  const auto network = network_of(name);
  const Tensor x = input(name, "x");
  const std::vector<std::int64_t> all = x.to_vector<std::int64_t>();
  for (std::size_t n = 0; n < 3; ++n) {
    const Tensor source = Tensor::of(std::span<const std::int64_t>(all).subspan(n * 7, 7), {1, 7});
    const auto decoder = network->decoder_for(source, {});
    const auto answer = [&](std::int64_t beams) {
      return beam_search(*decoder, {1}, {.beams = beams, .max_tokens = 6, .length_penalty = 0}).front();
    };
    EXPECT_EQ(answer(1).tokens, greedy(*decoder, 1, 6, true));
    EXPECT_GE(answer(4).score, answer(1).score - 1e-6);
  }
}

TEST(Transformer, ReusesItsPlansForEveryToken) {
  const auto network = network_of("transformer.pre");
  const auto decoder = network->decoder_for(input("transformer.pre", "x"), input("transformer.pre", "lengths"));
  LanguageDecoder language(*decoder);
  language.begin(std::vector<TokenSequence>(3, {1}));
  language.go_on(std::vector<std::int64_t>{2, 3, 4});
  const std::int64_t plans = engine_counts().plans_built;
  for (int step = 0; step < 8; ++step) language.go_on(std::vector<std::int64_t>{5, 6, 7});
  EXPECT_EQ(engine_counts().plans_built, plans);
}

Tensor tokens(const std::vector<std::int64_t>& values, const Shape& shape) {
  return Tensor::of(std::span<const std::int64_t>(values), shape);
}

TEST(Transformer, RefusesWhatDoesNotFit) {
  const auto says = [](const models::TransformerOptions& options, const std::string& part) {
    const std::string text = refusal([&] { models::Transformer(11, options); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  says({.width = 12, .heads = 5}, "5 heads do not divide the width 12");
  says({.width = 9, .heads = 3}, "even width");
  says({.width = 8, .layers = 0, .heads = 2}, "at least 1");
  const models::Transformer network(11, {.width = 8, .layers = 1, .heads = 2, .context = 4});
  const Tensor two = tokens({1, 2, 3, 4}, {2, 2});
  const Tensor one = tokens({1, 2}, {1, 2});
  EXPECT_NE(refusal([&] { (void)network.run({.x = two, .target = one}); }).find("2 sources and 1 answers"),
            std::string::npos);
  EXPECT_NE(refusal([&] { (void)network.run({.x = tokens({1}, {1})}); }).find("(batch, steps)"), std::string::npos);
  EXPECT_NE(refusal([&] { (void)network.run({.x = one, .state = {one}}); }).find("decoder_for"), std::string::npos);
  network.eval();
  const auto decoder = network.decoder_for(one, {});
  EXPECT_NE(refusal([&] { (void)decoder->empty_state(2, 4); }).find("2 answers to 1 sources"), std::string::npos);
  EXPECT_NE(refusal([&] {
              (void)decoder->run({.x = tokens({1, 1, 1, 1, 1}, {1, 5})});
            }).find("context overflow"),
            std::string::npos);
}

}  // namespace
}  // namespace narae
