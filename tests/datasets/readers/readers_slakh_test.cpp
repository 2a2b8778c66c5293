// SLAKH2100. The metadata below is written after the published format: README.md and splits/ of
// github.com/ethman/slakh-utils.
#include "datasets/recipes/recipe.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
namespace fs = std::filesystem;

constexpr char kHead[] =
    "UUID: 1a81ae092884234f3264e2f45927f00a\n"
    "audio_dir: stems\n"
    "lmd_midi_dir: lmd_matched/O/O/H/TROOHTB128F931F9DF/1a81ae092884234f3264e2f45927f00a.mid\n"
    "midi_dir: MIDI\n"
    "normalization_factor: -13.0\n"
    "normalized: true\n"
    "overall_gain: 0.18270259567062658\n"
    "stems:\n";
constexpr char kTail[] = "target_peak: -1.0\n";

std::string StemText(const std::string& name, const std::string& inst_class, int program,
                     bool is_drum, const std::string& plugin, bool rendered = true) {
  return "  " + name + ":\n    audio_rendered: " + (rendered ? "true" : "false") +
         "\n    inst_class: " + inst_class + "\n    integrated_loudness: -12.82074180245363" +
         "\n    is_drum: " + (is_drum ? "true" : "false") +
         "\n    midi_program_name: Some Instrument\n    midi_saved: true\n    plugin_name: " +
         plugin + "\n    program_num: " + std::to_string(program) + "\n";
}

class Slakh : public DatasetFixture {
 protected:
  Slakh() : DatasetFixture("slakh") {}

  // Guitar, bass, drums, strings and a flute without audio.
  void Song(const std::string& folder) {
    Text(folder + "/metadata.yaml",
         kHead + StemText("S00", "Guitar", 30, false, "elektrik_guitar.nkm") +
             StemText("S01", "Bass", 33, false, "scarbee_rickenbacker_bass.nkm") +
             StemText("S02", "Drums", 128, true, "jazz_kit.nkm") +
             StemText("S03", "Pipe", 73, false, "None", false) +
             StemText("S04", "Strings (continued)", 48, false, "nylon.nkm") + kTail);
    for (const char* name : {"mix", "stems/S00", "stems/S01", "stems/S02", "stems/S04"}) {
      Touch(folder + "/" + name + ".flac");
    }
    Touch(folder + "/all_src.mid");
    Touch(folder + "/MIDI/S00.mid");
  }
  std::string ProblemWith(const std::string& metadata) {
    Song("train/Track00001");
    Song("train/Track00002");
    Text("train/Track00002/metadata.yaml", metadata);
    const std::vector<Track> tracks = Scan();
    EXPECT_EQ(ProblemOf(tracks.at(0)), "(no problem)");
    EXPECT_TRUE(!tracks[1].problem || tracks[1].problem->code() == ExitCode::kInputFailed);
    return ProblemOf(tracks.at(1));
  }
};

TEST_F(Slakh, ReadsStemsAndTheirAttributesFromTheMetadata) {
  Song("train/Track00001");
  Song("validation/Track01501");
  Song("test/Track01876");
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks),
              ElementsAre("test/Track01876", "train/Track00001", "valid/Track01501"));
  const Track& track = tracks[1];
  EXPECT_EQ(ProblemOf(track), "(no problem)");
  EXPECT_EQ(track.mixture, root_ / "train/Track00001/mix.flac");
  ASSERT_THAT(SourceNames(track), ElementsAre("S00", "S01", "S02", "S04"));  // S03 has no audio
  EXPECT_EQ(track.sources[0].path, root_ / "train/Track00001/stems/S00.flac");
  EXPECT_THAT(track.sources[0].attributes, Contains(Pair("inst_class", "Guitar")));
  EXPECT_THAT(track.sources[0].attributes, Contains(Pair("program", "30")));
  EXPECT_THAT(track.sources[0].attributes, Contains(Pair("is_drum", "false")));
  EXPECT_THAT(track.sources[0].attributes, Contains(Pair("plugin", "elektrik_guitar.nkm")));
  EXPECT_THAT(track.sources[2].attributes, Contains(Pair("is_drum", "true")));
}

