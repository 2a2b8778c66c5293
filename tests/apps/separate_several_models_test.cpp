// `separate` with several models: ensembles and chains.
#include <fstream>

#include "tests/apps/separate_program.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SeveralModels : public testing::SeparateProgram {
 protected:
  SeveralModels() {
    Write("second.onnx", {"bass", "drums"}, {0.75f, 0.25f});
    Write("vocals.onnx", {"vocals", "bass"}, {0.5f, 0.1f});
    Write("slow.onnx", {"drums", "bass"}, {1, 1}, 22050);
  }

  void Write(const std::string& name, const std::vector<std::string>& stems,
             const std::vector<float>& gains, int rate = 44100) {
    Manifest manifest = testing::TinyManifest();
    manifest.stems = stems;
    manifest.sample_rate_hz = rate;
    if (name == "vocals.onnx") manifest.song_normalization = SongNormalization::kMeanStd;
    testing::WriteGainOnnx(folder_ / name, manifest, gains);
  }

  // The largest difference of a stem of good.wav from it, times a number.
  float Difference(const std::string& stem, float gain) {
    const std::vector<float> song = testing::Samples(folder_ / "good.wav"),
                             samples = testing::Samples(folder_ / ("out/good/" + stem + ".wav"));
    float largest = song.size() == samples.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(song.size(), samples.size()); ++i)
      largest = std::max(largest, std::abs(samples[i] - gain * song[i]));
    return largest;
  }

  std::string Chain(const std::string& text, const std::string& more = "") {
    std::ofstream(folder_ / "chain.yaml") << text;
    const auto result = Separate("--chain chain.yaml good.wav -o out --bits 32f " + more);
    status_ = result.status;
    return result.err;
  }
  void ExpectBadChain(const std::string& text, const std::string& says) {
    EXPECT_THAT(Chain(text), HasSubstr(says)) << text;
    EXPECT_EQ(status_, 2) << text;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  }

  int status_ = 0;
};

TEST_F(SeveralModels, OfAnEnsembleAreCombinedByStem) {
  const std::string both = "--model model.onnx --model second.onnx good.wav -o out --bits 32f ";
  ASSERT_EQ(Separate(both).status, 0);
  EXPECT_LT(Difference("drums", 0.375f), 1e-6);
  ASSERT_EQ(Separate(both + "--weights 3,1").status, 0);
  EXPECT_LT(Difference("bass", 0.0f), 1e-6);
  ASSERT_EQ(Separate(both + "--combine max_fft --mix karaoke=mixture-bass --stems bass").status, 0);
  EXPECT_LT(Difference("bass", 0.75f), 1e-6);
  EXPECT_LT(Difference("karaoke", 0.25f), 1e-6);
  ASSERT_EQ(Separate("--model model.onnx --model vocals.onnx good.wav -o out --bits 32f "
                     "--stems bass").status,
            0);
  EXPECT_LT(Difference("bass", -0.075f), 1e-3);  // with the mean of the song
}

TEST_F(SeveralModels, ThatDoNotMatchAreRefusedBeforeASong) {
  const auto says = [&](const std::string& arguments) {
    const auto result = Separate(arguments + " good.wav -o out");
    EXPECT_EQ(result.status, 2) << arguments;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
    return result.err;
  };
  const std::string one = "-m model.onnx ", two = one + "-m second.onnx ";
  EXPECT_THAT(says(one + "-m slow.onnx"),
              AllOf(HasSubstr("different sample rates"), HasSubstr("gain: 22050 Hz")));
  EXPECT_THAT(says(one + "-m vocals.onnx"),
              AllOf(HasSubstr("different stems"), HasSubstr("--stems bass")));
  EXPECT_THAT(says(one + "-m vocals.onnx --two-stems bass"), HasSubstr("different stems"));
  EXPECT_THAT(says(one + "-m vocals.onnx --stems drums"), HasSubstr("no stem 'drums'"));
  EXPECT_THAT(says(one + "--combine max"), HasSubstr("a single model"));
  EXPECT_THAT(says(two + "--combine maximum"), HasSubstr("maximum"));
  EXPECT_THAT(says(two + "--weights 1"), HasSubstr("1 weights for 2 models"));
  EXPECT_THAT(says(two + "--weights 1,x"), HasSubstr("'x'"));
  EXPECT_THAT(says(two + "--weights 1,2 --combine min"), HasSubstr("only the mean"));
}

