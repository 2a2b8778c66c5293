// Which stream of a .stem.mp4 is which stem: the file's own names against the order.
#include "datasets/readers/stem_streams.h"

#include <cstring>

#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

using Titles = std::vector<std::string>;

// "mixture:0 drums:1 …", or the error's text.
std::string Streams(const Titles& titles, const Titles& atom = {}) {
  try {
    const StemStreams streams = NameStreams(titles, atom, "song.stem.mp4");
    std::string text = "mixture:" + std::to_string(streams.mixture);
    for (const StemStreams::Stem& stem : streams.stems) {
      text += " " + stem.name + ":" + std::to_string(stem.stream);
    }
    return text;
  } catch (const Error& error) {
    return error.what();
  }
}

constexpr char kMusdb[] = "mixture:0 drums:1 bass:2 other:3 vocals:4";

TEST(StemStreams, NamesThatAreStemNamesDecide) {
  EXPECT_EQ(Streams({"Mix", "Vocals", "Drums", "Bass", "Other"}),
            "mixture:0 vocals:1 drums:2 bass:3 other:4");
  EXPECT_EQ(Streams({"MIXTURE", "other", "Vox", "drum", "bass"}),
            "mixture:0 other:1 vocals:2 drums:3 bass:4");
  EXPECT_EQ(Streams({"drums", "bass", "other", "vocals", "mixture"}),
            "mixture:4 drums:0 bass:1 other:2 vocals:3");
  EXPECT_EQ(Streams({"Master", "Stem 1: Guitar", "02 - Piano"}), "mixture:0 guitar:1 piano:2");
  EXPECT_EQ(Streams({"vocals", "accompaniment"}), "mixture:-1 vocals:0 accompaniment:1");
  // As MP4Box and other tools mark what they import.
  EXPECT_EQ(Streams({"mix.m4a@GPAC1.0.1", "bass.m4a#audio", "drums.wav", "vocals@GPAC", "other"}),
            "mixture:0 bass:1 drums:2 vocals:3 other:4");
  EXPECT_EQ(Streams({"", "", "", "", ""}, {"Vocals", "Drums", "Bass", "Other"}),
            "mixture:0 vocals:1 drums:2 bass:3 other:4");
}

TEST(StemStreams, NamesThatSayNothingFallBackToTheOrder) {
  EXPECT_EQ(Streams({"", "", "", "", ""}), kMusdb);
  EXPECT_EQ(Streams(Titles(5, "SoundHandler")), kMusdb);
  EXPECT_EQ(Streams({"Audio", "Stem 1", "Stem 2", "Stem 3", "Stem 4"}), kMusdb);
  EXPECT_EQ(Streams({"Master", "Track 2", "3", "Stereo", "Apple Sound Media Handler"}), kMusdb);
  EXPECT_EQ(Streams(Titles(5, "A Classic Education - NightOwl")), kMusdb);
  EXPECT_EQ(Streams({"0.m4a@GPAC0.8", "1.m4a@GPAC0.8", "2.m4a@GPAC0.8", "3.m4a", "4.m4a"}), kMusdb);
  // As MUSDB18 itself is published.
  EXPECT_EQ(Streams(Titles(5, ""), {"Drums", "Bass", "Other", "Vox"}), kMusdb);
  EXPECT_EQ(Streams({"Mixture", "", "Bass", "Stem 3", "Vocals"}), kMusdb);
  EXPECT_EQ(Streams(Titles(5, ""), {"Stem 1", "Stem 2", "Stem 3", "Stem 4"}), kMusdb);
}

