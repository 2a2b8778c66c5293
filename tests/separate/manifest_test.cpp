#include "separate/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Manifest GoodManifest() {
  Manifest manifest;
  manifest.model_name = "unet";
  manifest.stems = {"drums", "rest"};
  manifest.segment_frames = 65536;
  manifest.length = {true, 0, 65536};
  return manifest;
}

TEST(Manifest, SurvivesTheRoundTrip) {
  Manifest manifest = GoodManifest();
  manifest.stft = {{"n_fft", 4096}};
  const Manifest again = Manifest::FromJson(manifest.ToJson().dump(), "test");
  EXPECT_EQ(again.ToJson(), manifest.ToJson());
}

TEST(Manifest, ChoicesAreTextInJsonAlone) {
  Manifest manifest = GoodManifest();
  manifest.window = Window::kHann;
  manifest.tail = Tail::kContext;
  manifest.song_normalization = SongNormalization::kMeanStd;
  nlohmann::json object = manifest.ToJson();
  EXPECT_EQ(object["window"], "hann");
  EXPECT_EQ(object["tail"], "context");
  EXPECT_EQ(object["song_normalization"], "mean_std");
  object.erase("tail");  // as manifests of the first exports
  const Manifest again = Manifest::FromJson(object.dump(), "test");
  EXPECT_EQ(again.window, Window::kHann);
  EXPECT_EQ(again.tail, Tail::kZeros);
  EXPECT_EQ(again.song_normalization, SongNormalization::kMeanStd);
}

TEST(Manifest, FramesAreKeptOfSegmentsThatSeeMore) {
  Manifest manifest = GoodManifest();
  EXPECT_FALSE(manifest.ToJson().contains("kept_frames"));
  manifest.length = {.dynamic = true, .offset_frames = 300, .multiple_frames = 100};
  manifest.tail = Tail::kContext;
  manifest.segment_frames = 1000;
  manifest.kept_frames = 950;
  const nlohmann::json good = manifest.ToJson();
  EXPECT_EQ(Manifest::FromJson(good.dump(), "test").kept_frames, 950);
  const auto message = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json bad = good;
    bad[key] = value;
    return testing::MessageOf([&] { Manifest::FromJson(bad.dump(), "test"); });
  };
  EXPECT_THAT(message("kept_frames", 1001), HasSubstr("kept_frames"));
  EXPECT_THAT(message("kept_frames", 0), HasSubstr("kept_frames"));
  EXPECT_THAT(message("tail", "zeros"), HasSubstr("the tail 'context'"));
}

TEST(LengthRule, GivesTheNextAndTheNearestLength) {
  const LengthRule steps{true, 0, 100}, from{true, 300, 100}, fixed{false, 2, 1};
  EXPECT_EQ(steps.AtLeast(1), 100);
  EXPECT_EQ(steps.AtLeast(100), 100);
  EXPECT_EQ(steps.AtLeast(101), 200);
  EXPECT_EQ(from.AtLeast(1), 300);
  EXPECT_EQ(from.AtLeast(301), 400);
  EXPECT_EQ(fixed.AtLeast(1), 2);
  EXPECT_EQ(fixed.AtLeast(77), 77);
  EXPECT_EQ(steps.Nearest(0), 100);
  EXPECT_EQ(steps.Nearest(40), 100) << "there is none below";
  EXPECT_EQ(steps.Nearest(149), 100);
  EXPECT_EQ(steps.Nearest(150), 100) << "of two as near, the shorter";
  EXPECT_EQ(steps.Nearest(151), 200);
  EXPECT_EQ(from.Nearest(340), 300);
  EXPECT_EQ(from.Nearest(10), 300);
}

