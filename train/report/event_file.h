// TensorBoard's event files: what a training measured, with sounds and pictures, for
// `tensorboard --logdir RUN`. Records as TFRecord frames them, of the protobuf messages Event and
// Summary; only the few fields needed are written, by hand, so that no protobuf library is
// involved.
//
// One thread at a time. A disk that is full is a warning, given once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "audio/audio.h"
#include "core/host.h"

namespace stemsmith {

// A configuration's values by their paths.
using Settings = std::vector<std::pair<std::string, std::variant<bool, double, std::string>>>;

class EventFile {
 public:
  // Writes a new file in `folder`. Of those that are there, events after `last_step` are dropped (a
  // resumed run says them again), and so is what a crash cut off; with -1 the files are removed.
  EventFile(const std::filesystem::path& folder, std::int64_t last_step, Listener warn = {});

  void AddScalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);
  // 16 bits; what goes beyond full scale is clipped.
  void AddAudio(std::int64_t step, const std::string& tag, const AudioBuffer& audio,
                int sample_rate_hz);
  void AddPicture(std::int64_t step, const std::string& tag, const std::string& png, int width,
                  int height);
  // Markdown.
  void AddText(std::int64_t step, const std::string& tag, const std::string& markdown);
  // For the dashboard that compares runs, once for each.
  void AddHyperparameters(const Settings& settings);

 private:
  void Write(std::int64_t step, int field, const std::string& message);

  std::filesystem::path path_;
  std::ofstream out_;
  const Listener warn_;
  bool warned_ = false;
};

// CRC-32C (Castagnoli) of the bytes.
std::uint32_t Crc32c(std::string_view bytes);

}  // namespace stemsmith
