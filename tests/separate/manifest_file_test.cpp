// ONNX models of other programs, described by a JSON file.
#include "separate/manifest_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>

#include "audio/stft.h"
#include "core/files.h"
#include "separate/runtime.h"
#include "tests/separate/stream_fixture.h"
#include "tests/support/error_of.h"
#include "tests/support/openvino.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ForeignGraph;
using testing::MessageOf;

// Of 4 s: 17 frames of 65 bins, and what a graph of so few needs of its description.
const ForeignGraph kSpectra{.input = {1, 4, 65, 17}, .output = {1, 4, 65, 17}};
constexpr char kSpectrumKeys[] =
    R"("stems": ["vocals"], "sample_rate_hz": 44100, "input": "spectrum")";
constexpr int kFft = 128, kHop = 32, kFrames = 16 * kHop;

class ManifestFile : public ::testing::Test {
 protected:
  std::unique_ptr<Runtime> Open(const ForeignGraph& graph, const std::string& json,
                                Engine engine = Engine::kOnnxRuntime) {
    testing::WriteForeignOnnx(folder_ / "song_model.onnx", graph);
    WriteFileAtomically(folder_ / "model.json", json);
    return Runtime::Open(
        folder_ / "song_model.onnx",
        {.device = "cpu", .threads = 1, .engine = engine, .manifest_file = folder_ / "model.json"});
  }
  std::unique_ptr<Runtime> OpenSpectra(const ForeignGraph& graph, const std::string& keys = "",
                                       Engine engine = Engine::kOnnxRuntime) {
    return Open(graph,
                "{" + std::string(kSpectrumKeys) +
                    R"(, "stft": {"n_fft": 128, "hop": 32, "zeroed_bins": 0})" + keys + "}",
                engine);
  }
  std::string Refused(const ForeignGraph& graph, const std::string& json) {
    return MessageOf([&] { Open(graph, json); }, ExitCode::kInputFailed);
  }

  testing::TemporaryFolder folder_;
};

std::vector<float> Estimates(Runtime& runtime, const std::vector<float>& mix, std::int64_t batch) {
  const auto frames = static_cast<std::int64_t>(mix.size()) / batch / runtime.info().channels;
  std::vector<float> estimates(mix.size() * runtime.stems().size(), NAN);
  runtime.Run(mix.data(), batch, frames, estimates.data());
  return estimates;
}

TEST_F(ManifestFile, OfAGraphOfOneStemAndAnyLength) {
  const auto runtime = Open({.input = {0, 2, -1}, .output = {0, 2, -1}, .gains = {0.5f}},
                            R"({"stems": ["voice"], "sample_rate_hz": 22050,
                                "segment_frames": 1000, "window": "hann", "overlap": 0.5})");
  const Manifest& manifest = runtime->manifest();
  EXPECT_THAT(manifest.stems, ElementsAre("voice"));
  EXPECT_EQ(manifest.model_name, "song_model");
  EXPECT_EQ(manifest.sample_rate_hz, 22050);
  EXPECT_EQ(manifest.channels, 2);
  EXPECT_EQ(manifest.segment_frames, 1000);
  EXPECT_FALSE(manifest.length.dynamic);
  EXPECT_EQ(manifest.window, Window::kHann);
  EXPECT_EQ(manifest.overlap, 0.5);
  const std::vector<float> mix = testing::Noise(3 * 2 * 1000);
  EXPECT_EQ(testing::LargestDifference(Estimates(*runtime, mix, 3), mix, 0.5f), 0);
}

TEST_F(ManifestFile, OfAGraphOfFixedSizeWithSeveralStems) {
  const ForeignGraph graph{.input = {1, 1, 700},
                           .output = {1, 2, 1, 700},
                           .gains_shape = {2, 1, 1},
                           .gains = {0.25f, -2}};
  for (const Engine engine : {Engine::kOnnxRuntime, Engine::kOpenVino}) {
    if (engine == Engine::kOpenVino) STEMSMITH_NEEDS_OPENVINO();
    const auto runtime =
        Open(graph, R"({"stems": ["a", "b"], "sample_rate_hz": 8000, "length": {}})", engine);
    EXPECT_EQ(runtime->manifest().segment_frames, 700);
    EXPECT_EQ(runtime->manifest().channels, 1);
    const std::vector<float> mix = testing::Noise(2 * 700);  // two segments, one after the other
    const std::vector<float> out = Estimates(*runtime, mix, 2);
    for (std::size_t t = 0; t < 700; ++t) {
      EXPECT_EQ(out[t], 0.25f * mix[t]);
      EXPECT_EQ(out[700 + t], -2 * mix[t]);
      EXPECT_EQ(out[1400 + t], 0.25f * mix[700 + t]);
    }
  }
}

