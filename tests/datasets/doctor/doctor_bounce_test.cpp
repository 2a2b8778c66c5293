// Bounces among the stems of a song: found by ear and by name, in trees as DAWs export them.
#include <algorithm>
#include <cmath>

#include "core/option.h"
#include "datasets/doctor/comparison.h"
#include "datasets/doctor/report.h"
#include "datasets/recipes/stem_names.h"
#include "tests/datasets/doctor/doctor_fixture.h"

namespace stemsmith {
namespace {

using testing::DoctorTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsFinding;
using testing::kDoctorRateHz;
using testing::Notes;
using testing::Scaled;
using testing::Silence;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

constexpr Severity kError = Severity::kError, kRemark = Severity::kRemark;

void Add(AudioBuffer& sum, const AudioBuffer& audio, float gain = 1) {
  for (std::size_t i = 0; i < sum.samples().size(); ++i) {
    sum.samples()[i] += gain * audio.samples()[i];
  }
}

// As a master bus does: a shelf of +4 dB above 2 kHz, a gain, and a limiter's saturation.
AudioBuffer Mastered(AudioBuffer audio, float gain = 3, int sample_rate_hz = kDoctorRateHz) {
  const double pole = std::exp(-2 * std::numbers::pi * 2000 / sample_rate_hz);
  for (int c = 0; c < audio.channels(); ++c) {
    double low = 0;
    for (std::size_t t = 0; t < audio.frames(); ++t) {
      float& sample = audio.channel(c)[t];
      low = pole * low + (1 - pole) * sample;
      sample = static_cast<float>(std::tanh(gain * (low + 1.6 * (sample - low))));
    }
  }
  return audio;
}

AudioBuffer Mono(const AudioBuffer& audio) {
  AudioBuffer mono(1, audio.frames());
  for (std::size_t t = 0; t < audio.frames(); ++t) mono.channel(0)[t] = audio.channel(0)[t];
  return mono;
}

class DoctorBounce : public DoctorTest {
 protected:
  // The stems of a DAW's export, and their sum.
  AudioBuffer WriteStems(const std::string& song, std::uint64_t seed,
                         int sample_rate_hz = kDoctorRateHz) {
    AudioBuffer sum = AudioBuffer(2, static_cast<std::size_t>(4 * sample_rate_hz));
    for (const char* stem : {"01 Kick", "02 Snare", "Bass DI", "Lead Vox", "Synths"}) {
      const AudioBuffer audio = Notes(seed++, 4, sample_rate_hz);
      const bool mono = std::string(stem) == "Bass DI";
      Write(song + "/" + stem + ".wav", mono ? Mono(audio) : audio, SampleFormat::kInt16,
            sample_rate_hz);
      AudioBuffer in_mix = audio;
      if (mono) std::copy_n(audio.channel(0), audio.frames(), in_mix.channel(1));
      Add(sum, in_mix);
    }
    return sum;
  }
  static std::vector<std::string> Bounces(const DoctorResult& result) {
    std::vector<std::string> names;
    for (const Finding& finding : result.findings) {
      if (finding.kind == "bounce") names.push_back(finding.song + "/" + finding.stem);
    }
    return names;
  }
};

constexpr char kRecipe[] =
    "stems:\n  drums: ['01 Kick', '02 Snare']\n  bass: Bass DI\n  vocals: Lead Vox\n  rest: rest\n";

TEST_F(DoctorBounce, IsFoundWhateverItIsCalledAndHoweverItIsMastered) {
  const AudioBuffer plain = WriteStems("a", 10);
  Write("a/Print.wav", plain);
  Write("b/Print.wav", Mastered(WriteStems("b", 20)));
  Write("c/Print.wav", Mono(WriteStems("c", 30)));
  Write("d/Print.flac", Mastered(WriteStems("d", 40), 8));
  const DoctorResult result = ExamineWith(kRecipe);
  EXPECT_THAT(Bounces(result), ElementsAre("a/Print", "b/Print", "c/Print", "d/Print"))
      << AllOf(result);
  EXPECT_THAT(result.findings[0].what, HasSubstr("at 0 dB, -50 dB of it are left"));
  EXPECT_THAT(result.findings[0].advice, HasSubstr("`ignore: [NAME]`"));
  EXPECT_THAT(Without("bounce", ExamineWith(std::string(kRecipe) + "ignore: Print\n")).findings,
              IsEmpty());
  EXPECT_THAT(ExamineWith(std::string(kRecipe) + "ignore: Print.*\n").findings, IsEmpty());
}

TEST_F(DoctorBounce, TwoOfThemAreBothFoundAndTheMixtureIsComparedWithoutThem) {
  const AudioBuffer sum = WriteStems("a", 10);
  Write("a/full mix.wav", sum);
  Write("a/full mix mastered.wav", Mastered(sum));
  Write("a/mixture.wav", sum);
  const DoctorResult result = ExamineWith(kRecipe);
  EXPECT_THAT(result.findings,
              UnorderedElementsAre(IsFinding(kRemark, "recipe", "/", "rest"),
                                   IsFinding(kError, "bounce", "train/a", "full mix"),
                                   IsFinding(kError, "bounce", "train/a", "full mix mastered")))
      << AllOf(result);
}

// Beside its mixture a stem that dominates it looks much like the others' sum.
TEST_F(DoctorBounce, ALoudStemIsNotTakenForTheMixture) {
  for (const std::string song : {"a", "b"}) {
    const std::uint64_t seed = song == "a" ? 1 : 11;
    const AudioBuffer loud = Scaled(Notes(seed), 2), soft = Scaled(Notes(seed + 1), 0.2f);
    AudioBuffer sum = loud;
    Add(sum, soft);
    Write(song + "/kick.wav", loud);
    Write(song + "/hat.wav", soft);
    Write(song + "/everything.wav", Mastered(sum, 2));
  }
  EXPECT_THAT(Bounces(ExamineWith("stems: {kick: kick, o: rest}")),
              ElementsAre("a/everything", "b/everything"));
}

TEST_F(DoctorBounce, StemsThatShareAKitAreNone) {
  for (const std::string song : {"a", "b"}) {
    const std::uint64_t seed = song == "a" ? 1 : 11;
    AudioBuffer overhead = Scaled(Notes(seed + 5), 0.7f);  // cymbals
    for (int mic = 0; mic < 3; ++mic) {
      Write(song + "/" + std::to_string(mic) + ".wav", Notes(seed + mic));
      Add(overhead, Notes(seed + mic), 0.3f);
    }
    Write(song + "/overhead.wav", overhead);
    Write(song + "/bass.wav", Notes(seed + 6));
  }
  EXPECT_EQ(AllOf(ExamineWith("stems: {bass: bass, drums: rest}")), "");
}

TEST_F(DoctorBounce, OneStemTwiceIsADuplicateAndABounceByItsNameAlone) {
  Write("a/vocals.wav", Notes(1));
  Write("a/vocals copy.wav", Scaled(Notes(1), 0.5f));
  Write("b/vocals.wav", Notes(2));
  Write("b/Final Mix.wav", Mastered(Notes(2), 0.2f));
  Write("c/vocals.wav", Notes(3));
  Write("c/Final Mix.wav", Notes(3));
  const DoctorResult result = Without("recipe", ExamineWith("stems: {v: vocals, o: rest}"));
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kError, "bounce", "train/c", "Final Mix"),
                                           IsFinding(kRemark, "duplicate", "train/a", "vocals")))
      << AllOf(result);
}

