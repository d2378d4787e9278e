#pragma once

#include <string>

#include "narae/io/safetensors.h"
#include "narae/text/vocabulary.h"
#include "tests/house/places.h"

namespace narae::text {

/// tests/reference/bpe.safetensors (make_bpe.py): what Hugging Face's `tokenizers` makes of a text.
inline const Array& bpe_reference(const std::string& name) {
  static const TensorFile file = read_safetensors(test_places::source_dir() / "tests/reference/bpe.safetensors");
  return file.tensors.at(name);
}

inline std::string reference_text(const std::string& name) {
  const auto bytes = bpe_reference(name).values<std::uint8_t>();
  return {bytes.begin(), bytes.end()};
}

inline TokenIds reference_ids(const std::string& name) {
  const auto ids = bpe_reference(name).values<std::int32_t>();
  return {ids.begin(), ids.end()};
}

}  // namespace narae::text
