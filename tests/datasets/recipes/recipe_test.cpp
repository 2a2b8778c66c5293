#include "datasets/recipes/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MessageOf;

Track Song(const std::string& name, const std::vector<std::string>& sources) {
  Track track;
  track.name = name;
  track.split = "train";
  for (const std::string& source : sources)
    track.sources.push_back({source, source + ".wav", 0, {}});
  return track;
}

// "drums=a+b(-3) rest=c": targets with their sources and gains.
std::string Applied(const Recipe& recipe, const Track& track) {
  const TrackMix mix = ApplyRecipe(recipe, track);
  std::string text;
  for (std::size_t t = 0; t < mix.size(); ++t) {
    text += (t == 0 ? "" : " ") + recipe.targets[t].name + "=";
    for (std::size_t p = 0; p < mix[t].size(); ++p) {
      text += (p == 0 ? "" : "+") + track.sources[mix[t][p].source].name;
      if (mix[t][p].gain_db != 0) text += "(" + std::to_string(int(mix[t][p].gain_db)) + ")";
    }
  }
  return text;
}

TEST(Recipe, SumsWhatIsLeftIntoRest) {
  const Recipe recipe = ParseRecipe("stems: {drums: drums, accompaniment: rest}", "r.yaml");
  EXPECT_THAT(recipe.stems(), ElementsAre("drums", "accompaniment"));
  EXPECT_EQ(Applied(recipe, Song("s", {"bass", "drums", "other", "vocals"})),
            "drums=drums accompaniment=bass+other+vocals");
}

TEST(Recipe, TakesListsGlobsAndGains) {
  const Recipe recipe = ParseRecipe(
      "stems:\n"
      "  keys: [piano, {source: 'synth*', gain_db: -3}]\n"
      "  voices: {source: [lead, 'backing ?'], gain_db: 2}\n"
      "  rest of it: {source: rest, gain_db: -1}\n",
      "r.yaml");
  EXPECT_EQ(
      Applied(recipe, Song("s", {"backing 1", "kick", "lead", "piano", "synth a", "synth b"})),
      "keys=piano+synth a(-3)+synth b(-3) voices=backing 1(2)+lead(2) rest of it=kick(-1)");
}

TEST(Recipe, NamesSongAndSourceThatTwoStemsClaim) {
  const Recipe recipe = ParseRecipe("stems: {a: 'dr*', b: drums}", "r.yaml");
  EXPECT_THAT(MessageOf([&] { ApplyRecipe(recipe, Song("my song", {"drums"})); }),
              AllOf(HasSubstr("\"drums\" is claimed by two stems: a and b"), HasSubstr("my song")));
}

TEST(Recipe, NamesSongAndSourceThatNoStemClaims) {
  const Recipe recipe = ParseRecipe("stems: {drums: drums}", "r.yaml");
  EXPECT_THAT(
      MessageOf([&] {
        ApplyRecipe(recipe, Song("my song", {"drums", "bass"}));
      }),
      AllOf(HasSubstr("\"bass\" belongs to no stem"), HasSubstr("my song"), HasSubstr("r.yaml")));
}

TEST(Recipe, NamesSongAndStemThatIsMissing) {
  const Recipe recipe = ParseRecipe("stems: {drums: drums, o: rest}", "r.yaml");
  EXPECT_THAT(
      MessageOf([&] { ApplyRecipe(recipe, Song("my song", {"bass"})); }),
      AllOf(HasSubstr("\"drums\" is missing"), HasSubstr("my song"), HasSubstr("has bass")));
  EXPECT_THAT(MessageOf([&] { ApplyRecipe(recipe, Song("my song", {"drums"})); }),
              HasSubstr("nothing is there for the stem \"o\""));
  const Recipe glob = ParseRecipe("stems: {d: 'drum*', o: rest}", "r.yaml");
  EXPECT_THAT(MessageOf([&] { ApplyRecipe(glob, Song("my song", {"bass"})); }),
              HasSubstr("nothing is there for the stem \"d\""));
}

TEST(Recipe, OptionalStemsAreSilentWhereASongLacksThem) {
  const Recipe recipe =
      ParseRecipe("stems: {piano: {source: piano, optional: silence}, o: rest}", "r.yaml");
  EXPECT_EQ(Applied(recipe, Song("s", {"bass"})), "piano= o=bass");
  EXPECT_EQ(Applied(recipe, Song("s", {"bass", "piano"})), "piano=piano o=bass");
}

