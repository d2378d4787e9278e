#include "narae/data/text_set_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "narae/core/error.h"
#include "narae/text/corpus.h"
#include "narae/text/table.h"
#include "narae/text/utf8.h"

namespace narae::detail {
namespace {

namespace fs = std::filesystem;
using Fields = std::vector<std::string>;
using text::TableFormat;

// The files of a folder in order of their names, or the file itself.
std::vector<fs::path> files_at(const fs::path& path) {
  if (is_file(path)) return {path};
  std::vector<fs::path> files;
  std::error_code ignored;  // a folder that can't be read holds nothing for us
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    if (is_file(entry.path()) && !entry.path().filename().string().starts_with('.')) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<fs::path> files_ending(const fs::path& path, std::string_view ending) {
  std::vector<fs::path> files = files_at(path);
  std::erase_if(files, [&](const fs::path& file) { return !plain_name(file).ends_with(ending); });
  return files;
}

// A text a line; those of blanks alone are passed over.
void add_lines(const std::string& content, const std::string& label, std::vector<TextRow>& rows) {
  for (const std::string_view line : text::lines_of(content)) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin != std::string_view::npos) rows.push_back({std::string(line.substr(begin)), label});
  }
}

// ---- Tables.

constexpr std::array<std::string_view, 4> label_columns{"label", "class", "category", "sentiment"};
constexpr std::array<std::string_view, 5> text_columns{"text", "sentence", "document", "review", "question"};

template <std::size_t n>
std::optional<std::size_t> column_in(const Fields& header, const std::array<std::string_view, n>& names) {
  for (const std::string_view name : names) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found != header.end()) return static_cast<std::size_t>(found - header.begin());
  }
  return std::nullopt;
}

// Where text and label stand in a row.
struct Columns {
  std::size_t label;
  std::optional<std::size_t> text;  ///< none: all columns but the label
  bool header;
};

bool is_whole_number(const std::string& field) {
  return !field.empty() && field.size() < 7 && field.find_first_not_of("0123456789") == std::string::npos;
}

std::optional<Columns> columns_of(const Fields& first, TableFormat format) {
  const auto label = column_in(first, label_columns);
  const auto text = column_in(first, text_columns);
  if (label && text) return Columns{*label, text, true};
  if (format == TableFormat::tsv && first.size() == 2) return Columns{1, 0, false};
  if (format == TableFormat::csv && first.size() >= 2 && is_whole_number(first[0]) && !is_whole_number(first.back())) {
    return Columns{0, std::nullopt, false};
  }
  return std::nullopt;
}

std::optional<TableFormat> format_of(const fs::path& file) {
  const std::string name = plain_name(file);
  if (name.ends_with(".csv")) return TableFormat::csv;
  if (name.ends_with(".tsv")) return TableFormat::tsv;
  if (!name.ends_with(".txt")) return std::nullopt;
  const std::string beginning = text::read_beginning(file, 4096);  // NSMC's own files
  const bool tabs = beginning.substr(0, beginning.find('\n')).find('\t') != std::string::npos;
  return tabs ? std::optional(TableFormat::tsv) : std::nullopt;
}

// The first row of a table of texts, or nothing for other files.
std::optional<Columns> probe(const fs::path& file) {
  const auto format = format_of(file);
  if (!format) return std::nullopt;
  std::string beginning = text::read_beginning(file);
  if (beginning.starts_with("\xEF\xBB\xBF")) beginning.erase(0, 3);
  beginning.resize(std::min(beginning.size(), text::find_invalid_utf8(beginning)));  // reading it all will name it
  std::optional<Fields> first;
  try {  // a row may be cut off at the end of what was read
    text::for_each_row(beginning, *format, file.string(), [&](const Fields& fields, std::size_t) {
      if (!first) first = fields;
    });
  } catch (const Error&) {
    if (!first) return std::nullopt;
  }
  if (!first) return std::nullopt;
  return columns_of(*first, *format);
}

