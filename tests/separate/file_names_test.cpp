#include "separate/file_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

FileNames Names(const std::string& text, const char* format = "wav") {
  return {text, FindFormat(format), {.model = "htdemucs", .date = "2026-01-31"}};
}

TEST(FileNames, FieldsAreFilledIn) {
  EXPECT_EQ(Names("").Of("a/song", "folder", "drums"), "a/song/drums.wav");
  EXPECT_EQ(Names("", "stem.mp4").Of("song", "folder", "drums"), "song.stem.mp4");
  EXPECT_EQ(Names("{model}/{date} {parent}/{stem}s of {track}}.{ext}", "alac")
                .Of("song", "folder", "{track}"),
            "htdemucs/2026-01-31 folder/{track}s of song}.m4a");
  EXPECT_EQ(Names("{track}.wav").Of("song", "", ""), "song.wav");
}

TEST(FileNames, WhatCannotBeIsRefused) {
  struct {
    const char* text;
    const char* format;
    const char* says;
  } const cases[] = {{"{trak}.{ext}", "wav", "did you mean 'track'"},
                     {"{}.{ext}", "wav", "there is no field {}"},
                     {"{track", "wav", "not closed"},
                     {"../{track}.{ext}", "wav", "out of the output folder"},
                     {"a/../{track}.{ext}", "wav", "out of the output folder"},
                     {"/{track}.{ext}", "wav", "out of the output folder"},
                     {"{track}//{stem}.{ext}", "wav", "without a name"},
                     {"{track}/./{stem}.{ext}", "wav", "without a name"},
                     {"{track}/{stem}", "wav", "end it with .{ext}"},
                     {"{track}/", "wav", "without a name"},
                     {"{track}/.{ext}", "wav", "end it with .{ext}"},
                     {"{track}.wav", "flac", "end it with .{ext}"},
                     {"{track}/{stem}.{ext}", "stem.mp4", "leave out {stem}"}};
  for (const auto& c : cases) {
    const Error error = testing::ErrorOf([&] { Names(c.text, c.format); });
    EXPECT_EQ(error.code(), ExitCode::kWrongUse) << c.text;
    EXPECT_THAT(error.what(), HasSubstr(c.says)) << c.text;
  }
  EXPECT_THROW(Names("{track}.{ext}").CheckStems({"drums", "bass"}), Error);
  Names("{track}.{ext}").CheckStems({"drums"});
  Names("", "stem.mp4").CheckStems({"drums", "bass", "other", "vocals"});
}

TEST(FileNames, AModelIsCalledByItsFileOrFolder) {
  const testing::TemporaryFolder folder;
  for (const char* file : {"umxl/model.onnx", "mine/loud.ts", "a/model/model.ts", "umxl/model.int8.onnx"})
    WriteFileAtomically(folder / file, "");
  EXPECT_EQ(ModelNameOf(folder / "umxl/model.onnx"), "umxl");
  EXPECT_EQ(ModelNameOf(folder / "umxl"), "umxl");
  EXPECT_EQ(ModelNameOf(folder / "mine/loud.ts"), "loud");
  EXPECT_EQ(ModelNameOf(folder / "a/model"), "model");
  EXPECT_EQ(ModelNameOf(folder / "umxl/model.int8.onnx"), "umxl.int8");
}

}  // namespace
}  // namespace stemsmith
