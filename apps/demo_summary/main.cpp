// Compares separated demo songs with their targets: the table, summary.json and the picture of
// tools/demo.sh.
//
//   demo_summary SONGS OUT MODEL…
//
// SONGS/<song>/{<stem>,mixture}.wav are the targets. For each model
// OUT/stems/<model>/<song>/<stem>.wav is the separation with ONNX Runtime,
// OUT/stems_torchscript/<model>/… the one with LibTorch, and OUT/run/<model>/ train_seconds holds
// how long it trained.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/output.h"
#include "audio/decode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "evaluate/metrics.h"
#include "picture/picture.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

AudioBuffer Load(const fs::path& path) { return ReadAll(*OpenAudio(path)); }

void RequireSameShape(const AudioBuffer& a, const AudioBuffer& b, const fs::path& path) {
  if (a.channels() != b.channels() || a.frames() != b.frames()) {
    throw Error::Input("the stem's length or channels differ from the target's", path.string());
  }
}

float LargestDifference(const AudioBuffer& a, const AudioBuffer& b) {
  float largest = 0;
  for (std::size_t i = 0; i < a.samples().size(); ++i) {
    largest = std::max(largest, std::abs(a.samples()[i] - b.samples()[i]));
  }
  return largest;
}

struct StemFigures {
  std::vector<double> mixture_sdr_db, sdr_db;  // one per song
};

int Run(const fs::path& songs, const fs::path& out, const std::vector<std::string>& models) {
  nlohmann::json summary = {{"models", nlohmann::json::object()}};
  bool pictured = false;
  for (const std::string& model : models) {
    std::map<std::string, StemFigures> stems;
    float difference = 0;
    for (const auto& song : fs::directory_iterator(out / "stems" / model)) {
      const std::string name = song.path().filename().string();
      const AudioBuffer mixture = Load(songs / name / "mixture.wav");
      std::vector<SpectrogramRow> rows = {{name + ": mixture", mixture, ""}};
      std::vector<fs::path> files;  // in one order on every machine
      for (const auto& stem : fs::directory_iterator(song)) files.push_back(stem.path());
      std::sort(files.begin(), files.end());
      for (const fs::path& file : files) {
        const AudioBuffer estimate = Load(file);
        const AudioBuffer target = Load(songs / name / file.filename());
        const AudioBuffer other = Load(out / "stems_torchscript" / model / name / file.filename());
        RequireSameShape(estimate, target, file);
        RequireSameShape(estimate, other, file);
        const std::string stem_name = file.stem().string();
        StemFigures& figures = stems[stem_name];
        figures.mixture_sdr_db.push_back(SignalToDistortionDb(target.samples(), mixture.samples()));
        figures.sdr_db.push_back(SignalToDistortionDb(target.samples(), estimate.samples()));
        difference = std::max(difference, LargestDifference(estimate, other));
        if (stem_name == "drums" || stem_name == "vocals") {
          rows.push_back({stem_name + ": target", target, stem_name});
          rows.push_back({stem_name + ": estimate of " + model, estimate, stem_name});
        }
      }
      if (!pictured) {
        WriteSpectrogramPng(out / "separation.png", rows,
                            OpenAudio(songs / name / "mixture.wav")->info().sample_rate_hz);
        pictured = true;
      }
    }
    if (stems.empty()) throw Error::Input("no separated songs", (out / "stems" / model).string());

    const double train_seconds = std::stod(ReadFile(out / "run" / model / "train_seconds"));
    nlohmann::json& entry = summary["models"][model];
    WriteOutput(Formatted("\n%s (trained for %.0f s)\n", model.c_str(), train_seconds));
    WriteOutput(
        Formatted("  %-14s %14s %14s %10s\n", "stem", "mixture SDR dB", "estimate SDR", "gain"));
    double total_gain = 0;
    for (const auto& [stem, figures] : stems) {
      const double before = Median(figures.mixture_sdr_db), after = Median(figures.sdr_db);
      total_gain += after - before;
      WriteOutput(Formatted("  %-14s %14.2f %14.2f %+10.2f\n", stem.c_str(), before, after,
                            after - before));
      entry["stems"][stem] = {{"mixture_sdr_db", before}, {"sdr_db", after}};
    }
    const double mean_gain = total_gain / static_cast<double>(stems.size());
    WriteOutput(Formatted("  %-14s %14s %14s %+10.2f\n", "mean gain", "", "", mean_gain));
    WriteOutput(Formatted(
        "  largest difference between ONNX Runtime's and LibTorch's stems: %.2g\n", difference));
    entry["songs"] = stems.begin()->second.sdr_db.size();
    entry["mean_gain_db"] = mean_gain;
    entry["train_seconds"] = train_seconds;
    entry["runtime_max_difference"] = difference;
  }
  WriteFileAtomically(out / "summary.json", summary.dump(2) + "\n");
  return 0;
}

int CheckedRun(int argc, char** argv) {
  if (argc < 4) {
    WriteError("usage: demo_summary SONGS OUT MODEL...");
    return static_cast<int>(ExitCode::kWrongUse);
  }
  try {
    return Run(argv[1], argv[2], std::vector<std::string>(argv + 3, argv + argc));
  } catch (...) {
    return WriteCurrentError();
  }
}

}  // namespace
}  // namespace stemsmith

int main(int argc, char** argv) {
  stemsmith::StartProgram();
  return stemsmith::FinishProgram(stemsmith::CheckedRun(argc, argv));
}
