// Files as other programs write them, made with few runs of ffmpeg, and what ffmpeg decodes of
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

bool HasFfmpeg();
// Builds without libav leave its module out.
bool HasLibavModule();

// How a file is made.
struct MadeFile {
  std::string name;
  // Sources, joined by '+': "stereo 44100" and the like (a layout of ffmpeg, a rate; then, where
  // wanted, seconds, a seed and "late", which lets it start half a second late), or "picture".
  std::string sources;
  std::string arguments;  // of ffmpeg: codec and container
};

// A sweep of its own in every channel with a little noise, so that swapped channels and shifts
// show.
inline constexpr double kSourceSeconds = 1.2;

// A folder of such files. Each Make() is one run of ffmpeg; problems throw std::runtime_error.
class MadeFiles {
 public:
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  const std::filesystem::path& path() const { return folder_.path(); }

  void Make(const std::vector<MadeFile>& files);
  // One run of ffmpeg within the folder.
  void Run(const std::string& arguments);

  std::string Bytes(const std::string& name) const;
  void Write(const std::string& name, const std::string& bytes) const;

  // What ffmpeg decodes of these files, interleaved: `ffmpeg -i FILE -map 0:a:0 -f f32le -`, or
  // another stream. All are decoded in one run.
  std::vector<std::vector<float>> Decode(const std::vector<std::string>& names,
                                         const std::string& stream = "a:0") const;

 private:
  TemporaryFolder folder_;
};

// `bytes` with others at `offset`.
std::string Patched(std::string bytes, std::size_t offset, const std::string& others);
// `value` as `count` bytes.
std::string LittleEndian(std::uint64_t value, int count);
std::string BigEndian(std::uint64_t value, int count);
// 50 wrong bytes at `offset`.
std::string Damaged(std::string bytes, std::size_t offset, std::uint64_t seed = 1);
// The offset of `id` in the file; throws where there is none.
std::size_t Find(const std::string& bytes, const std::string& id, std::size_t from = 0);

// Catches what anyone in this process writes to the terminal (file descriptor 2) while it lives.
class TerminalCapture {
 public:
  TerminalCapture();
  ~TerminalCapture();
  TerminalCapture(const TerminalCapture&) = delete;
  TerminalCapture& operator=(const TerminalCapture&) = delete;
  // Ends the capture, and gives what was written.
  std::string Text();

 private:
  TemporaryFolder folder_;
  int saved_ = -1;
};

}  // namespace stemsmith::testing
