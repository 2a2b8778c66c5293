// Files made of stored stems are those that `separate` writes, byte by byte.
#include "serve/stem_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <zip.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <stdexcept>

#include "audio/decode.h"
#include "audio/encode.h"
#include "core/files.h"
#include "core/random.h"
#include "separate/stem_mix.h"
#include "serve/file_maker.h"
#include "tests/support/error_of.h"
#include "tests/support/made_files.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kPicture = "\x89PNG\r\n\x1a\n a picture";

// A song in a folder, separated by the program into stems as the web app keeps them.
class StemFiles : public ::testing::Test {
 protected:
  StemFiles() {
    // Gains that drive stems beyond full scale.
    testing::WriteGainOnnx(folder_ / "model.onnx", testing::TinyManifest(4),
                           {1.7f, -0.25f, 0.7f, 0.3f});
    Separate({.format = "flac", .tags = {{"title", "Song"}, {"artist", "Someone"}},
              .cover = kPicture},
             44100);
  }

  // Takes another song, as written with these options, and separates it.
  void Separate(const EncodeOptions& options, int sample_rate_hz, int channels = 2) {
    AudioBuffer audio(channels, 20000);
    RandomStream random({1, 2});
    for (float& sample : audio.samples()) sample = random.Uniform(-0.9, 0.9);
    stems_.song = folder_ / ("song" + std::string(FindFormat(options.format).ending));
    WriteAudio(stems_.song, audio, sample_rate_hz, options);
    stems_.names = {"drums", "bass", "other", "vocals"};
    stems_.folder = folder_ / "stems";
    fs::remove_all(stems_.folder);
    Run("--format wav --bits 32f -o stems --name '{stem}.{ext}'");
  }
  void Run(const std::string& arguments) {
    const testing::ProgramResult result = testing::RunProgram(
        "cd '" + folder_.path().string() + "' && " STEMSMITH_BIN_DIR "/separate model.onnx " +
        stems_.song.filename().string() + " --quiet " + arguments);
    ASSERT_EQ(result.status, 0) << result.err;
  }

  // What `separate` writes into these formats, and what is made of its stems.
  void ExpectEqual(const EncodeOptions& encoding, const std::string& arguments) {
    SCOPED_TRACE(arguments);
    const FormatRow& format = FindFormat(encoding.format);
    fs::remove_all(folder_ / "out");
    Run("--format " + encoding.format + " " + arguments + " -o out --name " +
        (format.many_streams ? "song.{ext}" : "'{stem}.{ext}'"));
    for (const std::string& stem : stems_.names) {
      const std::string file = (format.many_streams ? "song" : stem) + format.ending;
      const fs::path made = folder_ / "made" / file;
      fs::remove(made);
      MakeStemFile(stems_, stem, encoding, made);
      EXPECT_TRUE(ReadFile(made) == ReadFile(folder_ / "out" / file)) << file;
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "made"), {}),
              format.many_streams ? 1 : 4);
    fs::remove_all(folder_ / "made");
  }

  std::vector<std::pair<std::string, std::string>> Entries(const fs::path& archive) {
    std::vector<std::pair<std::string, std::string>> entries;
    zip_t* zip = zip_open(archive.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, nullptr);
    for (zip_int64_t i = 0; i < zip_get_num_entries(zip, 0); ++i) {
      zip_stat_t entry;
      EXPECT_EQ(zip_stat_index(zip, static_cast<zip_uint64_t>(i), 0, &entry), 0);
      EXPECT_EQ(entry.comp_method, ZIP_CM_STORE);
      std::string bytes(entry.size, '\0');
      zip_file_t* file = zip_fopen_index(zip, static_cast<zip_uint64_t>(i), 0);
      EXPECT_EQ(zip_fread(file, bytes.data(), bytes.size()), static_cast<int>(bytes.size()));
      zip_fclose(file);
      entries.emplace_back(entry.name, std::move(bytes));
    }
    zip_discard(zip);
    return entries;
  }

  testing::TemporaryFolder folder_;
  SeparatedStems stems_;
};

TEST_F(StemFiles, AreThoseOfSeparateInEveryFormat) {
  for (const FormatRow& row : FormatTable()) {
    if (std::string(row.name) != "wav" && !testing::HasLibavModule() && row.lossy()) continue;
    ExpectEqual({.format = row.name}, "");
    for (const SampleFormat format : row.sample_formats)
      ExpectEqual({.format = row.name, .sample_format = format},
                  std::string("--bits ") + SampleFormatName(format));
  }
  ExpectEqual({.format = "mp3", .bit_rate = 192000}, "--bitrate 192");
}