TEST_F(DoctorBounce, WithoutValidationTheDoctorNamesTheOption) {
  for (const std::string song : {"a", "b", "c"}) {
    Write(song + "/drums.wav", Notes(song[0]));
    Write(song + "/bass.wav", Notes(2 * song[0]));
  }
  DoctorOptions options = Options();
  const Finding finding = Only(ExamineDataset(options));
  EXPECT_THAT(finding, IsFinding(kRemark, "split", "/", ""));
  EXPECT_THAT(ShowOptions(finding.advice, OptionStyle::kFlag), HasSubstr("--valid-fraction 0.1"));
  options.reader.valid_fraction = 0.1;
  EXPECT_EQ(AllOf(ExamineDataset(options)), "");
}

TEST(PartProducts, TakeEveryFewFramesOfManyParts) {
  constexpr std::size_t kParts = 40, kFrames = 50'000;
  std::vector<std::vector<float>> blocks(kParts);
  PartProducts products(kParts);
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::size_t p = 0; p < kParts; ++p) {
      RandomStream random({round, p});
      blocks[p].resize(kFrames);
      for (float& sample : blocks[p]) sample = static_cast<float>(random.Uniform(-1, 1));
    }
    blocks[7].assign(kFrames, 0);
    for (std::size_t p = 0; p < kParts; ++p) {
      if (p == 7) continue;
      for (std::size_t t = 0; t < kFrames; ++t) blocks[7][t] += 0.5f * blocks[p][t];
    }
    products.Add(blocks, kFrames - round, 1);
  }
  std::vector<std::size_t> others;
  for (std::size_t p = 0; p < kParts; ++p) {
    if (p != 7) others.push_back(p);
  }
  const Comparison comparison = ComparePart(products, 7, others);
  EXPECT_NEAR(comparison.BestGain(), 0.5, 1e-6);
  EXPECT_LT(comparison.LeastResidualDb(), -100);
  EXPECT_TRUE(HoldsTheOthers(products, 7, others));
  // 25 frames lie between those that are taken.
  EXPECT_NEAR(products(0, 0), 3.0 * kFrames / 25 / 3, 100);
}

