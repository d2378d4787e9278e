#include "narae/text/table.h"

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae::text {
namespace {

using namespace testing_files;
using Row = std::pair<std::size_t, std::vector<std::string>>;

std::vector<Row> rows_of(const std::string& text, TableFormat format) {
  std::vector<Row> rows;
  for_each_row(text, format, "t", [&](const auto& fields, std::size_t line) { rows.emplace_back(line, fields); });
  return rows;
}

TEST(Table, TabsPartFieldsAndQuotesMeanNothing) {
  EXPECT_EQ(rows_of("a\t\"b\n\nc\t\t\u0085d\r\n", TableFormat::tsv),
            (std::vector<Row>{{1, {"a", "\"b"}}, {3, {"c", "", "\u0085d"}}}));
  EXPECT_TRUE(rows_of("", TableFormat::tsv).empty());
}

TEST(Table, CommasAndQuotes) {
  EXPECT_EQ(rows_of("a,b\r\n\"x, \"\"y\"\"\nz\",\n\n,\nlast", TableFormat::csv),
            (std::vector<Row>{{1, {"a", "b"}}, {2, {"x, \"y\"\nz", ""}}, {5, {"", ""}}, {6, {"last"}}}));
  EXPECT_EQ(rows_of("a,b\"c\n", TableFormat::csv), (std::vector<Row>{{1, {"a", "b\"c"}}}));
  EXPECT_EQ(rows_of("\"a\"", TableFormat::csv), (std::vector<Row>{{1, {"a"}}}));
}

TEST(Table, DefectsAreNamedByLine) {
  EXPECT_TRUE(contains(error_of([] { (void)rows_of("a\n\"b\nc", TableFormat::csv); }), "t:2: a quoted field"));
  EXPECT_TRUE(contains(error_of([] { (void)rows_of("a\n\"b\"c\n", TableFormat::csv); }), "t:2: characters behind"));
  EXPECT_TRUE(contains(error_of([] { (void)rows_of("a\nb\xff\n", TableFormat::tsv); }), "t:2: byte 3"));
}

}  // namespace
}  // namespace narae::text
