// What a user gets: `cmake --install`, then a program of their own against it.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

namespace fs = std::filesystem;

const fs::path source_dir = NARAE_SOURCE_DIR;

std::string text_of(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

struct Outcome {
  int status;
  std::string output;  // both streams
};

Outcome run(const std::string& command) {
  Outcome result{-1, ""};
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) result.output.append(buffer, n);
  const int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

// Seconds of processor time that finished child processes took: unlike the clock, not disturbed by other programs.
double child_seconds() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Install : public testing::Test {
 protected:
  void SetUp() override {
    if (NARAE_INSTRUMENTED) GTEST_SKIP() << "an instrumented library is not installed";
    folder_ = fs::path(testing::TempDir()) /
              (std::string("narae_install_") + testing::UnitTest::GetInstance()->current_test_info()->name() + "_" +
               std::to_string(getpid()));
    fs::remove_all(folder_);
    prefix_ = folder_ / "usr";
    const Outcome installed = run(NARAE_CMAKE " --install " NARAE_BINARY_DIR " --prefix " + prefix_.string());
    ASSERT_EQ(installed.status, 0) << installed.output;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void expect_trains(const fs::path& program) const {
    const Outcome outcome = run("cd " + folder_.string() + " && " + program.string());
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    const std::size_t last = outcome.output.rfind("accuracy ");
    ASSERT_NE(last, std::string::npos) << outcome.output;
    EXPECT_GT(std::strtod(outcome.output.c_str() + last + 9, nullptr), 0.9) << outcome.output;
  }

  fs::path folder_;
  fs::path prefix_;
};

TEST_F(Install, TenLineProgramCompilesFastAndTrains) {
  const fs::path program = folder_ / "ten_lines";
  const fs::path library = prefix_ / NARAE_LIBDIR;
  const double before = child_seconds();
  const Outcome compiled = run(NARAE_CXX " -std=c++20 -O2 -Wall -Wextra -Werror -I" + (prefix_ / "include").string() +
                               " " + (source_dir / "examples/ten_lines.cpp").string() + " -o " + program.string() +
                               " -L" + library.string() + " -lnarae -Wl,-rpath," + library.string());
  const double seconds = child_seconds() - before;
  ASSERT_EQ(compiled.status, 0) << compiled.output;
  RecordProperty("compile_seconds", std::to_string(seconds));
  EXPECT_LT(seconds, 5.0);
  expect_trains(program);
}

TEST_F(Install, FindPackageNeedsNothingElse) {
  const fs::path build = folder_ / "build";
  const std::string consumer = (source_dir / "tests/house/consumer").string();
  const Outcome configured = run(NARAE_CMAKE " -G Ninja -S " + consumer + " -B " + build.string() +
                                 " -DCMAKE_PREFIX_PATH=" + prefix_.string() + " -DCMAKE_CXX_COMPILER=" NARAE_CXX);
  ASSERT_EQ(configured.status, 0) << configured.output;
  const Outcome built = run(NARAE_CMAKE " --build " + build.string());
  ASSERT_EQ(built.status, 0) << built.output;
  expect_trains(build / "ten_lines");
}

TEST_F(Install, CommandIsSmall) {
  const fs::path command = prefix_ / "bin/narae";
  ASSERT_TRUE(fs::exists(command));
  EXPECT_LT(fs::file_size(command), 20'000'000U);
  const Outcome outcome = run(command.string() + " recipes");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("lenet5"), std::string::npos) << outcome.output;
}

TEST(Readme, ShowsTheExampleAsItIs) {
  const std::string readme = text_of(source_dir / "README.md");
  const std::string opening = "```cpp\n";
  const std::size_t begin = readme.find(opening);
  ASSERT_NE(begin, std::string::npos);
  const std::size_t end = readme.find("```", begin + opening.size());
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(readme.substr(begin + opening.size(), end - begin - opening.size()),
            text_of(source_dir / "examples/ten_lines.cpp"));
}

}  // namespace
