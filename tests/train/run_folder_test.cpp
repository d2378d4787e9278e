#include "narae/train/run_folder.h"

#include <gtest/gtest.h>

#include <cmath>

#include <functional>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/train/append_file.h"
#include "narae/train/table.h"
#include "tests/cli/command.h"
#include "tests/train/runs_for_tests.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::read_whole;
using cli::temporary_folder;
using cli::write_whole;

TEST(RunFolder, TakenNamesGetANumber) {
  const fs::path project = temporary_folder() / "runs";
  const RunFolder first = RunFolder::create(project, "lenet5", "run", false);
  const RunFolder second = RunFolder::create(project, "lenet5", "run", false);
  const RunFolder third = RunFolder::create(project, "lenet5", "run", false);
  EXPECT_EQ(first.path(), project / "lenet5" / "run");
  EXPECT_EQ(second.path(), project / "lenet5" / "run-2");
  EXPECT_EQ(third.path(), project / "lenet5" / "run-3");
  EXPECT_EQ(first.weights("best"), first.path() / "weights" / "best.safetensors");
  EXPECT_TRUE(fs::is_directory(first.checkpoints()));
}

TEST(RunFolder, ManyAtOnceGetOneEach) {
  const fs::path project = temporary_folder();
  std::vector<std::optional<RunFolder>> folders(8);
  {
    std::vector<std::jthread> threads;
    for (auto& folder : folders)
      threads.emplace_back([&] { folder.emplace(RunFolder::create(project, "mlp", "run", false)); });
  }
  std::set<fs::path> paths;
  for (const auto& folder : folders) paths.insert(folder->path());
  EXPECT_EQ(paths.size(), folders.size());
}

TEST(RunFolder, TheNewestHasTheHighestNumber) {
  const fs::path project = temporary_folder();
  EXPECT_EQ(newest_run(project, "mlp", "run"), std::nullopt);
  for (const char* name : {"run", "run-2", "run-10", "run-02", "run-x", "runner", "other-11"}) {
    fs::create_directories(project / "mlp" / name);
  }
  EXPECT_EQ(newest_run(project, "mlp", "run"), project / "mlp" / "run-10");
  EXPECT_EQ(newest_run(project, "mlp", "another"), std::nullopt);
}

TEST(RunFolder, OnlyOneProcessTrainsInIt) {
  const fs::path project = temporary_folder();
  const RunFolder folder = RunFolder::create(project, "mlp", "run", false);
  EXPECT_NE(refusal([&] { static_cast<void>(RunFolder::open(folder.path())); }).find("another process"),
            std::string::npos);
  EXPECT_NE(refusal([&] { static_cast<void>(RunFolder::create(project, "mlp", "run", true)); }).find("another process"),
            std::string::npos);
}

TEST(RunFolder, ReusingOneRemovesTheRunAndNothingElse) {
  const fs::path project = temporary_folder();
  fs::path path;
  {
    const RunFolder folder = RunFolder::create(project, "mlp", "run", false);
    path = folder.path();
    write_whole(path / "results.csv", "x");
    fs::create_directories(folder.checkpoints() / "000007");
    write_whole(folder.weights("best"), "x");
    write_whole(path / "notes.md", "mine");
    write_whole(path / ".narae-1-2.tmp", "left by a killed process");
  }
  const RunFolder again = RunFolder::create(project, "mlp", "run", true);
  EXPECT_EQ(again.path(), path);
  EXPECT_FALSE(fs::exists(path / "results.csv"));
  EXPECT_FALSE(fs::exists(again.checkpoints() / "000007"));
  EXPECT_FALSE(fs::exists(again.weights("best")));
  EXPECT_FALSE(fs::exists(path / ".narae-1-2.tmp"));
  EXPECT_EQ(read_whole(path / "notes.md"), "mine");
}

TEST(RunFolder, WhatCanNotBeIsRefused) {
  const fs::path project = temporary_folder();
  for (const char* name : {"", "a/b", "..", ".hidden", "two\nlines"}) {
    EXPECT_THROW(static_cast<void>(RunFolder::create(project, "mlp", name, false)), UsageError) << name;
  }
  write_whole(project / "file", "");
  EXPECT_NE(
      refusal([&] { static_cast<void>(RunFolder::create(project / "file", "mlp", "run", false)); }).find("--project"),
      std::string::npos);
  fs::create_directories(project / "softmax");
  write_whole(project / "softmax" / "run", "");
  EXPECT_NE(
      refusal([&] { static_cast<void>(RunFolder::create(project, "softmax", "run", true)); }).find("a file stands"),
      std::string::npos);
  EXPECT_EQ(RunFolder::create(project, "softmax", "run", false).path(), project / "softmax" / "run-2");
  EXPECT_NE(refusal([&] { static_cast<void>(RunFolder::open(project / "nothing")); }).find("no such run folder"),
            std::string::npos);
}

TEST(AppendFile, GrowsAndIsCutBack) {
  const fs::path path = temporary_folder() / "table.csv";
  {
    AppendFile file(path);
    file.write("a,b\n1,2\n");
    file.sync();
    EXPECT_EQ(file.size(), 8U);
    file.write("3,");
  }
  AppendFile file(path);
  EXPECT_EQ(file.size(), 10U);
  file.cut(100);
  EXPECT_EQ(file.size(), 10U);
  file.cut(8);
  file.write("5,6\n");
  EXPECT_EQ(read_whole(path), "a,b\n1,2\n5,6\n");
  EXPECT_THROW(AppendFile(path.parent_path()), Error);
  EXPECT_THROW(AppendFile(path.parent_path() / "no" / "file"), Error);
}

TEST(AppendFile, AFullDiskIsSaid) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full";
  // Devices are refused: a table is cut back, which they can't be.
  EXPECT_NE(refusal([] { AppendFile file("/dev/full"); }).find("not a regular file"), std::string::npos);
}

TEST(Table, ReadsWhatTrainingWrites) {
  const fs::path path = temporary_folder() / "results.csv";
  write_whole(path, "epoch,loss\n1,0.5\n2,nan\n3,0.2");
  const Table table = read_table(path);
  EXPECT_EQ(table.columns, (std::vector<std::string>{"epoch", "loss"}));
  ASSERT_EQ(table.rows.size(), 2U) << "the last line is not complete";
  EXPECT_EQ(table.number(0, "loss"), 0.5);
  EXPECT_TRUE(std::isnan(table.number(1, "loss")));
  EXPECT_THROW(static_cast<void>(table.number(0, "accuracy")), Error);
  EXPECT_THROW(static_cast<void>(table.number(2, "loss")), Error);
  write_whole(path, "epoch,loss\n1\n");
  EXPECT_NE(refusal([&] { static_cast<void>(read_table(path)); }).find("results.csv:2"), std::string::npos);
}

}  // namespace
}  // namespace narae
