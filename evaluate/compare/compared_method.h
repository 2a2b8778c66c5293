// A method that is compared: opened when there is work for it, songs go in, files of stems come
// out.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/host.h"
#include "evaluate/compare/choices.h"
#include "evaluate/compare/compared_songs.h"
#include "separate/separator.h"

namespace stemsmith {

// Separate() may be called by several threads at once, all else by one.
class ComparedMethod {
 public:
  virtual ~ComparedMethod() = default;
  // Of all that decides the estimates, besides the song. Reads model files whole.
  virtual std::string Fingerprint() const = 0;
  // Makes stems() known; throws Error for files that are no model of ours.
  virtual void Open() = 0;
  // Frees memory; Separate() opens again.
  virtual void Close() = 0;
  virtual const std::vector<std::string>& stems() const = 0;
  // Writes FOLDER/STEM.wav (float32) of `stems`, all or none. `out` as in MakeComparedSong. One
  // compute thread works on a song. Throws Error, Error::Stopped where the host asks to stop.
  void Separate(const ComparedSong& song, const std::vector<std::string>& stems,
                const std::filesystem::path& folder, const std::filesystem::path& out,
                const Host& host);

 protected:
  virtual void Run(const ComparedSong& song, const SeparatorOptions& options,
                   const std::filesystem::path& folder, const Separator::Observer& observer,
                   const Host& host) = 0;
};

// `targets`: the songs' stems, for methods whose own are a setting that is not given. Throws Error
// where there is no model.
std::unique_ptr<ComparedMethod> MakeComparedMethod(const MethodChoice& choice,
                                                   const std::vector<std::string>& targets,
                                                   const Device& device);

}  // namespace stemsmith
