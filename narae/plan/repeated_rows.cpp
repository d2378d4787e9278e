// Products whose rows are repeated are computed once for each row: a product with rows looked up in a smaller table
// (characters in a text) is that product with the table, looked up.
#include <utility>
#include <vector>

#include "narae/graph/attributes.h"
#include "narae/plan/passes.h"
#include "narae/plan/rewrite.h"

namespace narae::plan {
namespace {

// Fewer rows than this part of the lookups are worth it: looking up what the product gives moves memory instead.
constexpr std::int64_t least_repetition = 2;

// Rows of a matrix `table` at `indices`, as many as a matrix has.
struct Lookup {
  int table = -1;
  int indices = -1;
};

class RepeatedRows : Rewriter {
 public:
  void run(Program& program) {
    rewrite(program, [this](Value value) { return place(std::move(value)); });
    program = std::move(to_);
  }

 private:
  [[nodiscard]] const Shape& shape(int v) const { return to_.at(v).signature.shape; }
  [[nodiscard]] bool is(int v, std::string_view name) const { return to_.at(v).op->name == name; }

  int place(Value value) {
    const std::string_view name = value.op->name;
    if (name == "linear") return place_linear(std::move(value));
    if (name == "matmul" && value.signature.shape.rank() == 2) return place_product(std::move(value));
    if (name == "segment_sum") return place_sum(std::move(value));
    return append(std::move(value));
  }

  // The lookup behind matrix v; none when its table has about as many rows as it.
  [[nodiscard]] Lookup lookup_of(int v) const {
    if (shape(v).rank() != 2) return {};
    int rows = v;
    while (is(rows, "reshape")) rows = to_.at(rows).inputs[0];
    if (!is(rows, "take") || to_.at(rows).attributes[0] != 0) return {};
    const int table = to_.at(rows).inputs[0];
    const bool same_rows = shape(table).rank() == 2 && shape(table)[1] == shape(v)[1];
    if (!same_rows || shape(table)[0] * least_repetition > shape(v)[0]) return {};
    return {table, to_.at(rows).inputs[1]};
  }

  // The indices of a lookup along one axis.
  int flat(const Value& instead, int indices) {
    if (shape(indices).rank() == 1) return indices;
    const Shape all{shape(indices).count()};
    const int v = write(instead, "reshape", {indices}, words(all), all);
    to_.at(v).signature.dtype = to_.at(indices).signature.dtype;
    return v;
  }

  // The rows of v, added up by their indices to `rows` rows.
  int summed(const Value& instead, int indices, int v, std::int64_t rows) {
    return write(instead, "segment_sum", {v, indices}, {rows}, {rows, shape(v)[1]});
  }

  // The product of the whole table, looked up.
  int looked_up(const Value& product, const Lookup& lookup) {
    Value of_table = product;
    of_table.inputs[0] = lookup.table;
    of_table.signature.shape.set(0, shape(lookup.table)[0]);
    const int all = append(std::move(of_table));
    return write(product, "take", {all, flat(product, lookup.indices)}, {0}, product.signature.shape);
  }

  int place_linear(Value value) {
    const Lookup lookup = lookup_of(value.inputs[0]);
    return lookup.table < 0 ? append(std::move(value)) : looked_up(value, lookup);
  }

  // (rows) w, and a^T (rows): the gradient of w, for which the rows of a that meet the same row are added up first.
  int place_product(Value value) {
    const auto words = attributes_as<MatmulAttributes>(value.attributes);
    if (words.transpose_a == 0) {
      const Lookup lookup = lookup_of(value.inputs[0]);
      return lookup.table < 0 ? append(std::move(value)) : looked_up(value, lookup);
    }
    const Lookup lookup = lookup_of(value.inputs[1]);
    if (words.transpose_b != 0 || lookup.table < 0) return append(std::move(value));
    const int indices = flat(value, lookup.indices);
    value.inputs = {summed(value, indices, value.inputs[0], shape(lookup.table)[0]), lookup.table};
    return append(std::move(value));
  }

  // Rows of a w added up: the gradient of a table, for which rows of a are added up before the product.
  int place_sum(Value value) {
    int product = value.inputs[0];
    while (is(product, "reshape")) product = to_.at(product).inputs[0];
    const Shape& table = value.signature.shape;
    const bool fits = table.rank() == 2 && is(product, "matmul") && shape(product).rank() == 2 &&
                      shape(product)[1] == table[1] && table[0] * least_repetition <= shape(product)[0] &&
                      attributes_as<MatmulAttributes>(to_.at(product).attributes).transpose_a == 0;
    if (!fits) return append(std::move(value));
    const std::vector<int> factors = to_.at(product).inputs;
    const std::vector<std::int64_t> words = to_.at(product).attributes;
    const int sums = summed(value, value.inputs[1], factors[0], table[0]);
    return write(value, "matmul", {sums, factors[1]}, words, table);
  }
};

}  // namespace

void repeated_rows(Program& program, const PlanOptions&) {
  RepeatedRows().run(program);
}

}  // namespace narae::plan
