// What recipes say of files: the mixture's name, what is left out, which audio stream. And what is
// said where a recipe, or the lack of one, makes a training meaningless.
#include "core/option.h"
#include "datasets/recipes/advice.h"
#include "datasets/recipes/recipe.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

class RecipeFiles : public DatasetFixture {
 protected:
  RecipeFiles() : DatasetFixture("folders") {}
  // The songs as a recipe sees them.
  std::vector<Track> Fitted(const std::string& recipe) {
    std::vector<Track> tracks = Scan();
    FitTracks(ParseRecipe(recipe, "r.yaml"), tracks);
    return tracks;
  }
  // "stem=source+source …" or the error of the first song.
  std::string Applied(const std::string& text) {
    const std::vector<Track> tracks = Fitted(text);
    const Recipe recipe = ParseRecipe(text, "r.yaml");
    try {
      const TrackMix mix = ApplyRecipe(recipe, tracks.at(0));
      std::string made;
      for (std::size_t t = 0; t < mix.size(); ++t) {
        made += (t == 0 ? "" : " ") + recipe.targets[t].name + "=";
        for (std::size_t p = 0; p < mix[t].size(); ++p) {
          made += (p == 0 ? "" : "+") + tracks[0].sources[mix[t][p].source].name;
        }
      }
      return made;
    } catch (const Error& error) {
      return error.what();
    }
  }
  std::vector<TrainingDoubt> Doubts(const std::string& text = "") {
    std::vector<Track> tracks = Scan();
    const Recipe recipe = text.empty() ? DefaultRecipe(tracks) : ParseRecipe(text, "r.yaml");
    FitTracks(recipe, tracks);
    return DoubtsAboutTraining(recipe, tracks);
  }
};

TEST_F(RecipeFiles, PatternsThatFitNothingAreNamed) {
  Touch("A/drums.wav");
  Touch("A/vocals.wav");
  Touch("A/mixture.wav");
  Touch("A/click.wav");
  Touch("B/drums.wav");
  Touch("B/vocals.wav");
  const auto whats = [&](const std::string& more) {
    std::string text;
    for (const TrainingDoubt& doubt : DoubtsAboutPatterns(
             ParseRecipe("stems: {vocals: vocals, other: rest}\n" + more, "r.yaml"), Scan()))
      text += doubt.what + "; " + doubt.advice + "\n";
    return text;
  };
  // One song is enough, the file's name with its ending counts, and what the reader took.
  EXPECT_EQ(whats("ignore: [click, '*.wav']\nmixture_file: mix*\n"), "");
  EXPECT_EQ(whats("ignore: [clik, 'guide*']\nmixture_file: ['* bounce', mixture.wav]\n"),
            "`ignore: \"clik\"` in r.yaml fits no file of any song; did you mean \"click\"? Else "
            "correct the name, or remove it from the recipe\n"
            "`ignore: \"guide*\"` in r.yaml fits no file of any song; correct the name, or remove "
            "it from the recipe\n"
            "`mixture_file: \"* bounce\"` in r.yaml fits no file of any song; correct the name, or "
            "remove it from the recipe\n");
}

TEST_F(RecipeFiles, NameTheMixtureAndWhatIsLeftOut) {
  Touch("A/A - drums.wav");
  Touch("A/A - vocals.wav");
  Touch("A/A - mixture.wav");
  Touch("A/A - click track.wav");
  const std::string stems = "stems: {drums: '* - drums', vocals: '* - vocals'}\n";
  EXPECT_EQ(Applied(stems + "mixture_file: '* - mixture'\nignore: ['*click*']\n"),
            "drums=A - drums vocals=A - vocals");
  EXPECT_EQ(Fitted(stems + "mixture_file: '* - mixture'\n").at(0).mixture,
            root_ / "A/A - mixture.wav");
  EXPECT_EQ(Applied(stems + "ignore: ['A - mixture', '*click*']\n"),
            "drums=A - drums vocals=A - vocals");
  EXPECT_EQ(Applied("stems: {drums: '* - drums', other: rest}\nignore: '*click*'\n"
                    "mixture_file: [none, '*mix*']\n"),
            "drums=A - drums other=A - vocals");
  // The message names what helps.
  EXPECT_THAT(Applied(stems + "mixture_file: '* - mixture'\n"),
              AllOf(HasSubstr("\"A - click track\" belongs to no stem"), HasSubstr("`ignore`"),
                    HasSubstr("`mixture_file`"), HasSubstr("r.yaml")));
  EXPECT_THAT(Applied(stems + "mixture_file: ['*mixture', '*click*']\n"),
              HasSubstr("two files are the mixture"));
  EXPECT_THAT(MessageOf([&] { Fitted(stems + "ignore: ''\n"); }), HasSubstr("empty name"));
}

