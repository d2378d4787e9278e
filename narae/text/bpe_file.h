#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "narae/core/export.h"
#include "narae/text/bpe.h"

// Files of tokenizers, as Hugging Face's `tokenizers` writes and reads them. What a file asks for and is not known here
// is an error that names the key: ids would differ without a word.
namespace narae::text {

/// `tokenizer.json`: a model of type BPE over bytes, without normaliser; pre-tokeniser ByteLevel, or a Sequence of
/// Split by a Regex and ByteLevel (GPT-2, LLaMA 3); post-processor ByteLevel or TemplateProcessing. `name` is the
/// file's, for messages. Throws Error for every kind of defect, naming the file and the key.
[[nodiscard]] NARAE_API Bpe parse_bpe(std::string_view json, const std::string& name);
/// The opposite: the same ids here and there.
[[nodiscard]] NARAE_API std::string to_json(const Bpe& bpe);

/// GPT-2's two files: `vocab.json` (tokens with their numbers) and `merges.txt` (a merge a line). Tokens that are no
/// byte and that no merge makes, as `<|endoftext|>`, are special ones. Throws Error as parse_bpe does, with the line.
[[nodiscard]] NARAE_API Bpe parse_vocab_and_merges(std::string_view vocab, std::string_view merges,
                                                   const std::string& vocab_name, const std::string& merges_name);
[[nodiscard]] NARAE_API std::string vocab_json(const Bpe& bpe);
[[nodiscard]] NARAE_API std::string merges_text(const Bpe& bpe);

/// Reads `tokenizer.json`, or `vocab.json` with the `merges.txt` beside it (either may be named), or the one of them
/// that a folder has. Throws Error for a missing or damaged file.
[[nodiscard]] NARAE_API Bpe load_bpe(const std::filesystem::path& path);
/// Writes `tokenizer.json`, `vocab.json` and `merges.txt` into a folder, which is made, each atomically. Throws Error
/// as AtomicFile does.
NARAE_API void save_bpe(const std::filesystem::path& folder, const Bpe& bpe);

}  // namespace narae::text