TEST(LooksLikeMixture, ByTheWordsOfTheName) {
  for (const char* name :
       {"1 final mix", "full mix", "master", "bounce", "Mixdown", "PREMASTER_v2", "mix2", "Final",
        "Song - Stereo Mix (24 bit)", "final_02", "FullMix", "2mix", "bounce-01"}) {
    EXPECT_TRUE(LooksLikeMixture(name)) << name;
  }
  for (const char* name : {"mixer", "mixed vocals", "Drum Mix", "Vox bounce", "Bass DI",
                           "final vocals", "finale", "remix", "", "01", "masterkey", "other"}) {
    EXPECT_FALSE(LooksLikeMixture(name)) << name;
  }
}

// What the doctor says of a tree as DAWs leave it.
class DoctorDaw : public DoctorBounce {
 protected:
  DoctorDaw() {
    Write("Blue Hour/1 final mix.wav", Mastered(WriteStems("Blue Hour", 100)));
    Write("Cold Start/1 final mix.wav", Mastered(WriteStems("Cold Start", 110)));
    Write("Dust/full mix.wav", WriteStems("Dust", 120));
    Write("Ember/master.wav", Mastered(WriteStems("Ember", 130), 6), SampleFormat::kInt24);
    Write("Fields/bounce.flac", Mono(WriteStems("Fields", 140)));
    Write("Glass/mixdown.wav", Mastered(WriteStems("Glass", 150, 24'000), 3, 24'000),
          SampleFormat::kInt16, 24'000);
    WriteStems("Harbour", 160);  // as it should be
  }
  void Expect(const std::string& name, const DoctorOptions& options) {
    std::string text =
        ShowOptions(DoctorText(options, ExamineDataset(options), false), OptionStyle::kFlag);
    for (const auto& [path, word] : {std::pair(root_.path().string(), std::string("ROOT")),
                                     std::pair(other_.path().string(), std::string("OTHER"))}) {
      for (std::size_t at = text.find(path); at != text.npos; at = text.find(path)) {
        text.replace(at, path.size(), word);
      }
    }
    EXPECT_EQ(text, ReadFile(fs::path(STEMSMITH_SOURCE_DIR) / "tests/datasets/doctor/golden" /
                             (name + ".txt")))
        << text;
  }
};

TEST_F(DoctorDaw, WithARecipeThatTakesTheRest) {
  WriteFileAtomically(other_ / "recipe.yaml", kRecipe);
  DoctorOptions options = Options();
  options.recipe = other_ / "recipe.yaml";
  Expect("doctor_daw_rest", options);
}

TEST_F(DoctorDaw, WithoutARecipe) { Expect("doctor_daw", Options()); }

TEST_F(DoctorDaw, TheRecipeThatIsAdvisedIsHealthy) {
  WriteFileAtomically(other_ / "recipe.yaml",
                      std::string(kRecipe) + "ignore: ['*mix*', master, bounce]\n");
  DoctorOptions options = Options();
  options.recipe = other_ / "recipe.yaml";
  options.reader.valid_fraction = 0.2;
  EXPECT_EQ(AllOf(ExamineDataset(options)), "");
}

TEST_F(DoctorBounce, AsMp3) {
  const AudioBuffer sum = Mastered(WriteStems("a", 10, 44'100), 3, 44'100);
  try {
    AudioWriter writer(root_ / "a/Print.mp3", 44'100, 2, {.format = "mp3"});
    std::vector<float> samples;
    for (std::size_t t = 0; t < sum.frames(); ++t) {
      for (int c = 0; c < 2; ++c) samples.push_back(sum.channel(c)[t]);
    }
    writer.Write(samples.data(), sum.frames());
    writer.Finish();
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  EXPECT_THAT(Bounces(ExamineWith(kRecipe)), ElementsAre("a/Print"));
}

}  // namespace
}  // namespace stemsmith