// Tables that belong together, by the part they are named after; one of them alone is a pile, whatever its name.
std::map<std::string_view, fs::path> tables_at(const fs::path& path) {
  std::map<std::string_view, fs::path> named;
  std::vector<fs::path> others;
  for (const fs::path& file : files_at(path)) {
    const auto columns = probe(file);
    if (!columns) continue;
    const std::string_view part = text::part_named(file);
    if (part.empty() && columns->header) others.push_back(file);
    if (part.empty() || is_file(path)) continue;
    const auto [other, fresh] = named.emplace(part, file);
    if (!fresh) {
      throw Error("texts: " + other->second.string() + " and " + file.string() + " are both named " +
                  std::string(part) + "; keep one of them in the folder");
    }
  }
  if (is_file(path)) return probe(path) ? std::map<std::string_view, fs::path>{{"pile", path}} : named;
  if (named.empty() && others.size() == 1) return {{"pile", others[0]}};
  if (named.size() == 1 && !named.contains("train")) return {{"pile", named.begin()->second}};
  return named;
}

std::vector<TextRow> read_table(const fs::path& file, std::size_t max_bytes) {
  const TableFormat format = *format_of(file);
  const std::string content = text::read_text_file(file, max_bytes);
  std::optional<Columns> columns;
  std::size_t width = 0;
  std::vector<TextRow> rows;
  text::for_each_row(content, format, file.string(), [&](const Fields& fields, std::size_t line) {
    const auto fail = [&](const std::string& what) {
      throw Error(file.string() + ":" + std::to_string(line) + ": " + what);
    };
    if (!columns) {
      columns = columns_of(fields, format);
      width = fields.size();
      if (!columns) fail("neither a header with 'text' and 'label' nor a row of both");
      if (columns->header) return;
    }
    if (fields.size() != width) {
      fail(std::to_string(fields.size()) + " columns, but the first row has " + std::to_string(width));
    }
    TextRow row{.text = "", .label = fields[columns->label]};
    if (row.label.empty()) fail("no label");
    for (std::size_t c = 0; c < width; ++c) {
      if (columns->text ? c != *columns->text : c == columns->label) continue;
      row.text += (row.text.empty() ? "" : " ") + fields[c];
    }
    rows.push_back(std::move(row));
  });
  return rows;
}

std::vector<std::string> class_names_beside(const fs::path& path) {
  const fs::path file = (is_file(path) ? path.parent_path() : path) / "classes.txt";
  std::vector<std::string> names;
  if (!is_file(file)) return names;
  const std::string content = text::read_text_file(file, 1U << 20);
  for (const std::string_view line : text::lines_of(content))
    if (!line.empty()) names.emplace_back(line);
  return names;
}

TextSource read_tables(const fs::path& path, std::size_t max_bytes) {
  TextSource source;
  const auto tables = tables_at(path);
  source.pile = tables.contains("pile");
  for (const auto& [part, file] : tables) {
    std::vector<TextRow> rows = read_table(file, max_bytes);
    (part == "validation" ? source.validation : part == "test" ? source.test : source.train) = std::move(rows);
  }
  const bool commas = std::any_of(tables.begin(), tables.end(),
                                  [](const auto& table) { return format_of(table.second) == TableFormat::csv; });
  if (commas) source.classes = class_names_beside(path);
  return source;
}

bool holds_tables(const fs::path& path) {
  const auto tables = tables_at(path);
  return tables.contains("train") || tables.contains("pile");
}

// ---- X.pos and X.neg.

bool holds_polarity(const fs::path& path) {
  return files_ending(path, ".pos").size() == 1 && files_ending(path, ".neg").size() == 1;
}

TextSource read_polarity(const fs::path& path, std::size_t max_bytes) {
  TextSource source;
  source.pile = true;
  source.usual.words = text::WordRule::blanks;
  add_lines(text::read_text_file(files_ending(path, ".neg")[0], max_bytes), "negative", source.train);
  add_lines(text::read_text_file(files_ending(path, ".pos")[0], max_bytes), "positive", source.train);
  return source;
}

// ---- Label, blank, text in Latin-1.

std::vector<TextRow> read_label_lines(const fs::path& file, std::size_t max_bytes) {
  const std::string content = text::from_latin1(text::read_bytes(file, max_bytes));
  std::vector<TextRow> rows;
  std::size_t number = 0;
  for (const std::string_view line : text::lines_of(content)) {
    ++number;
    if (line.empty()) continue;
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos || blank == 0) {
      throw Error(file.string() + ":" + std::to_string(number) + ": not a label, a blank and a text");
    }
    rows.push_back({std::string(line.substr(blank + 1)), std::string(line.substr(0, blank))});
  }
  return rows;
}

