// Encoder-decoder transformers: answers against PyTorch's, with cached keys and values and without.
#include "narae/models/transformer.h"

#include <gtest/gtest.h>

#include <set>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"
#include "narae/train/beam_search.h"
#include "narae/train/language_decoder.h"
#include "narae/train/sampling.h"
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

Tensor tokens(const std::vector<std::int64_t>& values, const Shape& shape) {
  return Tensor::of(std::span<const std::int64_t>(values), shape);
}

// The logits at each step, (batch, vocabulary), when these tokens are written one after the other: (batch, steps).
std::vector<Array> step_by_step(const nn::SequenceModule& decoder, const Tensor& written, bool cached) {
  const std::vector<std::int64_t> all = written.to_vector<std::int64_t>();
  const auto batch = static_cast<std::size_t>(written.size(0));
  const auto steps = static_cast<std::size_t>(written.size(1));
  LanguageDecoder language(decoder, {.cached = cached});
  std::vector<Array> logits;
  for (std::size_t step = 0; step < steps; ++step) {
    std::vector<std::int64_t> next;
    std::vector<TokenSequence> first;
    for (std::size_t n = 0; n < batch; ++n) {
      next.push_back(all[n * steps + step]);
      first.push_back({next.back()});
    }
    logits.push_back(step == 0 ? language.begin(first) : language.go_on(next));
  }
  return logits;
}

TEST(Transformer, AnswersTokenByTokenAsPyTorchDoesAtOnce) {
  for (const std::string& name : all_cases()) {
    const auto network = network_of(name);
    const Tensor target = input(name, "target");
    const Tensor expected = values().tensors.at(testing::key_of(name, "out.logits"));
    const auto decoder = network->decoder_for(input(name, "x"), input(name, "lengths"));
    for (const bool cached : {true, false}) {
      const std::vector<Array> logits = step_by_step(*decoder, target, cached);
      for (std::int64_t step = 0; step < target.size(1); ++step) {
        const Array of_step = squeeze(narrow(expected, 1, step, 1), 1).array();
        EXPECT_LE(testing::relative_error(logits[static_cast<std::size_t>(step)], of_step), 1e-5)
            << name << ", step " << step << (cached ? "" : ", not cached");
      }
    }
  }
}

// What stands behind a source's end is seen by nobody.
TEST(Transformer, SeesNothingBehindTheEndOfASource) {
  const std::string name = "transformer.padded";
  const auto network = network_of(name);
  const Tensor target = input(name, "target");
  const Tensor lengths = input(name, "lengths");
  std::vector<std::int64_t> x = input(name, "x").to_vector<std::int64_t>();
  x[7 + 2] = (x[7 + 2] + 1) % 13;  // the second source has two tokens
  const Tensor changed = Tensor::of(std::span<const std::int64_t>(x), {3, 7});
  const auto last = [&](const Tensor& source, const Tensor& of_lengths) {
    return Tensor(step_by_step(*network->decoder_for(source, of_lengths), target, true).back()).to_vector<float>();
  };
  EXPECT_EQ(last(changed, lengths), last(input(name, "x"), lengths));
  EXPECT_NE(last(changed, {}), last(input(name, "x"), {}));
}

// One beam takes the likeliest token each time; the rows of keys and values of more beams follow their answers.
TEST(Transformer, OneBeamIsGreedyAndScoresAreThoseOfTheAnswers) {
  manual_seed(3);
  const models::Transformer network(13, {.width = 16, .layers = 2, .heads = 2, .tied = false});
  network.eval();
  std::set<TokenSequence> found;
  for (std::int64_t n = 0; n < 4; ++n) {
    const auto decoder = network.decoder_for(tokens({n, 3 * n % 13, 7, n + 5}, {1, 4}), {});
    const auto answers = [&](std::int64_t beams) {
      return beam_search(*decoder, {1}, {.beams = beams, .max_tokens = 6, .length_penalty = 0});
    };
    LanguageDecoder greedy(*decoder);
    TokenSequence likeliest;
    greedy.begin({{1}});
    while (likeliest.size() < 6) {
      likeliest.push_back(argmax(Tensor(greedy.logits())).to_vector<std::int64_t>()[0]);
      greedy.go_on(std::span(&likeliest.back(), 1));
    }
    EXPECT_EQ(answers(1).front().tokens, likeliest);
    for (const BeamAnswer& answer : answers(4)) {
      found.insert(answer.tokens);
      std::vector<std::int64_t> written = answer.tokens;
      written.insert(written.begin(), 1);
      double score = 0;
      const std::vector<Array> logits = step_by_step(*decoder, tokens(written, {1, 7}), false);
      for (std::size_t step = 0; step < answer.tokens.size(); ++step) {
        const auto row = logits[step].values<float>();
        score += row[static_cast<std::size_t>(answer.tokens[step])] - log_sum_exp(row);
      }
      EXPECT_NEAR(answer.score, score, 1e-4);
    }
  }
  EXPECT_GT(found.size(), 4U) << "different sources have different answers";
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