TEST(Manifest, RefusesNonsense) {
  const auto refuse = [](const char* key, nlohmann::json value, const char* expected) {
    nlohmann::json object = GoodManifest().ToJson();
    object[key] = std::move(value);
    EXPECT_THAT(testing::MessageOf([&] { Manifest::FromJson(object.dump(), "model.onnx"); }),
                AllOf(HasSubstr(expected), HasSubstr("model.onnx")))
        << key;
  };
  refuse("version", 99, "version 99");
  refuse("stems", nlohmann::json::array(), "number of stems");
  refuse("stems", {"a", "a"}, "twice");
  refuse("stems", {"../a"}, "stem name");
  refuse("channels", "two", "'channels' is \"two\", not a whole number");
  refuse("segment_frames", 0, "segment");
  refuse("overlap", 1.0, "overlap");
  refuse("window", "triangel", "the window 'triangel'");
  refuse("tail", "contxt", "the tail 'contxt'");
  refuse("song_normalization", "mean", "the song normalisation 'mean'");
  EXPECT_THROW(Manifest::FromJson("[1", "x"), Error);
  EXPECT_THROW(Manifest::FromJson("{}", "x"), Error);
}

nlohmann::json TinyJson() {
  Manifest manifest;
  manifest.model_name = "m";
  manifest.stems = {"a", "b"};
  manifest.segment_frames = 100;
  return manifest.ToJson();
}

TEST(Manifest, NumbersThatAreNoneAreRefusedByName) {
  const auto read = [](const std::string& key, const std::string& value) {
    nlohmann::json object = TinyJson();
    object[nlohmann::json::json_pointer(key)] = nlohmann::json::parse(value);
    Manifest::FromJson(object.dump(), "m.onnx");
  };
  const auto problem = [&](const std::string& key, const std::string& value) {
    return testing::MessageOf([&] { read(key, value); });
  };
  EXPECT_NO_THROW(read("/channels", "2"));
  EXPECT_THAT(problem("/channels", "2.5"), HasSubstr("'channels' is 2.5, not a whole number"));
  EXPECT_THAT(problem("/channels", "true"), HasSubstr("'channels' is true"));
  EXPECT_THAT(problem("/channels", "4294967298"), HasSubstr("'channels' is 4294967298"));
  EXPECT_THAT(problem("/sample_rate_hz", "44100.5"), HasSubstr("'sample_rate_hz' is 44100.5"));
  EXPECT_THAT(problem("/segment_frames", "1e18"), HasSubstr("'segment_frames' is 1e+18"));
  EXPECT_THAT(problem("/length/multiple_frames", "0"), HasSubstr("'multiple_frames' is 0"));
  EXPECT_THAT(problem("/length/dynamic", "1"), HasSubstr("'dynamic' is 1"));
  EXPECT_THAT(problem("/overlap", "1.5"), HasSubstr("'overlap' is 1.5"));
  EXPECT_THAT(problem("/overlap", "1"), HasSubstr("not below 1"));
  EXPECT_THAT(problem("/version", "1.5"), HasSubstr("'version' is 1.5"));
  EXPECT_THAT(problem("/stems", "[\"a\", \"a\"]"), HasSubstr("stands twice"));
}

// Two numbers that are each in range ask for 8 TiB together.
TEST(Manifest, ASegmentBeyondAllMemoryIsRefused) {
  nlohmann::json object = TinyJson();
  object["segment_frames"] = std::int64_t{1} << 31;
  EXPECT_THAT(testing::MessageOf([&] { Manifest::FromJson(object.dump(), "m"); }),
              HasSubstr("8 GiB"));
  object["segment_frames"] = 44100 * 600;
  EXPECT_NO_THROW(Manifest::FromJson(object.dump(), "m"));
  for (int i = 0; i < 1000; ++i) object["stems"].push_back("stem" + std::to_string(i));
  EXPECT_THAT(testing::MessageOf([&] { Manifest::FromJson(object.dump(), "m"); }),
              HasSubstr("of 1002 stems takes more than 8 GiB"));
}

}  // namespace
}  // namespace stemsmith
