#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <string>
#include <thread>

#include "narae/train/checkpoint.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::duration;

constexpr int kills = 20;

// Saves after every other step, so that many kills hit a file that is being written.
const std::vector<std::string> arguments = {"train",
                                            "mlp",
                                            "model.hidden=16",
                                            "model.dropout=0.2",
                                            "--data",
                                            "synth:moons?train=200&test=50",
                                            "--epochs",
                                            "4",
                                            "--batch-size",
                                            "10",
                                            "--lr",
                                            "0.01",
                                            "--threads",
                                            "1",
                                            "--save-every",
                                            "2",
                                            "--quiet",
                                            "--resume",
                                            "train.optimizer.name=adam"};

std::string hash_in(const std::string& text) {
  return text.substr(text.rfind(' ') + 1);
}

TEST(Kill, ARunThatIsKilledAtAnyMomentEndsWithTheSameBits) {
  const fs::path undisturbed = temporary_folder();
  const auto begin = std::chrono::steady_clock::now();
  const CommandResult whole = run_command(arguments, {.folder = undisturbed});
  const double seconds = duration<double>(std::chrono::steady_clock::now() - begin).count();
  ASSERT_EQ(whole.exit_code, 0) << whole.err;

  const fs::path folder = temporary_folder();
  const fs::path scratch = temporary_folder();
  std::mt19937 random(20);  // NOLINT(cert-msc51-cpp): the same moments every time
  int killed = 0;
  int anew = 0;
  while (killed < kills) {
    const pid_t child = start_command(arguments, {.folder = folder}, scratch);
    // The first two come before anything can have been saved.
    const double longest = killed < 2 ? 0.01 : 0.5 * seconds;
    std::this_thread::sleep_for(duration<double>(std::uniform_real_distribution(0.0, longest)(random)));
    kill(child, SIGKILL);
    if (finish_command(child, scratch).exit_code == -SIGKILL) {
      ++killed;
      anew += checkpoints_in(folder / "runs/mlp/run/checkpoints").empty() ? 1 : 0;
    } else {
      fs::remove_all(folder / "runs");  // it was done before: from the beginning
    }
  }
  const CommandResult rest = run_command(arguments, {.folder = folder});
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(hash_in(rest.out), hash_in(whole.out));
  for (const char* name : {"weights/best.safetensors", "weights/last.safetensors", "steps.csv"}) {
    EXPECT_EQ(read_whole(folder / "runs/mlp/run" / name), read_whole(undisturbed / "runs/mlp/run" / name)) << name;
  }
  EXPECT_FALSE(fs::exists(folder / "runs/mlp/run-2")) << "every start goes on in the same folder";
  EXPECT_GT(anew, 0) << "no kill came before the first checkpoint";
  EXPECT_LT(anew, kills) << "no kill came after it";
  for (const fs::path& path : {undisturbed, folder, scratch}) fs::remove_all(path);
}

}  // namespace
}  // namespace narae::cli
