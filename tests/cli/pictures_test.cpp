// Colour pictures on the command line: folders, augmentation, predictions.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "narae/data/picture.h"
#include "narae/data/resize.h"
#include "tests/cli/command.h"
#include "tests/data/picture_folder_for_tests.h"
#include "tests/data/reference_pictures.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using namespace testing_files;

// Dark and light pictures, of which a network learns to tell the two apart in a moment.
class PictureFolder : public testing::Test {
 protected:
  PictureFolder() {
    write_classes(folder_ / "shades" / "train", {"dark", "light"}, 10, {3, 16, 20});
    write_classes(folder_ / "shades" / "test", {"dark", "light"}, 3, {3, 16, 20});
  }
  ~PictureFolder() override { fs::remove_all(folder_); }

  CommandResult run(const std::vector<std::string>& arguments) const {
    return run_command(arguments, {.folder = folder_, .environment = {"NARAE_DATA=" + folder_.string()}});
  }
  void damage(const std::string& path) const { write_whole(folder_ / "shades" / path, "no picture"); }

  const fs::path folder_ = temporary_folder();
};

TEST_F(PictureFolder, IsTrainedOnJudgedAndAskedAbout) {
  const CommandResult trained = run({"train", "lenet5", "--data", "shades", "--epochs", "4", "--batch-size", "4",
                                     "--quiet", "data.augment.flip=0.5", "data.size=24"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const Json config = Json::parse(read_whole(folder_ / "runs/lenet5/run/config.json"));
  EXPECT_EQ(config["input"], Json({3, 24, 24}));
  EXPECT_EQ(config["classes"], Json({"dark", "light"}));
  EXPECT_EQ(config["mean"].size(), 3U);

  const Json judged = Json::parse(run({"eval", "lenet5/run", "--json"}).out);
  EXPECT_EQ(judged["samples"], 6);
  EXPECT_EQ(judged["accuracy"], 1.0);
  EXPECT_EQ(judged["skipped"], 0);

  write_picture(folder_ / "night.png", flat_picture({3, 50, 70}, 45));
  write_picture(folder_ / "snow.png", flat_picture({1, 9, 12}, 145));
  write_whole(folder_ / "photo.jpg", reference_file("jpeg_420"));
  const CommandResult answers =
      run({"predict", "lenet5/run", "night.png", "snow.png", "photo.jpg", "--json", "--save", "a.png"});
  ASSERT_EQ(answers.exit_code, 0) << answers.err;
  const Json json = Json::parse(answers.out);
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[0]["predicted"], "dark");
  EXPECT_EQ(json[1]["predicted"], "light");
  EXPECT_EQ(read_png(folder_ / "a.png").shape[0], 3);

  write_whole(folder_ / "cut.jpg", reference_file("jpeg_420").substr(0, 800));
  const CommandResult damaged = run({"predict", "lenet5/run", "cut.jpg"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_SAYS(damaged.err, "cut.jpg: broken JPEG file");
  EXPECT_EQ(run({"summary", "runs/lenet5/run"}).exit_code, 0);
}

TEST_F(PictureFolder, PredictionsFitPicturesAsTheRunWasJudged) {
  // A wide picture, dark in the middle and light at both ends: the crop sees the middle alone.
  Array wide = Array::empty(DType::u8, {3, 16, 160});
  for (std::size_t i = 0; i < wide.bytes(); ++i) {
    const std::size_t x = i % 160;
    wide.mutable_values<std::uint8_t>()[i] = x >= 65 && x < 95 ? 41 : 145;
  }
  write_picture(folder_ / "wide.png", wide);
  for (const auto& [fit, expected] : {std::pair<std::string, std::string>{"crop", "dark"}, {"stretch", "light"}}) {
    const CommandResult trained = run({"train", "lenet5", "--data", "shades", "--epochs", "4", "--batch-size", "4",
                                       "--quiet", "data.size=16", "data.fit=" + fit, "--name", fit});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    const Json json = Json::parse(run({"predict", "lenet5/" + fit, "wide.png", "--json"}).out);
    EXPECT_EQ(json[0]["predicted"], expected) << fit;
  }
}

TEST_F(PictureFolder, StrictIsAboutDamagedFiles) {
  damage("train/dark/odd.png");
  damage("test/light/odd.jpg");
  const std::vector<std::string> training{"train", "softmax", "--data", "shades", "--epochs", "2", "--quiet"};
  ASSERT_EQ(run(training).exit_code, 0);
  std::vector<std::string> strictly = training;
  strictly.emplace_back("--strict");
  const CommandResult refused = run(strictly);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_SAYS(refused.err, "odd.png: neither a PNG nor a JPEG file");

  const CommandResult judged = run({"eval", "softmax/run"});
  EXPECT_EQ(judged.exit_code, 0) << judged.err;
  EXPECT_SAYS(judged.out, "(6 test samples");
  EXPECT_SAYS(judged.out, "1 files are no sound pictures and were left out");
  EXPECT_EQ(Json::parse(run({"eval", "softmax/run", "--json"}).out)["skipped"], 1);
  const CommandResult strict = run({"eval", "softmax/run", "--strict"});
  EXPECT_EQ(strict.exit_code, 1);
  EXPECT_SAYS(strict.err, "odd.jpg");

  const CommandResult shown = run({"datasets", "show", "shades"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_SAYS(shown.out, "2 files are no sound pictures and were left out:");
  EXPECT_SAYS(shown.out, "odd.png");
  EXPECT_EQ(run({"datasets", "show", "shades", "--strict"}).exit_code, 1);
}

TEST_F(PictureFolder, ShowCountsClassesAndSizes) {
  write_picture(folder_ / "shades" / "train" / "dark" / "big.png", flat_picture({3, 60, 90}, 40));
  const Json json = Json::parse(run({"datasets", "show", "shades", "--json"}).out);
  EXPECT_EQ(json["samples"], Json({{"train", 21}, {"test", 6}}));
  EXPECT_EQ(json["class_counts"]["train"], Json({11, 10}));
  EXPECT_EQ(json["class_counts"]["test"], Json({3, 3}));
  EXPECT_EQ(json["file_sizes"]["least"], Json({16, 20}));
  EXPECT_EQ(json["file_sizes"]["most"], Json({60, 90}));
  EXPECT_EQ(json["fields"][0]["shape"], Json({3, 224, 224}));
  EXPECT_EQ(json["skipped"].size(), 0U);
  EXPECT_EQ(Json::parse(run({"datasets", "show", "shades", "--json", "--size", "32"}).out)["fields"][0]["shape"],
            Json({3, 32, 32}));
  const CommandResult text = run({"datasets", "show", "shades", "--max-pixels", "400"});
  EXPECT_SAYS(text.out, "20 samples to train with");
  EXPECT_SAYS(text.out, "files: height 16 to 16 (median 16), width 20 to 20 (median 20)");
  EXPECT_SAYS(text.out, "big.png: a picture of 90 x 60 pixels, more than the limit of 400");
  const Json list = Json::parse(run({"datasets", "--json"}).out);
  const bool found = std::any_of(list.begin(), list.end(), [](const Json& set) {
    return set["name"] == "shades" && set["description"] == "a folder of pictures";
  });
  EXPECT_TRUE(found);
}

TEST_F(PictureFolder, ShowDrawsWhatTrainingSees) {
  const auto draw = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"datasets", "show", "synth:shapes?train=50&test=20", "--save", "sheet.png"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read_whole(folder_ / "sheet.png");
  };
  const std::string plain = draw({});
  const std::string augmented = draw({"--augment"});
  EXPECT_NE(augmented, plain);
  EXPECT_EQ(draw({"--augment"}), augmented);
  EXPECT_NE(draw({"--augment", "--seed", "5"}), augmented);
  EXPECT_NE(draw({"--augment", "--count", "8"}), augmented);
  write_whole(folder_ / "mine.toml", "[data.augment]\nrotate = 40\nmixup = 1\n");
  EXPECT_NE(draw({"--augment", "mine.toml"}), augmented);
  const auto complaint = [&](const std::vector<std::string>& arguments) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2);
    return result.err;
  };
  EXPECT_SAYS(complaint({"datasets", "show", "synth:shapes", "--augment"}), "--save");
  EXPECT_SAYS(complaint({"datasets", "show", "synth:shapes", "--save", "a.png", "--augment", "lenet5"}),
              "changes nothing");
  EXPECT_SAYS(complaint({"datasets", "show", "synth:moons", "--save", "a.png", "--augment"}), "holds no pictures");
}

TEST_F(PictureFolder, SplitsThatAreNotThereAreRefused) {
  write_classes(folder_ / "flat", {"a", "b"}, 3);
  for (const char* split : {"test", "validation"}) {
    const CommandResult result = run({"datasets", "show", "flat", "--split", split});
    EXPECT_EQ(result.exit_code, 2) << split;
    EXPECT_SAYS(result.err, std::string("'flat' has no ") + split + " samples");
    EXPECT_SAYS(result.err, "; give train\n");
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(PictureFolder, MistakesAreExplained) {
  fs::create_directories(folder_ / "shades" / "train" / "empty");
  const CommandResult empty = run({"train", "lenet5", "--data", "shades", "--dry-run"});
  EXPECT_EQ(empty.exit_code, 1);
  EXPECT_SAYS(empty.err, "empty: no pictures (.jpg, .jpeg, .png) in this class");
  fs::remove_all(folder_ / "shades" / "train" / "empty");
  fs::remove_all(folder_ / "shades" / "train" / "light");
  EXPECT_SAYS(run({"train", "lenet5", "--data", "shades", "--dry-run"}).err, "a single class, 'dark'");
  write_classes(folder_ / "flat", {"a", "b"}, 3);
  EXPECT_SAYS(run({"train", "softmax", "--data", "flat", "--dry-run"}).err, "--val-fraction 0.1");
  EXPECT_EQ(run({"train", "softmax", "--data", "flat", "--val-fraction", "0.34", "--dry-run"}).exit_code, 0);
}

}  // namespace
}  // namespace narae::cli