TEST(StemStreams, ContradictionsAreErrors) {
  EXPECT_THAT(Streams({"Mix", "Drums", "Drums", "Bass", "Vocals"}),
              AllOf(HasSubstr("streams 1 and 2 are both called \"drums\""),
                    HasSubstr("song.stem.mp4"), HasSubstr("title=drums")));
  EXPECT_THAT(Streams({"Mix", "Drums", "Bass", "Kazoo", "Vocals"}),
              HasSubstr("no stem's: \"Kazoo\""));
  EXPECT_THAT(Streams({"Mix", "Alpha", "Beta", "Gamma", "Delta"}),
              HasSubstr("no stem's: \"Alpha\""));
  EXPECT_THAT(Streams({"Mix", "Vocals", "", "", ""}),
              AllOf(HasSubstr("stream 4 has no name"), HasSubstr("\"vocals\"")));
  EXPECT_THAT(
      Streams({"", "Drums", "Bass", "Other", "Vocals"}, {"Vocals", "Bass", "Other", "Drums"}),
      AllOf(HasSubstr("stream 1 is titled \"Drums\""), HasSubstr("calls it \"Vocals\"")));
  EXPECT_THAT(Streams({"", "", "", ""}, {"Drums", "Bass", "Other", "Vox"}),
              HasSubstr("names 4 stems"));
  EXPECT_THAT(Streams({"", "", "", "", "Mix"}), HasSubstr("stream 4 is titled as the mixture"));
  EXPECT_THAT(Streams(Titles(5, ""), {"Drums", "Drums", "Other", "Vox"}), HasSubstr("both called"));
}

class StemAtom : public DatasetFixture {
 protected:
  StemAtom() : DatasetFixture("musdb18") {}
  static std::string Atom(const std::string& type, const std::string& content) {
    const auto size = static_cast<std::uint32_t>(content.size() + 8);
    std::string text;
    for (const int shift : {24, 16, 8, 0}) text += static_cast<char>(size >> shift & 0xFF);
    return text + type + content;
  }
  Titles Read(const std::string& bytes) {
    Text("a.stem.mp4", bytes);
    return ReadStemAtom(root_ / "a.stem.mp4");
  }
};

TEST_F(StemAtom, GivesTheNamesOfItsStems) {
  const std::string json = R"({"version": 1, "stems": [{"color": "#1", "name": "Drums"},
      {"name": "Vox"}, {"color": "x"}]})";
  const std::string moov = Atom("moov", Atom("mvhd", std::string(100, 'x')) +
                                            Atom("udta", Atom("meta", "") + Atom("stem", json)));
  EXPECT_THAT(Read(Atom("ftyp", "M4A ") + moov), ElementsAre("Drums", "Vox", ""));
  EXPECT_THAT(Read(Atom("mdat", std::string(5000, 'x')) + moov), ElementsAre("Drums", "Vox", ""));
  // An atom whose size is written in 64 bits.
  std::string wide("\0\0\0\1mdat\0\0\0\0\0\0\0\x14xxxx", 20);
  EXPECT_THAT(Read(wide + moov), ElementsAre("Drums", "Vox", ""));
}

TEST_F(StemAtom, OfGarbageIsNone) {
  const std::string json = R"({"stems": [{"name": "Drums"}]})";
  const auto in_udta = [](const std::string& text) {
    return Atom("moov", Atom("udta", Atom("stem", text)));
  };
  ASSERT_THAT(Read(in_udta(json)), ElementsAre("Drums"));
  for (const std::string bad :
       {"", "{", "[]", "3", "{\"stems\": 3}", "{\"stems\": {}}", "\xFF\xFE", "null"}) {
    EXPECT_THAT(Read(in_udta(bad)), IsEmpty()) << bad;
  }
  EXPECT_THAT(Read(""), IsEmpty());
  EXPECT_THAT(Read("just text"), IsEmpty());
  EXPECT_THAT(Read(std::string(64, '\0')), IsEmpty());
  EXPECT_THAT(Read(std::string("\0\0\0\4moov", 8)), IsEmpty());          // smaller than its head
  EXPECT_THAT(Read(std::string("\xFF\xFF\xFF\xFFmoov", 8)), IsEmpty());  // larger than the file
  EXPECT_THAT(Read(Atom("moov", "\xFF\xFF\xFF\xFFudta")), IsEmpty());
  const std::string whole = in_udta(json);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(Read(whole.substr(0, size)), IsEmpty()) << size;
  }
  EXPECT_THAT(ReadStemAtom(root_ / "none"), IsEmpty());
}

