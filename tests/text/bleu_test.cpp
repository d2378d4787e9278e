// BLEU against sacreBLEU's: tests/reference/make_bleu.py.
#include "narae/text/bleu.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "tests/house/places.h"

namespace narae::text {
namespace {

using Texts = std::vector<std::string>;

const nlohmann::json& reference() {
  static const auto values =
      nlohmann::json::parse(read_text(test_places::source_dir() / "tests" / "reference" / "bleu.json"));
  return values;
}

TEST(Bleu, CutsTextsAsSacreBleuDoes) {
  for (const auto& item : reference()["texts"]) {
    EXPECT_EQ(tokens_13a(item["text"].get<std::string>()), item["tokens"].get<Texts>()) << item["text"];
  }
}

TEST(Bleu, IsSacreBleus) {
  for (const auto& corpus : reference()["corpora"]) {
    const BleuScore score = bleu(corpus["answers"].get<Texts>(), corpus["references"].get<Texts>());
    const auto name = corpus["name"].get<std::string>();
    EXPECT_NEAR(score.bleu, corpus["bleu"].get<double>(), 1e-9) << name;
    EXPECT_NEAR(score.brevity_penalty, corpus["brevity_penalty"].get<double>(), 1e-12) << name;
    EXPECT_EQ(score.tokens, corpus["tokens"].get<std::int64_t>()) << name;
    EXPECT_EQ(score.reference_tokens, corpus["reference_tokens"].get<std::int64_t>()) << name;
    for (std::size_t n = 0; n < 4; ++n) {
      EXPECT_NEAR(score.precisions[n], corpus["precisions"][n].get<double>(), 1e-9) << name;
    }
  }
}

TEST(Bleu, SaysWhetherItMeansAnything) {
  EXPECT_FALSE(bleu(Texts{"abc"}, Texts{"abc"}).meaningful);
  EXPECT_TRUE(bleu(Texts{"a b"}, Texts{"a b c d"}).meaningful);
  EXPECT_EQ(bleu(Texts{}, Texts{}).bleu, 0);
  EXPECT_THROW((void)bleu(Texts{"a"}, Texts{}), Error);
}

}  // namespace
}  // namespace narae::text
