#include "narae/text/table.h"

#include <algorithm>

#include "narae/core/error.h"
#include "narae/text/corpus.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

void tab_rows(std::string_view text, const RowHandler& handle) {
  std::size_t number = 0;
  std::vector<std::string> fields;
  for (std::string_view line : lines_of(text)) {
    ++number;
    if (line.empty()) continue;
    fields.clear();
    for (std::size_t tab = line.find('\t'); tab != std::string_view::npos; tab = line.find('\t')) {
      fields.emplace_back(line.substr(0, tab));
      line.remove_prefix(tab + 1);
    }
    fields.emplace_back(line);
    handle(fields, number);
  }
}

// Reads comma-separated fields from the front of a text.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void rows(const RowHandler& handle) {
    std::vector<std::string> fields;
    while (!text_.empty()) {
      const std::size_t begin = line_;
      fields.clear();
      do {
        fields.push_back(field());
      } while (take(','));
      end_line();
      if (fields.size() > 1 || !fields[0].empty()) handle(fields, begin);
    }
  }

 private:
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  void end_line() {
    take('\r');
    if (text_.empty()) return;
    if (!take('\n')) {
      throw Error(name_ + ":" + std::to_string(line_) +
                  ": characters behind a closing quote; inside a quoted field a quote is written twice");
    }
    ++line_;
  }

  std::string field() {
    if (take('"')) return quoted();
    std::size_t end = std::min(text_.find_first_of(",\n"), text_.size());
    const bool at_comma = end < text_.size() && text_[end] == ',';
    if (!at_comma && end > 0 && text_[end - 1] == '\r') --end;
    std::string result(text_.substr(0, end));
    text_.remove_prefix(end);
    return result;
  }

  std::string quoted() {
    const std::size_t begin = line_;
    std::string result;
    for (;;) {
      const std::size_t quote = text_.find('"');
      if (quote == std::string_view::npos) {
        throw Error(name_ + ":" + std::to_string(begin) + ": a quoted field that is not closed");
      }
      const std::string_view part = text_.substr(0, quote);
      for (const char c : part) line_ += c == '\n' ? 1 : 0;
      result += part;
      text_.remove_prefix(quote + 1);
      if (!take('"')) return result;
      result += '"';
    }
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t line_ = 1;
};

}  // namespace

void for_each_row(std::string_view text, TableFormat format, const std::string& name, const RowHandler& handle) {
  require_utf8(text, name);
  if (format == TableFormat::tsv) return tab_rows(text, handle);
  CsvReader(text, name).rows(handle);
}

}  // namespace narae::text