TEST_F(ManifestFile, OfAGraphOfAnyLengthGivesSegmentsTheirRange) {
  const auto runtime = Open({.input = {0, 2, -1}, .output = {0, 2, -1}},
                            R"({"stems": ["voice"], "sample_rate_hz": 8000, "segment_frames": 800,
                                "length": {"dynamic": true, "multiple_frames": 100}})");
  EXPECT_TRUE(runtime->manifest().length.dynamic);
  EXPECT_EQ(runtime->manifest().length.multiple_frames, 100);
}

TEST_F(ManifestFile, SpectraGoThereAndBack) {
  const std::vector<float> mix = testing::Noise(2 * 2 * kFrames);
  for (const Engine engine : {Engine::kOnnxRuntime, Engine::kOpenVino}) {
    if (engine == Engine::kOpenVino) STEMSMITH_NEEDS_OPENVINO();
    const auto runtime = OpenSpectra(kSpectra, R"(, "compensate": 0.5)", engine);
    EXPECT_EQ(runtime->info().segment_frames, kFrames);
    EXPECT_EQ(runtime->info().channels, 2);
    EXPECT_EQ(runtime->engine(), engine);
    EXPECT_LE(testing::LargestDifference(Estimates(*runtime, mix, 2), mix, 0.5f), 1e-5f);
  }
}

// Expects what Stft makes of `mix` with a gain for each bin and channel.
void ExpectGains(Runtime& runtime, const std::vector<float>& mix,
                 const std::function<std::complex<float>(std::size_t bin,
                                                         std::complex<float> value)>& change) {
  const Stft stft({.n_fft = kFft, .hop = kHop});
  const std::vector<float> out = Estimates(runtime, mix, 1);
  for (std::size_t c = 0; c < 2; ++c) {
    auto spectrum = stft.Forward({mix.data() + c * kFrames, kFrames});
    const auto bins = static_cast<std::size_t>(stft.bins());
    for (std::size_t i = 0; i < spectrum.size(); ++i) spectrum[i] = change(i % bins, spectrum[i]);
    const std::vector<float> expected = stft.Inverse(spectrum, kFrames);
    EXPECT_LE(testing::LargestDifference({out.begin() + static_cast<long>(c * kFrames),
                                          out.begin() + static_cast<long>((c + 1) * kFrames)},
                                         expected, 1),
              1e-5f);
  }
}

TEST_F(ManifestFile, SpectraHaveTheirBinsAndPartsInTheirPlaces) {
  const std::vector<float> mix = testing::Noise(2 * kFrames);
  // As many bins as a model keeps, each with a gain of its own.
  ForeignGraph graph{.input = {0, 4, 50, 17}, .output = {0, 4, 50, 17}, .gains_shape = {50, 1}};
  graph.gains.clear();
  for (int f = 0; f < 50; ++f) graph.gains.push_back(0.1f * static_cast<float>(f % 7));
  ExpectGains(*OpenSpectra(graph), mix, [&](std::size_t bin, std::complex<float> value) {
    return bin < 50 ? value * graph.gains[bin] : 0;
  });
  // Real and imaginary part of the left channel, then of the right.
  const ForeignGraph parts{.input = {1, 4, 65, 17},
                           .output = {1, 4, 65, 17},
                           .gains_shape = {4, 1, 1},
                           .gains = {2, 3, 2, 3}};
  ExpectGains(*OpenSpectra(parts), mix, [](std::size_t, std::complex<float> value) {
    return std::complex<float>(2 * value.real(), 3 * value.imag());
  });
  // The three lowest bins are zeros where nothing else is said.
  const auto usual = Open(kSpectra, "{" + std::string(kSpectrumKeys) +
                                        R"(, "stft": {"n_fft": 128, "hop": 32}})");
  ExpectGains(*usual, mix, [](std::size_t bin, std::complex<float> value) {
    return bin < 3 ? 0 : value;
  });
}