TEST_F(StemFiles, AreThoseOfSeparateForSongsOfOtherRatesChannelsAndFormats) {
  Separate({.format = "mp3", .tags = {{"title", "Tön"}}}, 22050, 1);
  ExpectEqual({.format = "opus"}, "");
  ExpectEqual({.format = "stem.mp4"}, "");
  Separate({.channel_mask = 0x3f}, 48000, 6);
  ExpectEqual({.format = "flac"}, "");
  ExpectEqual({.sample_format = SampleFormat::kFloat32}, "--bits 32f");
  if (testing::HasLibavModule()) ExpectEqual({.format = "m4a"}, "");
}

TEST_F(StemFiles, ThatAreThereStayAsTheyAre) {
  WriteFileAtomically(folder_ / "bass.flac", "kept");
  MakeStemFile(stems_, "bass", {.format = "flac"}, folder_ / "bass.flac");
  MakeZip(stems_, "Song", {.format = "flac"}, folder_ / "bass.flac");
  EXPECT_EQ(ReadFile(folder_ / "bass.flac"), "kept");
}

TEST_F(StemFiles, StoredStemsAreNotWrittenTwice) {
  const fs::path target = folder_ / "files" / "bass.wav";
  MakeStemFile(stems_, "bass", {.sample_format = SampleFormat::kFloat32}, target);
  EXPECT_TRUE(fs::equivalent(target, stems_.folder / "bass.wav"));
}

TEST_F(StemFiles, ZipHoldsThemAll) {
  for (const EncodeOptions& encoding :
       {EncodeOptions{.format = "flac", .sample_format = SampleFormat::kInt24},
        EncodeOptions{.format = "wav", .sample_format = SampleFormat::kFloat32}}) {
    const std::string ending = FindFormat(encoding.format).ending;
    MakeZip(stems_, "Tön/..", encoding, folder_ / "a.zip");
    const auto entries = Entries(folder_ / "a.zip");
    ASSERT_EQ(entries.size(), 4u);
    for (std::size_t s = 0; s < 4; ++s) {
      const std::string file = stems_.names[s] + ending;
      EXPECT_EQ(entries[s].first, "Tön_../" + file);
      MakeStemFile(stems_, stems_.names[s], encoding, folder_ / "made" / file);
      EXPECT_TRUE(entries[s].second == ReadFile(folder_ / "made" / file)) << file;
    }
    // Once more, later and elsewhere, the same bytes; and nothing else is left.
    MakeZip(stems_, "Tön/..", encoding, folder_ / "zips" / "b.zip");
    EXPECT_TRUE(ReadFile(folder_ / "a.zip") == ReadFile(folder_ / "zips" / "b.zip"));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "zips"), {}), 1);
    fs::remove(folder_ / "a.zip");
    fs::remove_all(folder_ / "zips");
  }
}

TEST_F(StemFiles, SayWhatIsWrongAndLeaveNothing) {
  const fs::path out = folder_ / "files" / "x";
  const auto message = [&](const std::string& stem, const EncodeOptions& encoding) {
    return testing::MessageOf([&] { MakeStemFile(stems_, stem, encoding, out); });
  };
  EXPECT_THAT(message("../bass", {}), HasSubstr("the song has no stem '../bass'"));
  EXPECT_THAT(message("bass", {.format = "flak"}), HasSubstr("did you mean 'flac'?"));
  EXPECT_THAT(message("bass", {.format = "flac", .sample_format = SampleFormat::kFloat32}),
              HasSubstr("flac holds no samples of 32f"));
  EXPECT_THAT(testing::MessageOf([&] { MakeZip(stems_, "", {.format = "stem.mp4"}, out); }),
              HasSubstr("all stems in one file"));
  fs::remove(stems_.folder / "bass.wav");
  EXPECT_THAT(message("bass", {.format = "flac"}), HasSubstr("no such file"));
  EXPECT_THAT(testing::MessageOf([&] {
                MakeZip(stems_, "", {.sample_format = SampleFormat::kFloat32}, out);
              }),
              HasSubstr("cannot write the archive"));
  stems_.names = {"drums", "vocals"};
  EXPECT_THAT(message("", {.format = "stem.mp4"}), HasSubstr("exactly 4 stems"));
  EXPECT_FALSE(fs::exists(out));
  EXPECT_TRUE(!fs::exists(out.parent_path()) || fs::is_empty(out.parent_path()));
  WriteAudio(stems_.song, AudioBuffer(1, 1000), 8000, {.format = "flac"});
  EXPECT_THAT(message("drums", {.format = "flac"}), HasSubstr("a stem of another song"));
}

