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
  refuse("window", "wavy", "wavy");
  EXPECT_THROW(Manifest::FromJson("[1", "x"), Error);
  EXPECT_THROW(Manifest::FromJson("{}", "x"), Error);
}

}  // namespace
}  // namespace stemsmith