TEST_F(Slakh, MetadataThatIsNoYamlOrLacksKeysIsTheErrorOfThatSong) {
  EXPECT_THAT(ProblemWith("stems: [\x01 {"),
              AllOf(HasSubstr("not valid YAML"), HasSubstr("Track00002/metadata.yaml:1")));
  EXPECT_THAT(ProblemWith("just words"), HasSubstr("no map of keys"));
  EXPECT_THAT(ProblemWith(""), HasSubstr("'stems' is missing"));
  EXPECT_THAT(ProblemWith("UUID: 1\n"), HasSubstr("'stems' is missing"));
  EXPECT_THAT(ProblemWith("stems: 3\n"), HasSubstr("no map of stems"));
  EXPECT_THAT(ProblemWith("stems: {S00: 3}\n"), HasSubstr("must be a map of keys"));
  EXPECT_THAT(ProblemWith(kHead + StemText("S00", "Guitar", 30, false, "x", false)),
              HasSubstr("no stem with audio"));
  EXPECT_THAT(ProblemWith(kHead + StemText("S09", "Guitar", 30, false, "x")),
              AllOf(HasSubstr("audio of stem S09 is missing"), HasSubstr("S09.flac")));
  fs::remove(root_ / "train/Track00002/metadata.yaml");
  EXPECT_THAT(ProblemOf(Scan().at(1)), HasSubstr("metadata.yaml is missing"));
}

// What the published metadata say, and what nobody needs to read them.
TEST_F(Slakh, FieldsThatNobodyNeedsMayBeMissingOrWrong) {
  const std::string whole = StemText("S00", "Guitar", 30, false, "x");
  const auto without = [&](const std::string& key) {
    std::string text = kHead + whole;
    const std::size_t begin = text.find(key), end = text.find('\n', begin) + 1;
    return text.erase(text.rfind('\n', begin) + 1, end - text.rfind('\n', begin) - 1);
  };
  for (const char* key :
       {"audio_dir", "UUID", "lmd_midi_dir", "midi_dir", "normalization_factor", "normalized",
        "overall_gain", "audio_rendered", "inst_class", "integrated_loudness", "is_drum",
        "midi_program_name", "midi_saved", "plugin_name", "program_num"}) {
    EXPECT_EQ(ProblemWith(without(key)), "(no problem)") << key;
  }
  for (const char* audio_dir :
       {"Volumes/data/manilow/generated_data/dataset3_last_file/Track00001/stems",
        "Track00002/stems", "/tmp", "..", "\"\"", "null"}) {
    EXPECT_EQ(ProblemWith(std::string("audio_dir: ") + audio_dir + "\nstems:\n" + whole),
              "(no problem)");
  }
  EXPECT_EQ(ProblemWith(std::string("overall_gain: .nan\nnormalized: maybe\nstems:\n") + whole),
            "(no problem)");
  fs::remove(root_ / "train/Track00002/mix.flac");
  fs::remove_all(root_ / "train/Track00002/MIDI");
  fs::remove(root_ / "train/Track00002/all_src.mid");
  const Track track = Scan().at(1);
  EXPECT_EQ(ProblemOf(track), "(no problem)");
  EXPECT_TRUE(track.mixture.empty());
}

TEST_F(Slakh, StemsInTheMetadataWithoutAudioArePassedOver) {
  const std::string no_word = "  S09:\n    inst_class: Pipe\n    program_num: 73\n";
  EXPECT_EQ(ProblemWith(kHead + StemText("S00", "Guitar", 30, false, "x") + no_word +
                        StemText("S08", "Pipe", 73, false, "None", false)),
            "(no problem)");
  EXPECT_THAT(SourceNames(Scan().at(1)), ElementsAre("S00"));
}

TEST_F(Slakh, DrumsAreKnownByTheirProgramWhereNothingElseSaysSo) {
  EXPECT_EQ(ProblemWith("stems:\n  S02: {program_num: 128}\n  S01: {inst_class: Bass}\n"),
            "(no problem)");
  const Track track = Scan().at(1);
  ASSERT_THAT(SourceNames(track), ElementsAre("S02", "S01"));
  EXPECT_EQ(*track.sources[0].Attribute("is_drum"), "true");
  EXPECT_EQ(*track.sources[1].Attribute("is_drum"), "false");
  EXPECT_EQ(track.sources[1].Attribute("program"), nullptr);
}

TEST_F(Slakh, PluginsMayBeMissingAndWavIsRead) {
  std::string text = kHead + StemText("S00", "Guitar", 30, false, "x");
  text.erase(text.find("    plugin_name"), std::string("    plugin_name: x\n").size());
  Text("Track00007/metadata.yaml", text);
  Touch("Track00007/stems/S00.wav");
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks), ElementsAre("train/Track00007"));
  EXPECT_EQ(ProblemOf(tracks[0]), "(no problem)");
  EXPECT_EQ(tracks[0].sources.at(0).path, root_ / "Track00007/stems/S00.wav");
}

