// How plans are executed and built when operators are not what the library's own are: tests with operators of their
// own.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "narae/graph/eval.h"
#include "narae/graph/kernel.h"
#include "narae/graph/module_path.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

Signature like_the_input(std::span<const Node* const> inputs, Attributes, int) {
  return {inputs[0]->dtype, inputs[0]->shape};
}

// Called by the kernel below, on the thread that evaluates, with its scratch memory: it lies in the arena.
thread_local std::function<void(const std::byte*)> seen_scratch;

// An operator whose kernel takes as many bytes of scratch memory as its attribute says.
const Op& scratch_op() {
  static const Op& op = [] {
    reference_backend().define("test_scratch", [](const KernelRequest& request) {
      return Kernel{.run =
                        [](const KernelArguments& at) {
                          seen_scratch(at.scratch);
                          *at.out<float>(0) = *at.in<float>(0);
                        },
                    .scratch_bytes = static_cast<std::size_t>(request.attributes[0])};
    });
    return define_op({.name = "test_scratch", .infer = like_the_input, .stops_gradient = true});
  }();
  return op;
}

/// The scratch memory of an execution that needs this much; `meanwhile` runs while it lasts.
const std::byte* scratch_of(
    std::int64_t bytes, const std::function<void()>& meanwhile = [] {}) {
  const std::byte* found = nullptr;
  seen_scratch = [&](const std::byte* scratch) {
    found = scratch;
    meanwhile();
  };
  static_cast<void>(apply(scratch_op(), {Tensor::of({1}, {})}, {bytes}).item());
  return found;
}

// What went wrong with the arenas of this process, which has none yet; "" for nothing.
std::string wrong_arenas() {
  constexpr std::int64_t little = 1 << 20;
  constexpr std::int64_t much = 64 << 20;
  const std::byte* large = nullptr;
  // Two executions at the same time leave two arenas behind.
  const std::byte* small = scratch_of(little, [&] { std::thread([&] { large = scratch_of(much); }).join(); });
  if (small == nullptr || large == nullptr || small == large) return "two executions share an arena";
  // Whichever was given back last: the one that fits is taken.
  if (scratch_of(much) != large) return "another arena than the large one holds much";
  for (int i = 0; i < 2; ++i)
    if (scratch_of(little) != small) return "little is not held by the small arena";
  return scratch_of(much) == large ? "" : "the large arena is not taken again";
}

TEST(Execution, TheSmallestArenaThatIsLargeEnoughIsTaken) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a process of its own: the tests before this one left arenas
  const auto check = [] {
    const std::string wrong = wrong_arenas();
    std::fprintf(stderr, "arenas: %s.\n", wrong.c_str());
    std::_Exit(wrong.empty() ? 0 : 1);
  };
  EXPECT_EXIT(check(), testing::ExitedWithCode(0), "arenas: .");
}

TEST(Execution, ASecondResultThatCannotBeCountedIsAnError) {
  static const Op& op = define_op({.name = "test_uncountable",
                                   .results = 2,
                                   .infer =
                                       [](std::span<const Node* const> inputs, Attributes, int k) {
                                         Signature result{inputs[0]->dtype, inputs[0]->shape};
                                         if (k == 1) result.shape.set(0, std::int64_t{1} << 60);
                                         return result;
                                       },
                                   .stops_gradient = true});
  const Tensor first = output(apply(op, {Tensor::of({1, 2})}), 0);
  try {
    first.eval();
    FAIL() << "2^60 elements";
  } catch (const Error& e) {
    const std::string message = e.what();
    for (const char* part : {"test_uncountable", "result 2", "1152921504606846976", "2^59"})
      EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
  }
}

TEST(Execution, ACompositionThatThrowsLeavesTheModuleAsItWas) {
  static const Op& op = define_op({.name = "test_composition",
                                   .kind = OpClass::fused,
                                   .infer = like_the_input,
                                   .compose = [](std::span<const Tensor>, Attributes) -> std::vector<Tensor> {
                                     throw Error("test_composition: written in " + module_path(current_module()));
                                   }});
  Tensor y;
  {
    const ModuleScope scope("written");
    y = apply(op, {Tensor::of({1, 2})});
  }
  const ModuleScope scope("evaluated");
  const NoGrad guard;
  try {
    y.eval();
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "test_composition: written in written");
  }
  EXPECT_EQ(module_path(current_module()), "evaluated");
}

}  // namespace
}  // namespace narae
