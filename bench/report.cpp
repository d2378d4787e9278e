#include "bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/draw/chart.h"

namespace narae::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* begin_mark = "<!-- ./dev bench writes from here -->\n";
constexpr const char* end_mark = "<!-- to here -->\n";

std::string readable(double seconds) {
  return seconds < 1 ? fmt::format("{:.2f} ms", seconds * 1e3) : fmt::format("{:.2f} s", seconds);
}

std::string gigabytes(double bytes) {
  return bytes > 0 ? fmt::format("{:.2f} GB", bytes * 1e-9) : "";
}

std::string share(const Row& row) {
  return row.our_bytes > 0 && row.their_bytes > 0 ? fmt::format("{:.2f}", row.our_bytes / row.their_bytes) : "";
}

// Memory alone is told of rows that are not timed; their one step's time says nothing.
std::string rate(const Row& row, double seconds) {
  return row.timed && row.flops > 0 && seconds > 0 ? fmt::format("{:.0f}", row.flops / seconds * 1e-9) : "";
}

std::string of_peak(const Row& row, const Machine& machine) {
  if (!row.timed || row.flops <= 0) return "";
  return fmt::format("{:.0f} %", row.flops / row.ours * 1e-7 / machine.products);
}

std::string markdown(std::span<const Row> rows, const Machine& machine, int threads) {
  std::string text = fmt::format(
      "{} threads. The machine in the same run: {:.0f} GFLOP/s in a product of 1,536 x 1,536 matrices ({:.0f} without "
      "tile units), {:.1f} GB/s read from memory.\n\n"
      "| job | ours | PyTorch, best mode | ratio [spread] | must, aim | GFLOP/s, theirs | of the product's | memory, "
      "theirs, share |\n|---|---|---|---|---|---|---|---|\n",
      threads, machine.products, machine.vector_products, machine.bandwidth);
  for (const Row& row : rows) {
    const bool compared = row.timed && row.theirs > 0;
    text += fmt::format(
        "| {}: {} | {} | {} | {} | {} | {} {} | {} | {} {} {} |\n", row.name, row.description,
        row.timed ? readable(row.ours) : "", compared ? readable(row.theirs) + ", " + row.mode : "",
        compared ? fmt::format("**{:.2f}** [{:.2f} .. {:.2f}]", row.ratio, row.lowest, row.highest) : "",
        row.must > 0 ? fmt::format("{}, {}", row.must, row.aim) : "", rate(row, row.ours), rate(row, row.theirs),
        of_peak(row, machine), gigabytes(row.our_bytes), gigabytes(row.their_bytes), share(row));
  }
  return text + "\n" + verdict(rows);
}

// Bars on a logarithmic axis, with PyTorch's line at 1 and a mark for what must be reached.
std::string bars(std::span<const Row> rows) {
  std::vector<Row> drawn;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(drawn),
               [](const Row& r) { return r.timed && r.ratio > 0 && r.counts; });
  constexpr int line = 26;
  constexpr int left = 150;
  constexpr int width = 760;
  const int height = 70 + line * static_cast<int>(drawn.size());
  double most = 4;
  for (const Row& row : drawn) most = std::max({most, row.ratio, row.must});
  const double scale = (width - left - 90) / std::log2(most * 2);
  const auto x = [&](double ratio) { return left + scale * std::log2(std::max(ratio, 0.5) * 2); };
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" "
      "font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
      "<text x=\"{}\" y=\"22\" font-size=\"15\">Times as fast as PyTorch 2.13 in its best mode</text>\n",
      width, height, left);
  for (double tick = 0.5; tick <= most; tick *= 2)
    text += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"36\" y2=\"{1}\" stroke=\"{2}\"/>"
        "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\" fill=\"#666\">{4}</text>\n",
        x(tick), height - 26, tick == 1 ? "#333" : "#ddd", height - 8, tick);
  int y = 40;
  for (const Row& row : drawn) {
    const double from = x(1);
    const double to = x(row.ratio);
    text += fmt::format(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>"
        "<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>"
        "<text x=\"{:.1f}\" y=\"{}\">{:.2f}</text>\n",
        left - 8, y + 15, draw::escape_xml(row.name), std::min(from, to), y + 2, std::abs(to - from), line - 8,
        row.ratio >= std::max(row.must, 1.05) ? "#2a7ab9" : "#c8743c", std::max(from, to) + 6, y + 15, row.ratio);
    if (row.must > 0)
      text += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#111\" "
          "stroke-width=\"2\"/>\n",
          x(row.must), y, y + line - 4);
    y += line;
  }
  return text + "</svg>\n";
}

}  // namespace