// In the form of redux.json and splits_v2.json.
TEST_F(Slakh, TakesItsSplitsFromTheListsOfSlakhUtils) {
  for (const char* song : {"train/Track00001", "train/Track00026", "train/Track00003",
                           "train/Track00049", "validation/Track01501", "test/Track01876"}) {
    Song(song);
  }
  Text(
      "list.json",
      "{\n    \"Track00001\": {\n        \"action\": null\n    },\n"
      "    \"Track00003\": {\n        \"action\": \"move\",\n        \"source_split\": \"train\",\n"
      "        \"destination_split\": \"test\"\n    },\n"
      "    \"Track00026\": {\n        \"action\": \"move\",\n        \"source_split\": \"train\",\n"
      "        \"destination_split\": \"validation\"\n    },\n"
      "    \"Track00049\": {\n        \"action\": \"omit\",\n        \"source_split\": \"train\"\n"
      "    },\n"
      "    \"Track01501\": {\n        \"action\": null\n    },\n"
      "    \"Track01876\": {\n        \"action\": null\n    },\n"
      "    \"Track02000\": {\n        \"action\": null\n    }\n}\n");
  options_.splits = root_ / "list.json";
  EXPECT_THAT(Names(Scan()), ElementsAre("test/Track00003", "test/Track01876", "train/Track00001",
                                         "valid/Track00026", "valid/Track01501"));
  Text("list.json", "{\"Track00001\": {\"action\": \"mvoe\"}}");
  EXPECT_THAT(MessageOf([&] { Scan(); }),
              AllOf(HasSubstr("unknown action \"mvoe\""), HasSubstr("list.json:1")));
}

TEST_F(Slakh, KnowsTheOriginalSplitByNumberAndSongsThatWereOmitted) {
  Song("test/Track00003");
  Song("omitted/Track01875");
  Song("train/Track01876");
  Song("train/Track01500");
  EXPECT_THAT(Names(Scan()),
              ElementsAre("test/Track00003", "train/Track01500", "train/Track01876"));
  options_.splits = "original";
  EXPECT_THAT(Names(Scan()), ElementsAre("test/Track01876", "train/Track00003", "train/Track01500",
                                         "valid/Track01875"));
}

TEST_F(Slakh, PassesOverOtherFoldersAndLinksInCircles) {
  Song("train/Track00001");
  Touch("train/notes/metadata.yaml");
  Touch("train/Trackless/metadata.yaml");
  fs::create_directory_symlink(root_ / "train/Track00009", root_ / "train/Track00009");
  EXPECT_THAT(Names(Scan()), ElementsAre("train/Track00001"));
  fs::remove(root_ / "train/Track00001/stems/S01.flac");
  fs::create_symlink(root_ / "train/Track00001/stems/S01.flac",
                     root_ / "train/Track00001/stems/S01.flac");
  EXPECT_THAT(ProblemOf(Scan().at(0)), HasSubstr("S01"));
}

TEST_F(Slakh, SaysWhatItLookedForWhereThereIsNoSong) {
  Touch("train/song/drums.wav");
  EXPECT_THAT(MessageOf([&] { Scan(); }),
              AllOf(HasSubstr("no songs found"), HasSubstr("TrackNNNNN/metadata.yaml")));
}

TEST_F(Slakh, PreparesByTheRecipeThatIsShippedAndByClassWithoutOne) {
  Song("train/Track00001");
  std::uint64_t seed = 0;
  for (const char* stem : {"S00", "S01", "S02", "S04"}) {
    Audio(std::string("train/Track00001/stems/") + stem + ".flac", Noise(++seed, 5000, 1));
  }
  ASSERT_TRUE(Prepare(ReadFile(STEMSMITH_SOURCE_DIR
                               "/configs/recipes/slakh-bass-drums-guitar-piano-rest.yaml"))
                  .failures.empty());
  EXPECT_THAT(CacheReader(out_ / "cache.h5").stems(),
              ElementsAre("bass", "drums", "guitar", "piano", "rest"));
  EXPECT_EQ(CacheReader(out_ / "cache.h5").channels(), 1);
  EXPECT_EQ(Stem("Track00001", "guitar"), Samples(Noise(1, 5000, 1)));
  EXPECT_EQ(Stem("Track00001", "drums"), Samples(Noise(3, 5000, 1)));
  EXPECT_EQ(Stem("Track00001", "rest"), Samples(Noise(4, 5000, 1)));
  EXPECT_EQ(Stem("Track00001", "piano"), std::vector<float>(5000, 0.0f));
  ASSERT_TRUE(Prepare().failures.empty());
  EXPECT_THAT(CacheReader(out_ / "cache.h5").stems(),
              ElementsAre("Bass", "Drums", "Guitar", "Strings (continued)"));
  EXPECT_EQ(Stem("Track00001", "Bass").size(), 2u * 5000);  // stereo: mono is copied
}

}  // namespace
}  // namespace stemsmith
