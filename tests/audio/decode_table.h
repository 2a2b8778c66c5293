// A table of files, each compared with ffmpeg's decoding: frames, channel order and samples.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "tests/support/made_files.h"

namespace stemsmith::testing {

class DecodeTable : public ::testing::Test {
 protected:
  // libav's own decoding differs by nothing; exact formats by the rounding of a conversion.
  static constexpr double kBound = 1e-5;

  void SetUp() override {
    if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  }

  // Each file that is made or derived is a row.
  void Make(const std::vector<MadeFile>& files);
  // Copies streams of a file that was made: `before` stands before its name.
  void Remux(const std::string& name, const std::string& before, const std::string& from,
             const std::string& after = "");
  void Derive(const std::string& name, const std::string& bytes);
  // Files one after the other: what ffmpeg decodes of each, one after the other. (ffmpeg itself
  // goes on with the decoder's state and plays the run-in of the later ones.)
  void Chain(const std::string& name, const std::vector<std::string>& parts);
  // A row whose samples differ by more than kBound, or whose mask is known. `reason` is for
  // readers.
  void Except(const std::string& name, double bound, const std::string& reason);
  void Mask(const std::string& name, std::uint32_t mask) { masks_[name] = mask; }
  // A row of which ffmpeg decodes more than the file holds; `reason` is for readers.
  void Frames(const std::string& name, std::size_t frames, const std::string& reason);

  std::string Bytes(const std::string& name) const { return files_.Bytes(name); }

  // Compares all rows. Not a word of a library may reach the terminal.
  void Compare();

  MadeFiles files_;

 private:
  void CompareRow(const std::string& name, std::vector<float> expected);

  std::vector<std::string> rows_;
  std::map<std::string, std::vector<std::string>> chains_;
  std::map<std::string, double> bounds_;
  std::map<std::string, std::size_t> frames_;
  std::map<std::string, std::uint32_t> masks_;
};

// Where two decodings differ, in words: frames, first sample, and the shift that explains it.
std::string Differences(const std::vector<float>& ours, const std::vector<float>& theirs,
                        int channels, double bound);

}  // namespace stemsmith::testing