TEST_F(SeveralModels, TheOverlapThatAModelCannotHaveIsRefusedBeforeASong) {
  const auto says = [&](const std::string& arguments) {
    const auto result = Separate("model.onnx good.wav -o out " + arguments);
    EXPECT_EQ(result.status, 2) << arguments;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
    return result.err;
  };
  EXPECT_THAT(says("--overlap-style mst"), HasSubstr("msst"));
  EXPECT_THAT(says("--overlap-style msst --overlap 0.3"), HasSubstr("1 - 1 / N"));
  EXPECT_THAT(says("--overlap-style msst --window hann"), HasSubstr("a window of its own"));
  EXPECT_THAT(says("--window gauss"), HasSubstr("gauss"));
  EXPECT_THAT(says("--segment 0"), HasSubstr("--segment"));
  Manifest manifest = testing::TinyManifest();
  manifest.length.dynamic = false;
  testing::WriteGainOnnx(folder_ / "model.onnx", manifest, {1, 1});
  EXPECT_THAT(says("--segment 2"),
              AllOf(HasSubstr("no segments of 88200 frames"),
                    HasSubstr("1.00 s (44100 frames) alone")));
  EXPECT_EQ(Separate("model.onnx good.wav -o out --segment 1 --overlap-style msst").status, 0);
  testing::WriteGainOnnx(folder_ / "model.onnx", testing::TinyManifest(1), {1});
  std::filesystem::remove_all(folder_ / "out");
  EXPECT_THAT(says("--wiener -1"), HasSubstr("--wiener"));
  EXPECT_THAT(says("--wiener 1"), HasSubstr("the single stem 'drums'"));
  EXPECT_THAT(says("--mixture-consistent"),
              AllOf(HasSubstr("the single stem 'drums'"), HasSubstr("--two-stems drums")));
  const auto both = [&](const std::string& options) {
    return Separate("-m second.onnx -m model.onnx good.wav -o out " + options).err;
  };
  EXPECT_THAT(both("--stems drums --wiener 1 --mixture-consistent"),
              AllOf(HasSubstr("different stems"),
                    HasSubstr("leave out what needs all stems of each model: --wiener, "
                              "--mixture-consistent")));
  EXPECT_THAT(both(""), HasSubstr("--stems drums"));
  EXPECT_EQ(Separate("model.onnx good.wav -o zero --threads 0").status, 0);
  EXPECT_THAT(says("--threads 1000"), HasSubstr("or 0 for one per processor"));
}

TEST_F(SeveralModels, OfAChainSeparateWhatOthersMade) {
  EXPECT_EQ(Chain("steps:\n"
                  "  - model: model.onnx\n"  // 0.5 and -0.25
                  "    stems: {drums: beat, bass: low}\n"
                  "  - models: [model.onnx, second.onnx]\n"  // 0.5 and 0.75
                  "    combine: max\n"
                  "    input: beat\n"
                  "  - model: vocals.onnx\n"  // measures the song: 0.5, 0.1
                  "    input: bass\n"
                  "    stems: {vocals: voice}\n"
                  "  - mix: rest=mixture-beat+0.5*voice\n"),
            "");
  EXPECT_THAT(testing::FilesBelow(folder_ / "out"),
              ElementsAre("good/drums.wav", "good/low.wav", "good/rest.wav"));
  EXPECT_LT(Difference("low", -0.25f), 1e-6);
  EXPECT_LT(Difference("drums", 0.25f), 1e-6);
  EXPECT_LT(Difference("rest", 0.5f + 0.5f * 0.1875f), 1e-3);  // the mean of `bass` stays whole
  ASSERT_EQ(Separate("--chain chain.yaml good.wav -o - --stems rest --bits 32f > rest.wav").status,
            0);
  EXPECT_EQ(testing::Samples(folder_ / "rest.wav"),
            testing::Samples(folder_ / "out/good/rest.wav"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "-"));

  EXPECT_EQ(Chain("steps: [{model: model.onnx}, {mix: sum=drums+bass}]\nfiles: [sum, bass]\n",
                  "--tta --stems sum"),
            "");
  EXPECT_LT(Difference("sum", 0.25f), 1e-6);
}

