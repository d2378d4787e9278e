#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "narae/core/error.h"
#include "narae/data/series.h"
#include "narae/text/table.h"
#include "narae/text/utf8.h"
#include "narae/text/words.h"

// Any bytes are refused with an Error, or are rows whose fields are parts of the text, which words are cut from; and as
// a series, rows of finite numbers.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace narae;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const text::TableFormat format : {text::TableFormat::tsv, text::TableFormat::csv}) {
    try {
      std::size_t last = 0;
      std::size_t total = 0;
      text::for_each_row(bytes, format, "fuzz", [&](const std::vector<std::string>& fields, std::size_t line) {
        if (fields.empty() || line <= last) __builtin_trap();
        last = line;
        for (const std::string& field : fields) {
          total += field.size();
          for (const std::string& word : text::words_of(field, text::WordRule::basic))
            if (word.empty() || text::find_invalid_utf8(word) != std::string::npos) __builtin_trap();
        }
      });
      if (total > size) __builtin_trap();
    } catch (const Error&) {
    }
  }
  try {
    const Series series = parse_series(bytes, "fuzz.csv");
    if (series.columns.empty() || series.rows() == 0 || series.values.size() % series.columns.size() != 0)
      __builtin_trap();
    for (const double value : series.values)
      if (!std::isfinite(value)) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
