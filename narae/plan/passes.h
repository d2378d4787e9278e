#pragma once

#include <cstdint>
#include <span>

#include "narae/plan/program.h"

namespace narae::plan {

/// What counts as lasting in plans that change no variable (lasting.h). A plan whose sources are others almost each
/// time is made anew with less.
enum class Lasting : std::uint8_t { nothing, variables, numbers };

/// What the passes may do; tests switch parts off to compare.
struct PlanOptions {
  bool fuse = true;          ///< elementwise chains become loops
  bool layouts = true;       ///< convolutions keep layouts of the backend's own
  bool fast_kernels = true;  ///< the cpu backend; without it everything runs on the reference backend
  Lasting lasting = Lasting::numbers;
};
[[nodiscard]] NARAE_API PlanOptions plan_options();
/// Also empties the plan cache.
NARAE_API void set_plan_options(const PlanOptions& options);

/// Products with rows that are looked up in a smaller table: with each row of the table once.
void repeated_rows(Program& program, const PlanOptions& options);
/// Replaces fused operators that no kernel supports at their types and shapes by their compositions.
void expand(Program& program, const PlanOptions& options);
/// Dead code, common subexpressions, transposes folded into products, casts and reshapes that do nothing.
void simplify(Program& program, const PlanOptions& options);
/// Factors and shifts of a convolution's channels go into its weights and bias, in plans that change no variable.
void fold(Program& program, const PlanOptions& options);
/// Norms of weights' gradients without the gradients, where batches are small.
void gram(Program& program, const PlanOptions& options);
/// Lets convolutions and what lies between them keep the backend's own layouts, with reorders where layouts meet.
void layout(Program& program, const PlanOptions& options);
/// Marks what may wait for the guard, and turns chains of elementwise operators into loops.
void fuse(Program& program, const PlanOptions& options);
/// Joins products and convolutions with the loop behind them.
void follow(Program& program, const PlanOptions& options);
/// Orders the values: as they were written, what stores into variables last.
void schedule(Program& program, const PlanOptions& options);

struct Pass {
  const char* name;
  void (*run)(Program& program, const PlanOptions& options);
};
/// In the order in which they run.
[[nodiscard]] std::span<const Pass> passes();

}  // namespace narae::plan