TEST_F(SeveralModels, OfAChainAreLookedForBesideItsFile) {
  std::filesystem::create_directory(folder_ / "recipes");
  std::filesystem::rename(folder_ / "model.onnx", folder_ / "recipes/first.onnx");
  std::ofstream(folder_ / "recipes/chain.yaml") << "steps: [{model: first.onnx}]\n";
  EXPECT_EQ(Separate("--chain recipes/chain.yaml good.wav -o out").status, 0);
}

TEST_F(SeveralModels, FaultsOfAChainNameTheirLine) {
  const std::string first = "steps:\n  - model: model.onnx\n";
  ExpectBadChain(first + "  - {model: second.onnx, input: drumz}\n",
                 "no step makes the input 'drumz' (chain.yaml:3); did you mean 'drums'?");
  ExpectBadChain(first + "  - {model: second.onnx, input: drums}\n",
                 "the name 'bass' is taken by another stem (chain.yaml:2) (chain.yaml:3)");
  ExpectBadChain("steps:\n  - {model: model.onnx, input: voice}\n"
                 "  - {model: vocals.onnx, stems: {vocals: voice}}\n",
                 "the input 'voice' is made by a later step (chain.yaml:3) (chain.yaml:2)");
  ExpectBadChain("steps:\n  - {model: model.onnx, input: drums}\n", "made by this step itself");
  ExpectBadChain(first + "    stems: {drumz: beat}\n",
                 "the model has no stem 'drumz' (chain.yaml:2)");
  ExpectBadChain(first + "    stems: {drums: ../beat}\n", "no file can be called '../beat'");
  ExpectBadChain(first + "    stems: {drums: mixture}\n", "taken by the song itself");
  ExpectBadChain(first + "    stem: {drums: beat}\n", "did you mean 'stems'?");
  ExpectBadChain(first + "  - mix: sum=drums+vocals\n",
                 "the steps before make no stem 'vocals' (chain.yaml:3)");
  ExpectBadChain(first + "  - {mix: x=drums, input: drums}\n", "chain.yaml:3");
  ExpectBadChain(first + "  - input: drums\n", "a step has a model, models or a mix");
  ExpectBadChain(first + "files: [drums, vocals]\n",
                 "no step makes the file 'vocals' (chain.yaml:3)");
  ExpectBadChain(first + "files: [drums, drums]\n", "named twice");
  ExpectBadChain(first + "  - {model: vocals.onnx, input: drums, stems: {vocals: v}}\n"
                         "files: [bass]\n",
                 "nobody uses what this step makes (chain.yaml:3)");
  ExpectBadChain("steps: []\n", "a chain without steps");
  ExpectBadChain("steps:\n  - {models: [model.onnx, slow.onnx]}\n", "different sample rates");
  EXPECT_THAT(Chain("steps:\n  - model: none.onnx\n"), HasSubstr("chain.yaml:2"));
  EXPECT_NE(status_, 0);
  EXPECT_EQ(Separate("--chain chain.yaml -m model.onnx good.wav").status, 2);
  EXPECT_EQ(Separate("--chain chain.yaml --combine max good.wav").status, 2);
  EXPECT_THAT(Separate("--chain missing.yaml good.wav").err, HasSubstr("missing.yaml"));
}

// What waits on the disk has no name: nothing is left of it.
TEST_F(SeveralModels, AFullDiskStopsAChainAndLeavesNothing) {
  std::ofstream(folder_ / "chain.yaml") << "steps: [{model: model.onnx}, {model: vocals.onnx, "
                                           "input: drums, stems: {vocals: voice}}]\n";
  // 30000 frames of float take 240 kB.
  const auto result =
      Separate("--chain chain.yaml good.wav -o out", "trap '' XFSZ; ulimit -f 100; ");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("cannot keep a stem"));
  EXPECT_THAT(testing::FilesBelow(folder_ / "out"), ElementsAre());
}

}  // namespace
}  // namespace stemsmith
