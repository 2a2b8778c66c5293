// The programs of stemsmith that the web app runs as child processes. What users upload is decoded
// in them alone: one that crashes, or takes too much, takes nothing along.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "serve/child_process.h"
#include "serve/job_limits.h"
#include "serve/stem_files.h"

namespace stemsmith {

class Programs {
 public:
  // `folder` holds `separate` and `stemsmith`.
  Programs(std::filesystem::path folder, const JobLimits& limits);

  // `stemsmith inspect`. Throws Error as it says.
  nlohmann::json Inspect(const std::filesystem::path& model) const;

  // `stemsmith probe`: what the file holds. Throws Error (input) for what is no audio, and for songs
  // that are longer than the limit.
  nlohmann::json Probe(const std::filesystem::path& song) const;
  // Its waveform, or its spectrogram, into a file.
  void WritePeaks(const std::filesystem::path& audio, const std::filesystem::path& file) const;
  void WriteSpectrogram(const std::filesystem::path& audio,
                        const std::filesystem::path& file) const;

  // `stemsmith serve --make-file`: throws Error as StemFileOrder::Make() does.
  // `go_on` is asked every half second; false stops it.
  void MakeFile(const StemFileOrder& order, const std::function<bool()>& go_on) const;
  // `stemsmith watch --report`: writes RUN/report.html. Throws Error as it says.
  void WriteReport(const std::filesystem::path& run) const;

  // `separate`: how it ended.
  enum class End {
    kDone,
    kFailed,   // as `message` says: it would fail again
    kCrashed,  // the program broke down
    kStopped,  // as asked
  };
  struct Separation {
    End end = End::kFailed;
    std::string message;
    nlohmann::json song;  // its line about the song, when done
  };
  // `progress` hears the share that is done, and is called every half second at least; false stops
  // the program.
  Separation Separate(const std::vector<std::string>& arguments,
                      const std::function<bool(double share)>& progress) const;

 private:
  nlohmann::json Ask(const std::vector<std::string>& arguments,
                     const std::filesystem::path& about, double most_seconds,
                     const CancelSwitch* cancel = nullptr) const;

  std::filesystem::path folder_;
  JobLimits limits_;
};

}  // namespace stemsmith