class TitledStems : public StemAtom {
 protected:
  // Five streams of noise, titled by ffmpeg; an atom `stem` for what lies in `json`.
  void Song(const std::string& name, const std::vector<std::string>& metadata,
            const std::string& json = "") {
    fs::create_directories((root_ / name).parent_path());
    std::string command = "ffmpeg -nostdin -v error -y";
    for (int i = 0; i < 5; ++i) {
      command += " -f lavfi -i anoisesrc=d=0.5:a=0.2:r=44100:seed=" + std::to_string(i + 1);
    }
    for (int i = 0; i < 5; ++i) command += " -map " + std::to_string(i) + ":a";
    for (const std::string& tag : metadata) command += " -metadata:s:a:" + tag;
    const ProgramResult result =
        RunProgram(command + " -ac 2 -c:a aac -f mp4 '" + (root_ / name).string() + "'");
    ASSERT_EQ(result.status, 0) << result.err;
    if (json.empty()) return;
    // ffmpeg writes moov last: what is appended to it moves nothing.
    std::string bytes = ReadFile(root_ / name);
    const std::size_t moov = bytes.rfind("moov") - 4;
    const std::string grown =
        Atom("moov", bytes.substr(moov + 8) + Atom("udta", Atom("stem", json)));
    Text(name, bytes.substr(0, moov) + grown);
  }
  static std::string Sources(const Track& track) {
    std::string text = "mixture:" + std::to_string(track.mixture_stream);
    for (const SourceStem& source : track.sources) {
      text += " " + source.name + ":" + std::to_string(source.stream);
    }
    return text;
  }
};

TEST_F(TitledStems, AreReadByTheirTitlesHandlersAndAtoms) {
  if (!HaveFfmpegAndLibav()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  Song("train/a title.stem.mp4",
       {"0 title=Mix", "1 title=Vocals", "2 title=Drums", "3 title=Bass", "4 title=Other"});
  Song("train/b handler.stem.mp4", {"1 handler_name=Vocals", "2 handler_name=Drums",
                                    "3 handler_name=Bass", "4 handler_name=Other"});
  Song("train/c plain.stem.m4a", {});
  Song("train/d twice.stem.mp4", {"1 title=Drums", "2 title=Drums"});
  Song("train/e both.stem.mp4", {"1 title=Drums", "1 handler_name=Vocals"});
  const std::vector<Track> tracks = Scan();
  ASSERT_EQ(tracks.size(), 5u);
  EXPECT_EQ(Sources(tracks[0]), "mixture:0 vocals:1 drums:2 bass:3 other:4");
  EXPECT_EQ(Sources(tracks[1]), "mixture:0 vocals:1 drums:2 bass:3 other:4");
  EXPECT_EQ(Sources(tracks[2]), kMusdb);
  EXPECT_THAT(ProblemOf(tracks[3]), HasSubstr("both called \"drums\""));
  EXPECT_THAT(ProblemOf(tracks[4]), HasSubstr("its handler is called \"Vocals\""));
  fs::remove(root_ / "train/d twice.stem.mp4");
  fs::remove(root_ / "train/e both.stem.mp4");
  const PrepareResult result = Prepare();
  ASSERT_TRUE(result.failures.empty()) << result.failures[0].error.what();
  EXPECT_EQ(Stem("a title", "vocals"),
            Stem("c plain", "drums"));  // both the first after the mixture
  EXPECT_EQ(Stem("b handler", "other"), Stem("c plain", "vocals"));
}

TEST_F(TitledStems, AreReadByTheAtomOfNativeInstruments) {
  if (!HaveFfmpegAndLibav()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  const std::string json =
      R"({"stems": [{"name": "Vocals"}, {"name": "Drums"}, {"name": "Bass"}, {"name": "Other"}]})";
  Song("train/a.stem.mp4", {}, json);
  Song("train/b.stem.mp4", {"1 title=Drums"}, json);
  const std::vector<Track> tracks = Scan();
  EXPECT_EQ(Sources(tracks.at(0)), "mixture:0 vocals:1 drums:2 bass:3 other:4");
  EXPECT_THAT(ProblemOf(tracks.at(1)), HasSubstr("its atom `stem` calls it \"Vocals\""));
}

}  // namespace
}  // namespace stemsmith