TEST(Recipe, GivesASongsOwnProblemFirst) {
  Track song = Song("s", {"drums"});
  song.problem = Error::Input("two files", "x");
  const Recipe recipe = ParseRecipe("stems: {drums: drums}", "r.yaml");
  EXPECT_THAT(MessageOf([&] { ApplyRecipe(recipe, song); }), HasSubstr("two files"));
}

TEST(Recipe, DefaultMakesEverySourceAStemInTheUsualOrder) {
  const std::vector<Track> songs = {Song("a", {"bass", "banjo", "drums", "other", "vocals"}),
                                    Song("b", {"bass", "banjo", "drums", "other", "vocals"})};
  EXPECT_THAT(DefaultRecipe(songs).stems(),
              ElementsAre("drums", "bass", "other", "vocals", "banjo"));
}

TEST(Recipe, DefaultNamesTheSongThatLacksAStemOrHasAStrayOne) {
  const std::vector<Track> songs = {Song("a", {"bass", "drums"}), Song("b", {"bass", "drums"}),
                                    Song("c", {"drums"}), Song("d", {"bass", "click", "drums"}),
                                    Song("e", {"bass", "drums"})};
  const Recipe recipe = DefaultRecipe(songs);
  EXPECT_THAT(recipe.stems(), ElementsAre("drums", "bass"));
  EXPECT_EQ(Applied(recipe, songs[0]), "drums=drums bass=bass");
  EXPECT_THAT(MessageOf([&] { ApplyRecipe(recipe, songs[2]); }),
              AllOf(HasSubstr("\"bass\" is missing"), HasSubstr("song \"c\"")));
  EXPECT_THAT(MessageOf([&] { ApplyRecipe(recipe, songs[3]); }),
              AllOf(HasSubstr("\"click\" belongs to no stem"), HasSubstr("song \"d\"")));
}

TEST(Recipe, DefaultTakesNamesThatLookLikeGlobsAsTheyAre) {
  const std::vector<Track> songs = {Song("a", {"gtr[1]", "gtr1", "rest"})};
  EXPECT_EQ(Applied(DefaultRecipe(songs), songs[0]), "gtr1=gtr1 gtr[1]=gtr[1] rest=rest");
}

TEST(Recipe, RefusesWhatIsWrongWithFileAndLine) {
  const auto refuse = [](const std::string& text) {
    return MessageOf([&] { ParseRecipe(text, "r.yaml"); });
  };
  EXPECT_THAT(
      refuse("stems: {a: rest}\nmixtur: sum\n"),
      AllOf(HasSubstr("unknown key 'mixtur'"), HasSubstr("r.yaml:2"), HasSubstr("'mixture'")));
  EXPECT_THAT(refuse("stems: {a: rest, b: rest}"), HasSubstr("`rest` stands twice"));
  EXPECT_THAT(refuse("stems:\n  a: x\n  mix: y\n"),
              AllOf(HasSubstr("'mix'"), HasSubstr("r.yaml:3")));
  EXPECT_THAT(refuse("stems: {a: {source: x, gain_db: loud}}"), HasSubstr("must be a number"));
  EXPECT_THAT(refuse("stems: {a: {source: x, gain: 3}}"), HasSubstr("unknown key 'gain'"));
  EXPECT_THAT(refuse("stems: {a: {gain_db: 3}}"), HasSubstr("'source' is missing"));
  EXPECT_THAT(refuse("stems: {a: []}"), HasSubstr("no sources"));
  EXPECT_THAT(refuse("stems: {}"), HasSubstr("no stems"));
  EXPECT_THAT(refuse("stems: drums"), HasSubstr("must be a map"));
  EXPECT_THAT(refuse("{}"), HasSubstr("'stems' is missing"));
  EXPECT_THAT(refuse("stems: {a/b: x}"), HasSubstr("cannot be called"));
  EXPECT_THAT(refuse("stems: {a: x}\nmixture: loud\n"), HasSubstr("cannot be 'loud'"));
  EXPECT_THAT(refuse("stems: {a: x}\nmixture: recorded\n"), HasSubstr("write `residual: STEM`"));
  EXPECT_THAT(refuse("stems: {a: x}\nmixture: recorded\nresidual: mix\n"),
              HasSubstr("cannot be called 'mix'"));
  EXPECT_THAT(refuse("stems: {a: x}\nresidual: b\n"), HasSubstr("unknown key 'residual'"));
}