TEST_F(ManifestFile, SpectraOfSeveralStemsAndAnyLength) {
  const auto runtime = Open({.input = {0, 2, 65, -1},
                             .output = {0, 2, 2, 65, -1},
                             .gains_shape = {2, 1, 1, 1},
                             .gains = {0.5f, -1}},
                            R"({"stems": ["a", "b"], "sample_rate_hz": 8000, "input": "spectrum",
                                "stft": {"n_fft": 128, "hop": 32, "zeroed_bins": 0},
                                "segment_frames": 320})");
  EXPECT_EQ(runtime->info().channels, 1);
  const std::vector<float> mix = testing::Noise(320), out = Estimates(*runtime, mix, 1);
  EXPECT_LE(testing::LargestDifference({out.begin(), out.begin() + 320}, mix, 0.5f), 1e-5f);
  EXPECT_LE(testing::LargestDifference({out.begin() + 320, out.end()}, mix, -1), 1e-5f);
}

TEST_F(ManifestFile, ASongOfManySegmentsIsItself) {
  const auto runtime = OpenSpectra(kSpectra);
  const std::vector<float> song = testing::Noise(2 * 5000);
  StemStream stream(*runtime, std::make_unique<testing::MemoryReader>(song, 2, 44100));
  EXPECT_LE(testing::LargestDifference(testing::ReadStems(stream).at(0), song, 1), 1e-5f);
}

TEST_F(ManifestFile, WhereThereIsNoneTheErrorSaysWhatItHolds) {
  const auto says = [&](const ForeignGraph& graph) {
    testing::WriteForeignOnnx(folder_ / "model.onnx", graph);
    return MessageOf([&] { Runtime::Open(folder_ / "model.onnx"); }, ExitCode::kInputFailed);
  };
  EXPECT_THAT(says({.input = {0, 2, 700}, .output = {0, 2, 700}}),
              AllOf(HasSubstr("carries no stemsmith manifest"), HasSubstr("model.onnx"),
                    HasSubstr(R"({"stems": ["vocals"], "sample_rate_hz": 44100},)"),
                    HasSubstr("--manifest FILE")));
  EXPECT_THAT(says({.input = {0, -2, -1}, .output = {0, -2, -1}}),
              HasSubstr(R"("channels": 2, "segment_frames": …})"));
  EXPECT_THAT(says(kSpectra), HasSubstr(R"("input": "spectrum", "stft": {"n_fft": …}})"));
}

TEST_F(ManifestFile, IsNotForModelsThatHaveOne) {
  testing::WriteGainOnnx(folder_ / "own.onnx", testing::TinyManifest(), {1, 1});
  WriteFileAtomically(folder_ / "model.json", "{}");
  WriteFileAtomically(folder_ / "own.ts", std::string("PK\x03\x04 and so on"));
  for (const char* name : {"own.onnx", "own.ts"}) {
    const auto open = [&] {
      Runtime::Open(folder_ / name, {.manifest_file = folder_ / "model.json"});
    };
    EXPECT_THAT(MessageOf(open, ExitCode::kWrongUse),
                AllOf(HasSubstr("holds its manifest itself"), HasSubstr("leave --manifest out")));
  }
}