bool holds_label_lines(const fs::path& path) {
  const auto pairs = files_ending(path, ".train.all").size();
  return is_file(path) ? plain_name(path).ends_with(".all")
                       : pairs == 1 || (pairs == 0 && files_ending(path, ".all").size() == 1);
}

TextSource read_label_lines_set(const fs::path& path, std::size_t max_bytes) {
  TextSource source;
  source.usual.words = text::WordRule::blanks;
  const auto train = is_file(path) ? std::vector<fs::path>{} : files_ending(path, ".train.all");
  source.pile = train.empty();
  source.train = read_label_lines(source.pile ? files_ending(path, ".all")[0] : train[0], max_bytes);
  if (source.pile) return source;
  const auto test = files_ending(path, ".test.all");
  if (!test.empty()) source.test = read_label_lines(test[0], max_bytes);
  return source;
}

// ---- A folder a class, a file a text.

// The folders below `path` with text files in them; "unsup" of IMDB's own layout has no classes.
std::vector<fs::path> class_folders(const fs::path& path) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(ignored) && !name.starts_with('.') && name != "unsup" &&
        !text::text_files(entry.path()).empty()) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<TextRow> read_class_folders(const fs::path& path, std::size_t max_bytes) {
  std::vector<TextRow> rows;
  for (const fs::path& folder : class_folders(path)) {
    for (const fs::path& file : text::text_files(folder)) {
      rows.push_back({text::read_text_file(file, max_bytes), folder.filename().string()});
    }
  }
  return rows;
}

bool holds_class_folders(const fs::path& path) {
  return class_folders(path).size() >= 2 || class_folders(path / "train").size() >= 2;
}

TextSource read_class_folder_set(const fs::path& path, std::size_t max_bytes) {
  TextSource source;
  source.pile = class_folders(path / "train").empty();
  if (source.pile) {
    source.train = read_class_folders(path, max_bytes);
    return source;
  }
  source.train = read_class_folders(path / "train", max_bytes);
  source.test = read_class_folders(path / "test", max_bytes);
  for (const char* name : {"valid", "validation", "val", "dev"}) {
    if (source.validation.empty()) source.validation = read_class_folders(path / name, max_bytes);
  }
  return source;
}

// ---- A file a class, a text a line.

bool has_short_lines(const fs::path& file) {
  constexpr std::size_t most_bytes_a_line = 40;  // on average; prose has more
  const std::string beginning = text::read_beginning(file, 4096);
  const auto lines = 1 + static_cast<std::size_t>(std::count(beginning.begin(), beginning.end(), '\n'));
  return beginning.size() <= most_bytes_a_line * lines && beginning.find('\t') == std::string::npos;
}

bool holds_class_files(const fs::path& path) {
  const std::vector<fs::path> files = text::text_files(path);
  return files.size() >= 2 && std::all_of(files.begin(), files.end(), [](const fs::path& file) {
           return text::part_named(file).empty() && has_short_lines(file);
         });
}

TextSource read_class_files(const fs::path& path, std::size_t max_bytes) {
  TextSource source;
  source.pile = true;
  source.usual.kind = text::TokenKind::character;
  for (const fs::path& file : text::text_files(path)) {
    const std::string name = plain_name(file);
    add_lines(text::read_text_file(file, max_bytes), name.substr(0, name.rfind('.')), source.train);
  }
  return source;
}

constexpr std::array layouts{TextLayout{holds_polarity, read_polarity},
                             TextLayout{holds_label_lines, read_label_lines_set}, TextLayout{holds_tables, read_tables},
                             TextLayout{holds_class_folders, read_class_folder_set},
                             TextLayout{holds_class_files, read_class_files}};

}  // namespace

std::string plain_name(const fs::path& path) {
  std::string name = path.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

const TextLayout* text_layout_of(const fs::path& path) {
  for (const TextLayout& layout : layouts)
    if (layout.holds(path)) return &layout;
  return nullptr;
}

}  // namespace narae::detail