// As slakh describes its stems.
Track SlakhSong() {
  Track track = Song("Track00001", {"S00", "S01", "S02", "S03"});
  const auto describe = [&](int source, const char* inst_class, const char* program,
                            const char* is_drum, const char* plugin) {
    track.sources[source].attributes = {
        {"inst_class", inst_class}, {"program", program}, {"is_drum", is_drum}, {"plugin", plugin}};
  };
  describe(0, "Guitar", "30", "false", "elektrik_guitar.nkm");
  describe(1, "Bass", "33", "false", "scarbee_mm_bass.nkm");
  describe(2, "Drums", "128", "true", "jazz_kit.nkm");
  describe(3, "Strings (continued)", "48", "false", "strings.nkm");
  return track;
}

TEST(Recipe, SelectsByAttribute) {
  const auto applied = [](const std::string& entry) {
    return Applied(
        ParseRecipe("stems: {a: " + entry + ", b: {source: rest, optional: silence}}", "r.yaml"),
        SlakhSong());
  };
  EXPECT_EQ(applied("{inst_class: Drums}"), "a=S02 b=S00+S01+S03");
  EXPECT_EQ(applied("{inst_class: 'strings*', gain_db: -6}"), "a=S03(-6) b=S00+S01+S02");
  EXPECT_EQ(applied("{inst_class: [Guitar, Bass]}"), "a=S00+S01 b=S02+S03");
  EXPECT_EQ(applied("{program: 32-39}"), "a=S01 b=S00+S02+S03");
  EXPECT_EQ(applied("{program: [24-31, 48]}"), "a=S00+S03 b=S01+S02");
  EXPECT_EQ(applied("{program: 128}"), "a=S02 b=S00+S01+S03");
  EXPECT_EQ(applied("{is_drum: true}"), "a=S02 b=S00+S01+S03");
  EXPECT_EQ(applied("{is_drum: false}"), "a=S00+S01+S03 b=S02");
  EXPECT_EQ(applied("{plugin: '*_bass.nkm'}"), "a=S01 b=S00+S02+S03");
  EXPECT_EQ(applied("{inst_class: [Bass, Guitar], program: 0-31}"), "a=S00 b=S01+S02+S03");
  EXPECT_EQ(applied("[{is_drum: true}, S03]"), "a=S02+S03 b=S00+S01");
  EXPECT_EQ(applied("{inst_class: Organ, optional: silence}"), "a= b=S00+S01+S02+S03");
  EXPECT_THAT(MessageOf([&] { applied("{inst_class: Organ}"); }),
              HasSubstr("nothing is there for the stem \"a\""));
}

TEST(Recipe, SourcesWithoutAttributesAreSelectedByNone) {
  const Recipe recipe =
      ParseRecipe("stems: {a: {is_drum: false, optional: silence}, b: rest}", "r.yaml");
  EXPECT_EQ(Applied(recipe, Song("s", {"drums"})), "a= b=drums");
}

TEST(Recipe, DescribesSourcesThatTwoStemsOrNoneClaim) {
  const auto message = [](const std::string& text) {
    return MessageOf([&] { ApplyRecipe(ParseRecipe(text, "r.yaml"), SlakhSong()); });
  };
  EXPECT_THAT(message("stems: {a: {program: 30}, b: {inst_class: Guitar}, c: rest}"),
              AllOf(HasSubstr("\"S00\" (Guitar, program 30) is claimed by two stems: a and b"),
                    HasSubstr("Track00001")));
  EXPECT_THAT(message("stems: {a: {inst_class: [Guitar, Bass, Drums]}}"),
              AllOf(HasSubstr("\"S03\" (Strings (continued), program 48) belongs to no stem"),
                    HasSubstr("Track00001")));
}

