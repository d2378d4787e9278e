#include "narae/train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "narae/core/error.h"
#include "narae/train/metrics.h"

namespace narae {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds redraw_after{100};
constexpr milliseconds line_after{30'000};
constexpr int bar_width = 24;

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool can_move(int stream) {
  const char* terminal = std::getenv("TERM");
  return ::isatty(stream) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

bool shows_utf8() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (!is_set(variable)) continue;
    const std::string_view value = std::getenv(variable);
    return value.find("UTF-8") != std::string_view::npos || value.find("utf8") != std::string_view::npos;
  }
  return false;
}

int columns_of(int stream) {
  winsize size{};
  return ::ioctl(stream, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string repeated(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

}  // namespace

std::string clock_text(double seconds) {
  const auto total = static_cast<std::int64_t>(std::lround(std::clamp(seconds, 0.0, 1e9)));
  if (total < 3600) return fmt::format("{}:{:02}", total / 60, total % 60);
  return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

Progress::Progress(const ProgressOptions& options)
    : options_(options),
      moving_(!options.quiet && can_move(options.stream)),
      colors_(moving_ && !is_set("NO_COLOR")),
      blocks_(shows_utf8()) {}

Progress::~Progress() {
  try {
    clear();
  } catch (const Error&) {  // a terminal that went away needs no tidying
  }
}

void Progress::begin(const Epoch& epoch) {
  epoch_ = epoch;
  begun_ = Clock::now();
  shown_ = begun_;
  counted_ = 0;
}

void Progress::step(std::int64_t done, double loss) {
  ++counted_;
  if (options_.quiet) return;
  const auto now = Clock::now();
  if (now - shown_ < (moving_ ? redraw_after : line_after)) return;
  shown_ = now;
  if (moving_) {
    draw(done, status(done, loss));
  } else {
    line(head() + status(done, loss));
  }
}

std::string Progress::head() const {
  return epoch_.label.empty() ? fmt::format("epoch {}/{}  ", epoch_.number, epoch_.epochs) : epoch_.label + "  ";
}

std::string Progress::status(std::int64_t done, double loss) const {
  const double seconds = std::max(seconds_between(begun_, shown_), 1e-6);
  const double rate = static_cast<double>(counted_) / seconds;  // steps a second
  const std::int64_t left = epoch_.steps - done + (epoch_.epochs - epoch_.number) * epoch_.steps;
  return fmt::format("{}/{}  {:.0f} samples/s  loss {}  {} left", done, epoch_.steps,
                     rate * static_cast<double>(epoch_.batch_size), loss_text(loss),
                     clock_text(static_cast<double>(left) / std::max(rate, 1e-9)));
}

void Progress::draw(std::int64_t done, const std::string& status) {
  const std::string head = this->head();
  const int room = columns_of(options_.stream) - 1 - static_cast<int>(head.size() + status.size()) - 2;
  const int width = std::clamp(room, 0, bar_width);
  const auto full = static_cast<int>(static_cast<double>(width) * static_cast<double>(done) /
                                     static_cast<double>(std::max<std::int64_t>(epoch_.steps, 1)));
  std::string bar = repeated(blocks_ ? "\u2501" : "#", full);
  std::string rest = repeated(blocks_ ? "\u2500" : ".", width - full);
  if (colors_) {
    bar = "\033[36m" + bar + "\033[0m";
    rest = "\033[90m" + rest + "\033[0m";
  }
  write("\r\033[K" + head + bar + rest + (width > 0 ? "  " : "") + status);
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) write("\r\033[K");
  drawn_ = false;
}

void Progress::line(std::string_view text) {
  if (options_.quiet) return;
  clear();
  write(std::string(text) + "\n");
}

void Progress::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t put = ::write(options_.stream, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) throw Error("the progress of training can't be written: the disk is full or the reader is gone");
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

}  // namespace narae
