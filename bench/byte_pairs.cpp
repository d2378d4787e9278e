#include "bench/byte_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "bench/peer.h"
#include "narae/core/error.h"
#include "narae/text/bpe_trainer.h"
#include "narae/text/corpus.h"

namespace narae::bench {
namespace {

constexpr std::int64_t vocabulary_size = 10000;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// `count`: what both sides must have made, so that they do the same work.
void compare(const std::string& name, Peer& peer, double count, double megabytes, int rounds,
             const std::function<void()>& work) {
  work();
  if (peer.started() && peer.first_loss() != count) {
    throw Error(fmt::format("bench: {}: we have {} tokens, the peer {}", name, count, peer.first_loss()));
  }
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    ours.push_back(seconds_of(work));
    if (!peer.started()) continue;
    theirs.push_back(peer.run(1));
    ratios.push_back(theirs.back() / ours.back());
  }
  fmt::print("  {:26} {:8.1f} ms {:7.1f} MB/s", name, median(ours) * 1e3, megabytes / median(ours));
  if (ratios.empty()) {
    fmt::print("   no tokenizers to compare with: see bench/pytorch/README.md\n");
    return;
  }
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  fmt::print(" {:8.1f} ms {:6.2f}  [{:.2f} .. {:.2f}]\n", median(theirs) * 1e3, median(ratios), *low, *high);
}

}  // namespace

void compare_byte_pairs(const std::string& python, const std::string& sources, int rounds, int threads) {
  const char* data = std::getenv("NARAE_DATA");
  const std::filesystem::path folder = std::filesystem::path(data == nullptr ? "" : data) / "wikitext-2-valid-test";
  const std::vector<std::string> files{(folder / "valid.txt.gz").string(), (folder / "test.txt.gz").string()};
  if (data == nullptr || !std::filesystem::exists(files[0]) || !std::filesystem::exists(files[1])) {
    fmt::print("byte pairs: NARAE_DATA names no folder with wikitext-2-valid-test/valid.txt.gz and test.txt.gz\n");
    return;
  }
  std::vector<std::string> texts;
  std::string whole;
  for (const std::string& file : files) whole += texts.emplace_back(text::read_text_file(file));
  const double megabytes = static_cast<double>(whole.size()) / 1e6;
  const auto peer = [&](const std::string& job) {
    std::vector<std::string> command{python, sources + "/bench/pytorch/byte_pairs.py", job};
    command.insert(command.end(), files.begin(), files.end());
    for (const std::string& word :
         {std::string("--size"), std::to_string(vocabulary_size), std::string("--threads"), std::to_string(threads)}) {
      command.push_back(word);
    }
    return std::make_unique<Peer>(command);
  };
  const text::BpeTraining training{.vocabulary_size = vocabulary_size};
  const text::Bpe bpe = text::train_bpe(texts, training);
  const auto ids = static_cast<double>(bpe.encode(whole).size());
  fmt::print("{} byte pairs, wikitext-2, {:.1f} MB, {} threads; the ratio is tokenizers' time over ours\n",
             vocabulary_size, megabytes, threads);
  const auto encode = [&] { static_cast<void>(bpe.encode(whole)); };
  compare("learn", *peer("train"), static_cast<double>(bpe.size()), megabytes, rounds,
          [&] { static_cast<void>(text::train_bpe(texts, training)); });
  compare("encode, one call", *peer("encode"), ids, megabytes, rounds, encode);
  compare("encode; theirs: a batch", *peer("batch"), ids, megabytes, rounds, encode);
}

}  // namespace narae::bench