TEST(Recipe, RefusesAttributesThatAreWrongWithFileAndLine) {
  const auto refuse = [](const std::string& entry) {
    return MessageOf([&] { ParseRecipe("stems:\n  a: " + entry + "\n", "r.yaml"); });
  };
  for (const char* program : {"39-32", "x", "1-", "-3", "129", "32 39", "'1 - 2 '", "1.5", "''"}) {
    EXPECT_THAT(refuse("{program: " + std::string(program) + "}"),
                AllOf(HasSubstr("'program' must be a number or a range"), HasSubstr("r.yaml:2")))
        << program;
  }
  EXPECT_THAT(refuse("{is_drum: maybe}"), HasSubstr("must be true or false"));
  EXPECT_THAT(refuse("{inst_class: Bass, source: x}"), HasSubstr("not by both"));
  EXPECT_THAT(refuse("{inst_clas: Bass}"), HasSubstr("r.yaml:2"));
}

TEST(Recipe, SaysWhichChannelsAreTakenPerSplit) {
  const auto channels = [](const std::string& value) {
    return ParseRecipe("stems: {a: rest}\nchannels: " + value, "r.yaml").source_channels;
  };
  EXPECT_EQ(channels("mono").Of("test"), SourceChannels::kMono);
  EXPECT_TRUE(channels("mono").AllOne());
  const SplitChannels split = channels("{train: left, valid: right}");
  EXPECT_EQ(split.Of("train"), SourceChannels::kLeft);
  EXPECT_EQ(split.Of("valid"), SourceChannels::kRight);
  EXPECT_EQ(split.Of("test"), SourceChannels::kStereo);
  EXPECT_FALSE(split.AllOne());
  EXPECT_THAT(MessageOf([&] { channels("middle"); }), HasSubstr("cannot be 'middle'"));
  EXPECT_THAT(MessageOf([&] { channels("{trian: left}"); }), HasSubstr("unknown key 'trian'"));
}

TEST(Recipe, TheOneShippedForSlakhIsSilentWhereASongLacksAStem) {
  const Recipe recipe =
      LoadRecipe(STEMSMITH_SOURCE_DIR "/configs/recipes/slakh-bass-drums-guitar-piano-rest.yaml");
  EXPECT_EQ(Applied(recipe, SlakhSong()), "bass=S01 drums=S02 guitar=S00 piano= rest=S03");
}

TEST(Recipe, DefaultMakesEveryClassOfInstrumentAStem) {
  const Recipe recipe = DefaultRecipe({SlakhSong(), SlakhSong()});
  EXPECT_THAT(recipe.stems(), ElementsAre("Bass", "Drums", "Guitar", "Strings (continued)"));
  EXPECT_EQ(Applied(recipe, SlakhSong()), "Bass=S01 Drums=S02 Guitar=S00 Strings (continued)=S03");
}

TEST(Recipe, TheOnesShippedCoverTheFourUsualStems) {
  const Track song = Song("s", {"bass", "drums", "other", "vocals"});
  const auto applied = [&](const std::string& name) {
    return Applied(LoadRecipe(STEMSMITH_SOURCE_DIR "/configs/recipes/" + name + ".yaml"), song);
  };
  EXPECT_EQ(applied("musdb4"), "drums=drums bass=bass other=other vocals=vocals");
  EXPECT_EQ(applied("vocals-accompaniment"), "vocals=vocals accompaniment=bass+drums+other");
  EXPECT_EQ(applied("drums-accompaniment"), "drums=drums accompaniment=bass+other+vocals");
}

TEST(Recipe, TheOnesShippedTakeGuitarsAndSlakhsDrums) {
  const auto applied = [](const std::string& name, const Track& song) {
    return Applied(LoadRecipe(STEMSMITH_SOURCE_DIR "/configs/recipes/" + name + ".yaml"), song);
  };
  EXPECT_EQ(applied("six-stems", Song("s", {"bass", "drums", "guitar", "strings", "vocals"})),
            "drums=drums bass=bass other=strings vocals=vocals guitar=guitar piano=");
  EXPECT_EQ(applied("drum-kit", Song("s", {"kick", "snare", "hh"})),
            "kick=kick snare=snare toms= hh=hh ride= crash=");
  EXPECT_EQ(applied("slakh-drums-accompaniment", SlakhSong()),
            "drums=S02 accompaniment=S00+S01+S03");
}

}  // namespace
}  // namespace stemsmith