TEST_F(RecipeFiles, TheNamedMixtureIsTheRecordedOne) {
  Audio("Song/Song_vocals.wav", Noise(1, 5000, 2));
  Audio("Song/Song_full.wav", Noise(2, 5000, 2));
  ASSERT_TRUE(Prepare("stems: {vocals: '*_vocals'}\nmixture_file: '*_full'\nmixture: recorded\n"
                      "residual: accompaniment\n")
                  .failures.empty());
  std::vector<float> sum = Stem("Song", "accompaniment"), mixture = Samples(Noise(2, 5000, 2));
  const std::vector<float> vocals = Stem("Song", "vocals");
  for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_NEAR(sum[i] + vocals[i], mixture[i], 1e-6);
  EXPECT_THAT(Applied("stems: {vocals: '*_vocals'}\nmixture_file: mixed\nmixture: recorded\n"
                      "residual: other\nignore: '*_full'\n"),
              AllOf(HasSubstr("recorded mixture is missing"), HasSubstr("`mixture_file`")));
}

TEST_F(RecipeFiles, ChooseTheAudioStreamThatTheReaderLeftOpen) {
  Touch("a/drums.mkv");
  Touch("a/mixture.mkv");
  const auto choice = [&](const std::string& value) {
    const Track track = Fitted("stems: {drums: drums}\naudio_stream: " + value).at(0);
    EXPECT_EQ(track.sources.at(0).stream, track.mixture_stream);
    EXPECT_EQ(track.sources[0].language, track.mixture_language);
    return std::to_string(track.sources[0].stream) + " " + track.sources[0].language;
  };
  EXPECT_EQ(choice("2"), "2 ");
  EXPECT_EQ(choice("0"), "0 ");
  EXPECT_EQ(choice("DEU"), "-1 deu");
  EXPECT_EQ(choice("eng"), "-1 eng");
  EXPECT_EQ(Fitted("stems: {drums: drums}").at(0).sources.at(0).stream, kDefaultStream);
  EXPECT_THAT(MessageOf([&] { choice("'#1'"); }),
              AllOf(HasSubstr("no audio stream"), HasSubstr("r.yaml:2")));
  // A stream that the layout fixes stays.
  kind_ = "musdb18";
  Touch("train/a.stem.mp4");
  const Track track = Fitted("stems: {drums: drums}\naudio_stream: 0\n").at(0);
  EXPECT_EQ(track.sources.at(3).stream, 4);
  EXPECT_EQ(track.mixture_stream, 0);
}