std::string headline() {
  return fmt::format("{:16} {:>10} {:>10}  {:13} {:>6} {:16} {:>5}  {:>8} {:>8} {:>5}  {:>8} {:>8} {:>5}\n", "job",
                     "narae", "pytorch", "best mode", "ratio", "", "must", "GFLOP/s", "theirs", "peak", "memory",
                     "theirs", "share");
}

std::string to_text(const Row& row, const Machine& machine) {
  const bool compared = row.timed && row.theirs > 0;
  return fmt::format("{:16} {:>10} {:>10}  {:13} {:>6} {:16} {:>5}  {:>8} {:>8} {:>5}  {:>8} {:>8} {:>5}\n", row.name,
                     row.timed ? readable(row.ours) : "", compared ? readable(row.theirs) : "",
                     compared ? row.mode : "", compared ? fmt::format("{:.2f}", row.ratio) : "",
                     compared ? fmt::format("[{:.2f} .. {:.2f}]", row.lowest, row.highest) : "",
                     row.must > 0 ? fmt::format("{}", row.must) : "", rate(row, row.ours), rate(row, row.theirs),
                     of_peak(row, machine), gigabytes(row.our_bytes), gigabytes(row.their_bytes), share(row));
}

std::string verdict(std::span<const Row> rows) {
  double logarithms = 0;
  int count = 0;
  bool compared = false;
  std::string slow;
  std::string large;
  std::string text;
  for (const Row& row : rows) {
    if (!row.notes.empty()) text += row.notes + "\n\n";
    compared = compared || row.theirs > 0 || row.their_bytes > 0;
    if (row.our_bytes > 0.7 * row.their_bytes && row.their_bytes > 0) large += (large.empty() ? "" : ", ") + row.name;
    if (!row.timed || row.ratio <= 0 || !row.counts) continue;
    if (row.ratio < std::max(row.must, 1.05)) slow += (slow.empty() ? "" : ", ") + row.name;
    if (row.name == "cold") continue;
    logarithms += std::log(row.ratio);
    ++count;
  }
  if (!compared) return text + "There was no PyTorch to compare with: see bench/pytorch/README.md.\n";
  if (count > 0)
    text += fmt::format("Geometric mean of the ratios, cold start left out: {:.2f}. ", std::exp(logarithms / count));
  return text + fmt::format(
                    "Below what they must reach (1.05 where nothing is said): {}. More than 0.7 of PyTorch's memory: "
                    "{}.\n",
                    slow.empty() ? "none" : slow, large.empty() ? "none" : large);
}

void write_report(std::span<const Row> rows, const Machine& machine, const std::string& sources, int threads) {
  const fs::path page = fs::path(sources) / "docs" / "performance.md";
  std::ifstream file(page);
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  const std::size_t begin = text.find(begin_mark);
  const std::size_t end = text.find(end_mark);
  if (!file || begin == std::string::npos || end == std::string::npos || end < begin)
    throw Error("bench: " + page.string() + " has no place for the table");
  const std::size_t from = begin + std::string(begin_mark).size();
  text.replace(from, end - from, "\n" + markdown(rows, machine, threads) + "\n");
  write_file(page, text);
  write_file(page.parent_path() / "pictures" / "performance.svg", bars(rows));
}

}  // namespace narae::bench
