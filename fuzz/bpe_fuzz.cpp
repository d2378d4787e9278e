#include <cstddef>
#include <cstdint>
#include <string_view>

#include "narae/core/error.h"
#include "narae/text/bpe_file.h"

namespace {

using narae::text::Bpe;

// A tokenizer that was read gives every text back, with numbers of its own, and is written and read back the same.
// (Added tokens may be spelled in characters that stand for other bytes.)
void check(const Bpe& bpe, std::string_view text) {
  if (narae::text::parse_bpe(to_json(bpe), "again.json") != bpe) __builtin_trap();
  const narae::text::TokenIds ids = bpe.encode(text);
  for (const std::int32_t id : ids)
    if (id < 0 || id >= bpe.size()) __builtin_trap();
  if (bpe.parts().added.empty() && !bpe.parts().pre_tokens.add_prefix_space && bpe.decode(ids, true) != text)
    __builtin_trap();
}

}  // namespace

// Any bytes are refused with an Error, or are a tokenizer: as tokenizer.json, or, cut at the first NUL, as vocab.json
// and merges.txt.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = bytes.find('\0');
  try {
    if (cut == std::string_view::npos) {
      check(narae::text::parse_bpe(bytes, "fuzz.json"), bytes);
    } else {
      check(
          narae::text::parse_vocab_and_merges(bytes.substr(0, cut), bytes.substr(cut + 1), "vocab.json", "merges.txt"),
          bytes.substr(0, cut));
    }
  } catch (const narae::Error&) {
  }
  return 0;
}
