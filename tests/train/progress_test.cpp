#include "narae/train/progress.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

namespace narae {
namespace {

// Sets an environment variable for the life of this object.
class Setting {
 public:
  Setting(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    if (value != nullptr) {
      setenv(name, value, 1);
    } else {
      unsetenv(name);
    }
  }
  ~Setting() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

// What half an epoch looks like on a terminal, or on a pipe.
std::string shown(bool terminal, const ProgressOptions& given = {}) {
  int ends[2] = {-1, -1};
  if (terminal) {
    EXPECT_EQ(openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), 0);
  } else {
    EXPECT_EQ(pipe(ends), 0);
  }
  ProgressOptions options = given;
  options.stream = ends[1];
  {
    Progress progress(options);
    progress.begin({.number = 1, .epochs = 2, .steps = 10, .batch_size = 64});
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.step(5, 0.25);
    progress.line("a line");
  }
  close(ends[1]);  // what was written can still be read; then there is an end
  std::string text;
  char piece[4096];
  for (ssize_t got = 0; (got = read(ends[0], piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<std::size_t>(got));
  close(ends[0]);
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Progress, ATerminalSeesABarThatMakesRoomForLines) {
  const Setting terminal("TERM", "xterm");
  const Setting colors("NO_COLOR", nullptr);
  const Setting all("LC_ALL", "C.UTF-8");
  const std::string text = shown(true);
  EXPECT_TRUE(has(text, "epoch 1/2")) << text;
  EXPECT_TRUE(has(text, "5/10")) << text;
  EXPECT_TRUE(has(text, "samples/s  loss 0.2500")) << text;
  EXPECT_TRUE(has(text, " left")) << text;
  EXPECT_TRUE(has(text, "\033[36m\u2501")) << text;
  EXPECT_TRUE(has(text, "\r\033[Ka line")) << text;
}

TEST(Progress, ColoursAndBlocksOnlyWhereTheyAreWelcome) {
  const Setting terminal("TERM", "xterm");
  const Setting colors("NO_COLOR", "1");
  const Setting all("LC_ALL", "C");
  const std::string text = shown(true);
  EXPECT_FALSE(has(text, "\033[36m")) << text;
  EXPECT_TRUE(has(text, "####")) << text;
  EXPECT_FALSE(has(text, "\u2501")) << text;
}

TEST(Progress, APipeSeesPlainLines) {
  const Setting terminal("TERM", "xterm");
  EXPECT_EQ(shown(false), "a line\n");
  const Setting dumb("TERM", "dumb");
  EXPECT_EQ(shown(true), "a line\r\n");
}

TEST(Progress, QuietSeesNothing) {
  const Setting terminal("TERM", "xterm");
  EXPECT_EQ(shown(true, {.quiet = true}), "");
}

TEST(Progress, TimesAreReadable) {
  EXPECT_EQ(clock_text(7.4), "0:07");
  EXPECT_EQ(clock_text(754), "12:34");
  EXPECT_EQ(clock_text(3723), "1:02:03");
  EXPECT_EQ(clock_text(-1), "0:00");
}

}  // namespace
}  // namespace narae