TEST_F(StemFiles, AreMadeByOrdersThatAreTexts) {
  StemFileOrder order{.stems = stems_,
                      .stem = "bass",
                      .title = "",
                      .encoding = {.format = "flac", .sample_format = SampleFormat::kInt24},
                      .target = folder_ / "ordered.flac"};
  StemFileOrder::FromText(order.ToText()).Make();
  MakeStemFile(stems_, "bass", order.encoding, folder_ / "asked.flac");
  EXPECT_EQ(ReadFile(folder_ / "ordered.flac"), ReadFile(folder_ / "asked.flac"));
  // The song itself, whatever it was stored as.
  order.stem = kMixture;
  order.encoding = {.format = "wav", .sample_format = SampleFormat::kFloat32};
  order.target = folder_ / "mixture.wav";
  StemFileOrder::FromText(order.ToText()).Make();
  const AudioBuffer made = ReadAll(*OpenAudio(order.target));
  const AudioBuffer song = ReadAll(*OpenAudio(stems_.song));
  EXPECT_TRUE(std::ranges::equal(made.samples(), song.samples()));
  EXPECT_THROW(StemFileOrder::FromText("{}"), Error);
  EXPECT_THROW(StemFileOrder::FromText(""), Error);
}

TEST_F(StemFiles, LeaveNothingWhereTheDiskTakesNoMore) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 50'000;  // a stem has 160000 bytes
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const EncodeOptions wav, floats{.sample_format = SampleFormat::kFloat32};
  const fs::path target = folder_ / "files" / "x";
  const std::string messages[] = {
      testing::MessageOf([&] { MakeStemFile(stems_, "bass", wav, target); }),
      testing::MessageOf([&] { MakeZip(stems_, "", wav, target); }),
      testing::MessageOf([&] { MakeZip(stems_, "", floats, target); })};
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  for (const std::string& message : messages) {
    EXPECT_THAT(message, HasSubstr("cannot write"));
    EXPECT_THAT(message, HasSubstr("File too large"));
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "files"));
}

TEST(FileMaker, MakesAFileOnceForAllWhoAsk) {
  std::atomic<int> made = 0, now = 0, most = 0, heard = 0;
  {
    FileMaker maker(2);
    std::promise<void> go;
    const std::shared_future<void> start = go.get_future().share();
    for (int i = 0; i < 50; ++i) {
      maker.Make(
          std::to_string(i % 5),
          [&] {
            start.wait();
            most = std::max(most.load(), ++now);
            ++made;
            --now;
          },
          [&](std::exception_ptr failure) { heard += failure == nullptr ? 1 : 0; });
    }
    go.set_value();
    std::promise<void> last;
    maker.Make("last", [] {}, [&](std::exception_ptr) { last.set_value(); });
    last.get_future().wait();
  }
  EXPECT_EQ(made, 5);
  EXPECT_EQ(heard, 50);
  EXPECT_LE(most, 2);
}

TEST(FileMaker, TellsEveryoneWhatWentWrongAndTriesAgainLater) {
  FileMaker maker(1);
  const auto ask = [&](std::function<void()> make) {
    std::promise<std::exception_ptr> promise;
    maker.Make("a", std::move(make),
               [&](std::exception_ptr failure) { promise.set_value(failure); });
    return promise.get_future().get();
  };
  EXPECT_THROW(std::rethrow_exception(ask([] { throw std::runtime_error("disk full"); })),
               std::runtime_error);
  EXPECT_EQ(ask([] {}), nullptr);
}

TEST(FileMaker, AtItsEndThoseWhoWaitAreTold) {
  std::promise<void> begun;
  std::vector<std::string> heard;
  {
    FileMaker maker(1);
    std::promise<void> go;
    maker.Make(
        "a", [&] { begun.set_value(), std::this_thread::sleep_for(std::chrono::milliseconds(50)); },
        [&](std::exception_ptr failure) { heard.push_back(failure ? "failed" : "made"); });
    begun.get_future().wait();
    maker.Make("b", [] {}, [&](std::exception_ptr failure) {
      heard.push_back(testing::MessageOf([&] { std::rethrow_exception(failure); }));
    });
  }
  EXPECT_THAT(heard, ElementsAre("made", HasSubstr("as the server stops (b)")));
}

}  // namespace
}  // namespace stemsmith