TEST_F(ManifestFile, SaysWhatIsWrongWithIt) {
  const ForeignGraph fixed{.input = {0, 2, 700}, .output = {0, 2, 700}};
  const ForeignGraph any{.input = {0, 2, -1}, .output = {0, 2, -1}};
  const std::string spectrum = "{" + std::string(kSpectrumKeys);
  const struct {
    const ForeignGraph& graph;
    std::string json, says;
  } cases[] = {
      {fixed, "stems: vocals", "not JSON"},
      {fixed, "[1]", "no map"},
      {fixed, "{}", "'stems' is missing"},
      {fixed, R"({"stems": ["a"]})", "'sample_rate_hz' is missing"},
      {any, R"({"stems": ["a"], "sample_rate_hz": 8000})", "'segment_frames' is missing"},
      {fixed, R"({"stems": ["a"], "sample_rate": 8000})", "did you mean 'sample_rate_hz'?"},
      {fixed, R"({"stems": ["a"], "length": {"dynamics": true}})", "did you mean 'dynamic'?"},
      {fixed, R"({"stems": "a", "sample_rate_hz": 8000})", "'stems' is \"a\", not a list"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": "44100"})", "not a whole number"},
      {fixed, R"({"stems": ["../a"], "sample_rate_hz": 8000})", "the stem name"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": 8000, "window": "bell"})",
       "window 'bell' is none of triangle, hann, rectangle"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": 8000, "overlap": 1})", "not below 1"},
      {fixed, "{\"stems\": [\"a\"]\n \"sample_rate_hz\": 8000}", "not JSON: line 2, column 1"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": 8000, "stems": ["b"]})", "'stems' stands twice"},
      {fixed, R"({"stems": ["a,b"], "sample_rate_hz": 8000})", "cannot be given to --stems"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": 8000, "channels": 1})",
       "'channels' is 1, and the graph has 2"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": 8000, "segment_frames": 800})",
       "'segment_frames' is 800, and the graph has 700"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": 8000, "length": {"dynamic": true}})",
       "the graph takes 700 frames alone"},
      {any,
       R"({"stems": ["a"], "sample_rate_hz": 8000, "segment_frames": 11,
           "length": {"dynamic": true, "multiple_frames": 2}})",
       "a length that 'length' does not have"},
      {fixed, R"({"stems": ["a", "b"], "sample_rate_hz": 8000})",
       "'stems' has 2 names, and the graph gives 1"},
      {fixed, R"({"stems": ["a"], "sample_rate_hz": 8000, "compensate": 2})",
       "'compensate' is for the input 'spectrum'"},
      {fixed, spectrum + "}", "the graph takes [?, 2, 700], and 'input' is 'spectrum'"},
      {kSpectra, R"({"stems": ["a"], "sample_rate_hz": 8000})",
       "the graph takes [1, 4, 65, 17], and 'input' is 'waveform'"},
      {kSpectra, R"({"stems": ["a"], "sample_rate_hz": 8000, "input": "spectra"})", "neither"},
      {kSpectra, spectrum + "}", "'stft' is missing"},
      {kSpectra, spectrum + R"(, "stft": {}})", "'n_fft' is missing"},
      {kSpectra, spectrum + R"(, "stft": {"n_ftt": 128}})", "did you mean 'n_fft'?"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 129}})", "not an even number"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 126, "hop": 32}})",
       "'n_fft' is 126, which has 64 bins, and the graph has 65"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 128}})", "'hop' is 1024, more than half"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 128, "hop": 0}})", "'hop' is 0"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 128, "hop": 32, "zeroed_bins": 65}})",
       "'zeroed_bins' is 65, and the graph has 65 bins"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 128, "hop": 4}})", "must be longer than half"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 128, "hop": 32}, "length": {}})",
       "'length' is for the input 'waveform'"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 128, "hop": 32}, "compensate": 0})",
       "'compensate' is 0"},
      {kSpectra, spectrum + R"(, "stft": {"n_fft": 128, "hop": 32}, "segment_frames": 500})",
       "'segment_frames' is 500, and the graph has 512"},
  };
  for (const auto& [graph, json, says] : cases)
    EXPECT_THAT(Refused(graph, json), AllOf(HasSubstr(says), HasSubstr("model.json"))) << json;
  testing::WriteForeignOnnx(folder_ / "model.onnx", fixed);
  const auto missing = [&] {
    Runtime::Open(folder_ / "model.onnx", {.manifest_file = folder_ / "none.json"});
  };
  EXPECT_THAT(MessageOf(missing), HasSubstr("none.json"));
}

TEST_F(ManifestFile, RefusesGraphsOfAnotherKind) {
  const std::string json = R"({"stems": ["a"], "sample_rate_hz": 8000})";
  const struct {
    ForeignGraph graph;
    std::string says;
  } cases[] = {
      {{.input = {0, 2, 700}, .output = {0, 2, 700}, .input_count = 2}, "2 inputs and 1 outputs"},
      {{.input = {0, 700}, .output = {0, 700}}, "the graph's input has the shape [?, 700]"},
      {{.input = {4, 2, 700}, .output = {4, 2, 700}}, "4 segments at once"},
      {{.input = {0, 2, 700}, .output = {0, 1, 700}}, "makes [?, 1, 700] of [?, 2, 700]"},
      {{.input = {0, 2, 700}, .output = {0, 700}}, "makes [?, 700] of"},
  };
  for (const auto& [graph, says] : cases)
    EXPECT_THAT(Refused(graph, json), AllOf(HasSubstr(says), HasSubstr("song_model.onnx"))) << says;
  EXPECT_THAT(Refused({.input = {0, 3, 65, 17}, .output = {0, 3, 65, 17}},
                      "{" + std::string(kSpectrumKeys) + R"(, "stft": {"n_fft": 128}})"),
              HasSubstr("not pairs of channels"));
}

}  // namespace
}  // namespace stemsmith