TEST_F(RecipeFiles, TheChosenStreamIsDecoded) {
  if (!HaveFfmpegAndLibav()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  fs::create_directories(root_ / "a");
  const ProgramResult result = RunProgram(
      "ffmpeg -nostdin -v error -f lavfi -i anoisesrc=d=0.5:a=0.2:seed=1:r=44100 -f lavfi -i "
      "anoisesrc=d=0.5:a=0.2:seed=2:r=44100 -map 0:a -map 1:a -map 1:a -ac 2 -c:a pcm_s16le "
      "-metadata:s:a:0 language=eng -metadata:s:a:1 language=deu '" +
      (root_ / "a/drums.mkv").string() + "'");
  ASSERT_EQ(result.status, 0) << result.err;
  ASSERT_TRUE(Prepare("stems: {drums: drums}").failures.empty());
  const std::vector<float> first = Stem("a", "drums");
  ASSERT_TRUE(Prepare("stems: {drums: drums}\naudio_stream: 2").failures.empty());
  const std::vector<float> third = Stem("a", "drums");
  EXPECT_NE(first, third);
  ASSERT_TRUE(Prepare("stems: {drums: drums}\naudio_stream: deu").failures.empty());
  EXPECT_EQ(Stem("a", "drums"), third);
  EXPECT_EQ(Prepare("stems: {drums: drums}\naudio_stream: deu").kept, 1u);
  ASSERT_EQ(Prepare("stems: {drums: drums}\naudio_stream: fra").failures.size(), 1u);
}

TEST_F(RecipeFiles, OfFilesThatCarryTheSongsNameTheAdviceIsTheRecipe) {
  for (const std::string song : {"Alpha", "Beta", "Gamma"}) {
    for (const char* stem : {"drums", "vocals", "mixture"}) {
      Touch("songs/" + song + "/" + song + " - " + stem + ".wav");
      Touch("under/" + song + "/" + song + "_" + stem + ".flac");
      Touch("behind/" + song + "/" + stem + "-" + song + ".wav");
    }
  }
  const auto advice = [&](const std::string& folder) {
    options_.root = root_ / folder;
    EXPECT_THAT(DefaultRecipe(Scan()).targets, IsEmpty());
    return AdviceWithoutCommonStem(Scan());
  };
  EXPECT_THAT(advice("songs"),
              HasSubstr("`stems: {drums: \"* - drums\", vocals: \"* - vocals\"}`, `mixture_file: "
                        "\"* - mixture\"`"));
  EXPECT_THAT(advice("under"), HasSubstr("{drums: \"*_drums\", vocals: \"*_vocals\"}"));
  EXPECT_THAT(advice("behind"), HasSubstr("{drums: \"drums-*\", vocals: \"vocals-*\"}"));
  EXPECT_THAT(MessageOf([&] { Prepare(); }), HasSubstr("the files carry the song's name"));
  fs::remove_all(root_ / "songs/Beta");
  fs::remove_all(root_ / "songs/Gamma");
  EXPECT_THAT(advice("songs"), HasSubstr("\"* - mixture\""));  // one song is enough to see it
  Touch("plain/a/x.wav");
  Touch("plain/b/y.wav");
  Touch("plain/c/z.wav");
  EXPECT_EQ(advice("plain"), "write a recipe and give it with " + Option("recipe"));
}

TEST_F(RecipeFiles, OneStemOnlyIsDoubted) {
  for (const char* song : {"a", "b", "c"}) {
    Touch(std::string(song) + "/vocals.wav");
    Touch(std::string(song) + "/mixture.wav");
  }
  const std::vector<TrainingDoubt> doubts = Doubts();
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_EQ(doubts[0].stem, "vocals");
  EXPECT_THAT(doubts[0].what,
              AllOf(HasSubstr("all songs have one stem only"), HasSubstr("its input")));
  EXPECT_THAT(doubts[0].advice, AllOf(HasSubstr("`stems: {vocals: vocals}`, `mixture: recorded`"),
                                      HasSubstr("`residual: accompaniment`")));
  // The advice is a recipe without that doubt.
  EXPECT_THAT(Doubts("stems: {vocals: vocals}\nmixture: recorded\nresidual: accompaniment\n"),
              IsEmpty());
  // Nor do silent stems help.
  EXPECT_EQ(Doubts("stems: {vocals: vocals, drums: {source: drums, optional: silence}}").size(),
            1u);
  Touch("a/drums.wav");
  Touch("b/drums.wav");
  EXPECT_THAT(Doubts("stems: {vocals: vocals, drums: {source: drums, optional: silence}}"),
              IsEmpty());
}

TEST_F(RecipeFiles, OneStemOnlyIsDoubtedWithoutMixturesAndInPools) {
  Touch("songs/a/drums.wav");
  Touch("songs/b/drums.wav");
  options_.root = root_ / "songs";
  ASSERT_EQ(Doubts().size(), 1u);
  EXPECT_THAT(Doubts()[0].advice, AllOf(HasSubstr("add the stems"), HasSubstr("rest")));
  ASSERT_EQ(Doubts("stems: {all: '*'}").size(), 1u);
  EXPECT_EQ(Doubts("stems: {all: '*'}")[0].stem, "all");
  kind_ = "stem_pools";
  Touch("pools/drums/a.wav");
  Touch("pools/drums/b.wav");
  options_.root = root_ / "pools";
  EXPECT_EQ(Doubts().size(), 1u);
  EXPECT_EQ(DoubtsAboutTraining(std::vector<std::string>{"drums"}).size(), 1u);
  EXPECT_THAT(DoubtsAboutTraining(std::vector<std::string>{"drums", "bass"}), IsEmpty());
}

TEST_F(RecipeFiles, AStemThatIsTheMixtureIsDoubted) {
  for (const char* song : {"a", "b"}) {
    for (const char* stem : {"drums", "vocals", "full mix"}) {
      Touch(std::string(song) + "/" + stem + ".wav");
    }
  }
  const std::vector<TrainingDoubt> doubts = Doubts();
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_THAT(doubts[0].advice, HasSubstr("`mixture_file: \"full mix\"`"));
  EXPECT_THAT(Doubts("stems: {drums: drums, vocals: vocals}\nmixture_file: full mix\n"), IsEmpty());
}

TEST_F(RecipeFiles, AFileThatRestOrAGlobTakesInIsDoubtedByItsName) {
  for (const char* song : {"a", "b"}) {
    for (const char* stem : {"drums", "vocals", "1 final mix"}) {
      Touch(std::string(song) + "/" + stem + ".wav");
    }
  }
  for (const char* entry : {"rest", "'*mix'"}) {
    const std::vector<TrainingDoubt> doubts =
        Doubts(std::string("stems: {drums: drums, vocals: vocals, o: ") + entry + "}");
    ASSERT_EQ(doubts.size(), 1u) << entry;
    EXPECT_EQ(doubts[0].stem, "o");
    EXPECT_THAT(doubts[0].what, HasSubstr("takes in \"1 final mix\" (2 songs): it looks"));
    EXPECT_THAT(doubts[0].advice, HasSubstr("`ignore: [\"1 final mix\"]` in r.yaml"));
  }
  EXPECT_THAT(Doubts("stems: {drums: drums, o: rest}\nignore: '1 final mix.wav'\n"), IsEmpty());
  EXPECT_THAT(Doubts("stems: {drums: drums, vocals: vocals, whole: 1 final mix}"), IsEmpty());
  EXPECT_THAT(Applied("stems: {drums: drums, vocals: vocals}"),
              AllOf(HasSubstr("\"1 final mix\" belongs to no stem"),
                    HasSubstr("leave it out with `ignore: [NAME]` in r.yaml")));
}

TEST_F(RecipeFiles, ANameThatNoFileHasIsAnsweredWithTheNearest) {
  for (const char* song : {"a", "b", "c"}) {
    Audio(std::string(song) + "/drums.wav", Noise(song[0], 5000, 2));
    Audio(std::string(song) + "/Vocals.wav", Noise(song[0] + 9, 5000, 2));
  }
  EXPECT_THAT(Applied("stems: {drums: drum, o: rest}"),
              AllOf(HasSubstr("\"drum\" is missing"), HasSubstr("did you mean \"drums\"?"),
                    Not(HasSubstr("optional"))));
  EXPECT_THAT(Applied("stems: {vocals: vocals, o: rest}"),
              HasSubstr("\"Vocals\" differs in case only"));
  EXPECT_THAT(Applied("stems: {drums: drums, Vocals: Vocals, piano: piano}"),
              HasSubstr("write `optional: silence`"));
  // What is optional would be silent throughout.
  const auto doubts = Doubts("stems: {d: {source: drum, optional: silence}, v: Vocals, o: rest}");
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_THAT(doubts[0].advice, HasSubstr("did you mean \"drums\"?"));
  heard_.Take();
  EXPECT_EQ(Prepare("stems: {drums: drum, o: rest}").failures.size(), 3u);
  const std::string heard = heard_.Take();
  EXPECT_THAT(heard, HasSubstr("error: 3 songs: the stem \"drum\" is missing (the first: song"));
  EXPECT_EQ(heard.find("is missing"), heard.rfind("is missing"));
}

TEST_F(RecipeFiles, WhatIsIgnoredDecidesWhetherSongsAreDoneAgain) {
  Audio("a/drums.wav", Noise(1, 5000, 2));
  Audio("a/bass.wav", Noise(2, 5000, 2));
  Audio("a/1 final mix.wav", Noise(3, 5000, 2));
  const std::string recipe = "stems: {drums: drums, o: rest}\n";
  EXPECT_EQ(Prepare(recipe).made, 1u);
  EXPECT_EQ(Prepare(recipe + "ignore: ['* mix']\n").made, 1u);
  EXPECT_EQ(Prepare(recipe + "ignore: ['* mix']\n").kept, 1u);
  EXPECT_EQ(Stem("a", "o"), Samples(Noise(2, 5000, 2)));
}

TEST_F(RecipeFiles, PrepareSaysBeforehandWhatIsResampledAndHowLargeTheCacheBecomes) {
  for (const char* song : {"a", "b"}) {
    for (const char* stem : {"drums", "bass"}) {
      fs::create_directories(root_ / song);
      WriteStem(root_ / song / (std::string(stem) + ".wav"), Noise(song[0], 48'000, 2), 48'000);
    }
  }
  heard_.Take();
  Prepare("stems: {drums: drums, o: rest}");
  EXPECT_THAT(heard_.Take(),
              AllOf(HasSubstr("2 songs at 48000 Hz: resampled to 44100 Hz; --sample-rate 48000"),
                    HasSubstr("2 songs, 750.3 KiB: about 689.1 KiB in the cache\n")));
  Prepare("stems: {drums: drums, o: rest}");
  EXPECT_EQ(heard_.Take(), "");  // nothing is written
  WriteStem(root_ / "a/bass.wav", Noise(3, 44'100, 2), 44'100);
  Prepare("stems: {drums: drums, o: rest}");
  EXPECT_THAT(heard_.Take(),
              HasSubstr("recordings of 1 song at 48000 Hz: resampled to 44100 Hz\n"));
}

TEST_F(RecipeFiles, PrepareWarnsOfDoubts) {
  Audio("a/vocals.wav", Noise(1, 5000, 2));
  Audio("a/mixture.wav", Noise(2, 5000, 2));
  heard_.Take();
  Prepare();
  EXPECT_THAT(heard_.Take(),
              HasSubstr("warning: the song has one stem only: the mixture that the model sees is "
                        "the stem \"vocals\" itself"));
  heard_.Take();
  Prepare("stems: {vocals: vocals}\nmixture: recorded\nresidual: accompaniment\n");
  EXPECT_THAT(heard_.Take(), Not(HasSubstr("warning")));
}

}  // namespace
}  // namespace stemsmith
