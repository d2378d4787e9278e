// Token by token: what a transformer says with keys and values kept is what it says without, and what transformers'
// greedy generation writes.
#include "narae/train/language_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/models/registry.h"
#include "narae/ops/random.h"
#include "narae/plan/plan.h"
#include "narae/train/beam_search.h"
#include "narae/train/sampling.h"
#include "narae/train/stop_strings.h"
#include "tests/cli/command.h"
#include "tests/models/decoder_reference.h"

namespace narae {
namespace {

std::span<const float> row_of(const Array& logits, std::size_t n) {
  const auto vocabulary = static_cast<std::size_t>(logits.shape[1]);
  return logits.values<float>().subspan(n * vocabulary, vocabulary);
}

std::int64_t likeliest(const Array& logits, std::size_t n) {
  const auto row = row_of(logits, n);
  return std::max_element(row.begin(), row.end()) - row.begin();
}

// Greedy continuations of all prompts.
std::vector<TokenSequence> continued(const nn::SequenceModule& network, const std::vector<TokenSequence>& prompts,
                                     int count, bool cached = true) {
  LanguageDecoder decoder(network, {.cached = cached});
  decoder.begin(prompts);
  std::vector<TokenSequence> written(prompts.size());
  for (int i = 0; i < count; ++i) {
    TokenSequence next;
    for (std::size_t n = 0; n < prompts.size(); ++n) next.push_back(likeliest(decoder.logits(), n));
    for (std::size_t n = 0; n < prompts.size(); ++n) written[n].push_back(next[n]);
    if (i + 1 < count) decoder.go_on(next);
  }
  return written;
}

std::shared_ptr<nn::SequenceModule> random_decoder(const std::string& form, std::int64_t context,
                                                   std::int64_t width = 16) {
  manual_seed(3);
  auto network =
      std::dynamic_pointer_cast<nn::SequenceModule>(models::make_model({.name = "gpt",
                                                                        .options = {{"form", form},
                                                                                    {"width", width},
                                                                                    {"layers", std::int64_t{2}},
                                                                                    {"heads", std::int64_t{4}},
                                                                                    {"context", context},
                                                                                    {"tied", false}},
                                                                        .input = {8},
                                                                        .num_classes = 11,
                                                                        .vocabulary = 11}));
  for (const auto& [name, parameter] : network->named_parameters()) {
    if (parameter.rank() == 2) nn::init::normal(parameter, 0, 0.4);  // so that answers differ
  }
  network->eval();
  return network;
}

std::shared_ptr<nn::SequenceModule> recurrent_network() {
  manual_seed(5);
  auto network = std::dynamic_pointer_cast<nn::SequenceModule>(
      models::make_model({.name = "rnn-lm",
                          .options = {{"embedding", std::int64_t{6}}, {"hidden", std::int64_t{8}}, {"range", 2.5}},
                          .input = {8},
                          .num_classes = 11,
                          .vocabulary = 11}));
  network->eval();
  return network;
}

class ReferenceDecoder : public ::testing::TestWithParam<std::string> {};

TEST_P(ReferenceDecoder, WritesWhatTransformersWrites) {
  const auto network = testing::decoder_of(GetParam());
  const TokenSequence prompt = testing::integers(GetParam(), "greedy.prompt");
  const TokenSequence expected = testing::integers(GetParam(), "greedy.tokens");
  const int count = static_cast<int>(expected.size());
  EXPECT_EQ(continued(*network, {prompt}, count).front(), expected);
  EXPECT_EQ(continued(*network, {prompt}, count, false).front(), expected);
}

INSTANTIATE_TEST_SUITE_P(Models, ReferenceDecoder, ::testing::ValuesIn(testing::decoder_cases()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

TEST(LanguageDecoder, PromptsOfDifferentLengthsGoOnSideBySide) {
  const std::vector<TokenSequence> prompts = {{1, 2, 3, 4, 5, 6, 7, 8, 9}, {10}, {3, 3, 1, 0, 7}};
  for (const auto& network : {random_decoder("gpt2", 200), random_decoder("llama", 200), recurrent_network()}) {
    const std::vector<TokenSequence> together = continued(*network, prompts, 90);
    for (std::size_t n = 0; n < prompts.size(); ++n) {
      EXPECT_EQ(together[n], continued(*network, {prompts[n]}, 90).front()) << network->kind() << " " << n;
      EXPECT_GT(std::set<std::int64_t>(together[n].begin(), together[n].end()).size(), 1U)
          << network->kind() << " says one thing only";
    }
    EXPECT_EQ(together, continued(*network, prompts, 90, false)) << network->kind();
  }
}

// Behind the context the newer half is read again; with and without a cache at the same tokens.
TEST(LanguageDecoder, ForgetsTheOlderHalfBehindTheContext) {
  const std::vector<TokenSequence> prompts = {{1, 2, 3}, {4, 5, 6, 7, 8}};
  for (const std::string form : {"gpt2", "llama"}) {
    const auto network = random_decoder(form, 12);
    const auto cached = continued(*network, prompts, 40);
    EXPECT_EQ(cached, continued(*network, prompts, 40, false));
    LanguageDecoder whole(*network);
    TokenSequence history = prompts[0];
    history.insert(history.end(), cached[0].begin(), cached[0].begin() + 10);  // 13 tokens: one more than the context
    LanguageDecoder half(*network);
    const Array expected = half.begin({TokenSequence(history.end() - 6, history.end())});
    const Array got = whole.begin({history});
    for (std::size_t i = 0; i < 11; ++i) EXPECT_EQ(row_of(got, 0)[i], row_of(expected, 0)[i]);
  }
}

TEST(LanguageDecoder, BuildsNoPlanForATokenAndKeepsNothingOfIt) {
  const auto network = random_decoder("llama", 256);
  LanguageDecoder decoder(*network);
  decoder.begin({{1, 2, 3}, {4}});
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) decoder.go_on(std::vector<std::int64_t>{i % 11, (i + 3) % 11});
  };
  write(2);
  const EngineCounts before = engine_counts();
  const std::int64_t nodes = live_nodes();
  write(50);
  EXPECT_EQ(decoder.capacity(), 64);
  EXPECT_EQ(engine_counts().plans_built, before.plans_built);
  EXPECT_EQ(engine_counts().evaluations, before.evaluations + 50);
  EXPECT_EQ(live_nodes(), nodes);
  write(150);  // 128, then 256 tokens of room: two plans that copy, and two for a token
  EXPECT_EQ(decoder.capacity(), 256);
  EXPECT_EQ(engine_counts().plans_built, before.plans_built + 4);
  EXPECT_EQ(live_nodes(), nodes);
}

// A token's plan moves no cache: what it needs besides its arguments does not grow with the room.
TEST(LanguageDecoder, WritesKeysAndValuesInPlace) {
  std::map<std::int64_t, plan::PlanFacts> facts;
  for (const std::int64_t prompt : {20, 1000}) {
    const auto network = random_decoder("gpt2", 4096, 32);
    LanguageDecoder decoder(*network);
    decoder.begin({TokenSequence(static_cast<std::size_t>(prompt), 1)});
    decoder.go_on(std::vector<std::int64_t>{2});
    facts[decoder.capacity()] = plan::last_plan();
  }
  ASSERT_EQ(facts.size(), 2U);
  ASSERT_EQ(facts.rbegin()->first, 1024);
  for (const auto& [capacity, fact] : facts) {
    EXPECT_EQ(std::count(fact.names.begin(), fact.names.end(), "write_rows"), 4) << capacity;
    EXPECT_EQ(std::count(fact.names.begin(), fact.names.end(), "copy"), 0) << capacity;
  }
  const std::int64_t cache = 1024 * 32 * 4;  // bytes of one layer's keys
  EXPECT_LT(facts.rbegin()->second.arena_bytes + facts.rbegin()->second.output_bytes, cache / 2);
}

TEST(LanguageDecoder, KeepsChosenSequences) {
  for (const auto& network : {random_decoder("gpt2", 40), recurrent_network()}) {
    LanguageDecoder decoder(*network);
    decoder.begin({{1, 2, 3}, {4, 5}, {6}});
    decoder.keep(std::vector<std::int64_t>{2, 0, 2});
    EXPECT_EQ(decoder.logits().shape[0], 3);
    const Array kept = decoder.go_on(std::vector<std::int64_t>{7, 8, 9});
    LanguageDecoder fresh(*network);
    const Array expected = fresh.begin({{6, 7}, {1, 2, 3, 8}, {6, 9}});
    for (std::size_t i = 0; i < 33; ++i) EXPECT_NEAR(kept.values<float>()[i], expected.values<float>()[i], 1e-4);
    EXPECT_THROW(decoder.keep(std::vector<std::int64_t>{3}), Error);
    EXPECT_THROW(decoder.keep({}), Error);
  }
}

TEST(LanguageDecoder, RefusesWhatItCannotRead) {
  const auto network = random_decoder("gpt2", 12);
  LanguageDecoder decoder(*network);
  const auto refusal = [&](const auto& call) -> std::string {
    try {
      call();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_SAYS(refusal([&] { decoder.begin({}); }), "no prompt");
  EXPECT_SAYS(refusal([&] { decoder.begin({{1}, {}}); }), "prompt 1 is empty");
  EXPECT_SAYS(refusal([&] { decoder.begin({{1, 11}}); }), "token 11 is out of range");
  EXPECT_SAYS(refusal([&] { decoder.begin({{-1}}); }), "token -1 is out of range");
  EXPECT_SAYS(refusal([&] { (void)(*network)(Tensor(Array::zeros(DType::i64, {1, 13}))); }), "context overflow");
  EXPECT_SAYS(refusal([&] { (void)(*network)(Tensor(Array::zeros(DType::i64, {1, 0}))); }), "empty prompt");
  const Tensor token = Array::zeros(DType::i64, {1, 3});
  EXPECT_SAYS(refusal([&] { (void)(*network)({.x = token, .state = network->empty_state(1, 2)}); }), "room for 2");
  EXPECT_SAYS(refusal([&] { (void)(*network)({.x = token, .state = network->empty_state(2, 4)}); }), "another network");
}

// With as many beams as there are sequences, the search looks at all of them.
TEST(BeamSearch, FindsTheBestOfAllSequences) {
  for (const auto& network : {random_decoder("gpt2", 16), recurrent_network()}) {
    const TokenSequence prompt = {3, 1};
    std::vector<TokenSequence> prompts;
    for (std::int64_t a = 0; a < 11; ++a) prompts.push_back({3, 1, a});
    LanguageDecoder decoder(*network);
    const Array first = decoder.begin({prompt});
    const Array second = decoder.begin(prompts);
    std::map<double, TokenSequence> scores;
    for (std::int64_t a = 0; a < 11; ++a) {
      for (std::int64_t b = 0; b < 11; ++b) {
        const auto n = static_cast<std::size_t>(a);
        const double of_a = row_of(first, 0)[n] - log_sum_exp(row_of(first, 0));
        const double of_b = row_of(second, n)[static_cast<std::size_t>(b)] - log_sum_exp(row_of(second, n));
        scores[(of_a + of_b) / 2] = {a, b};
      }
    }
    const auto answers = beam_search(*network, prompt, {.beams = 11, .max_tokens = 2});
    ASSERT_EQ(answers.size(), 11U);
    auto expected = scores.rbegin();
    for (const BeamAnswer& answer : answers) {
      EXPECT_EQ(answer.tokens, expected->second);
      EXPECT_NEAR(answer.score, expected->first, 1e-4);
      ++expected;
    }
    EXPECT_EQ(beam_search(*network, prompt, {.beams = 1, .max_tokens = 12}).front().tokens,
              continued(*network, {prompt}, 12).front())
        << "one beam is greedy";
  }
}

TEST(BeamSearch, EndsAnswersAndWeighsTheirLength) {
  const auto network = random_decoder("gpt2", 16);
  const TokenSequence prompt = {3, 1};
  const std::int64_t end = continued(*network, {prompt}, 1).front().front();
  const auto with = [&](double penalty) {
    return beam_search(*network, prompt, {.beams = 3, .max_tokens = 8, .length_penalty = penalty, .end = end}).front();
  };
  EXPECT_TRUE(with(0).tokens.empty()) << "the likeliest first token ends the text, and nothing longer is likelier";
  EXPECT_GT(with(5).tokens.size(), 3U);
  const std::vector<std::int64_t> never = {end};
  for (const BeamAnswer& answer : beam_search(*network, prompt, {.beams = 3, .max_tokens = 8, .never = never})) {
    EXPECT_EQ(std::count(answer.tokens.begin(), answer.tokens.end(), end), 0);
    EXPECT_EQ(answer.tokens.size(), 8U);
  }
  EXPECT_THROW((void)beam_search(*network, prompt, {.beams = 0}), UsageError);
  EXPECT_THROW((void)beam_search(*network, prompt, {.max_tokens = 0}), UsageError);
}

TEST(Sampling, PenalizesRepetition) {
  std::vector<float> logits = {2, -2, 4, 0};
  penalize_repetition(logits, std::vector<std::int64_t>{0, 1, 1, 0, 9}, 2);
  EXPECT_EQ(logits, (std::vector<float>{1, -4, 4, 0}));
  EXPECT_NEAR(log_sum_exp(logits), std::log(std::exp(1) + std::exp(-4) + std::exp(4) + 1), 1e-6);
  RandomStream random(1, 2);
  EXPECT_THROW((void)sample_token(logits, {.repetition_penalty = 0}, random), UsageError);
}

TEST(StopStrings, HoldBackWhatMayEndTheText) {
  StopStrings stops({"END", "\n\n"});
  EXPECT_EQ(stops.add("one\n"), "one");
  EXPECT_EQ(stops.add("two E"), "\ntwo ");
  EXPECT_EQ(stops.add("N"), "");
  EXPECT_EQ(stops.add("ough"), "ENough");
  EXPECT_FALSE(stops.stopped());
  EXPECT_EQ(stops.add(" EN"), " ");
  EXPECT_EQ(stops.add("D of it"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.add("more"), "");
  EXPECT_EQ(stops.rest(), "");
  StopStrings open({"END"});
  EXPECT_EQ(open.add("the EN"), "the ");
  EXPECT_EQ(open.rest(), "EN");
  EXPECT_THROW(StopStrings({""}), UsageError);
}

}  // namespace
}  // namespace narae
