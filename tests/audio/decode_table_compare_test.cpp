// The comparison of DecodeTable, and tests that it sees what it is meant to see.
#include <algorithm>
#include <cmath>
#include <exception>
#include <sstream>

#include "tests/audio/audio_fixtures.h"
#include "tests/audio/decode_table.h"

namespace stemsmith::testing {

void DecodeTable::Make(const std::vector<MadeFile>& files) {
  files_.Make(files);
  for (const MadeFile& file : files) rows_.push_back(file.name);
}

void DecodeTable::Remux(const std::string& name, const std::string& before, const std::string& from,
                        const std::string& after) {
  files_.Run(before + " -i '" + from + "' -map 0 -c copy " + after + " '" + name + "'");
  rows_.push_back(name);
}

void DecodeTable::Derive(const std::string& name, const std::string& bytes) {
  files_.Write(name, bytes);
  rows_.push_back(name);
}

void DecodeTable::Chain(const std::string& name, const std::vector<std::string>& parts) {
  std::string bytes;
  for (const std::string& part : parts) bytes += Bytes(part);
  Derive(name, bytes);
  chains_[name] = parts;
}

void DecodeTable::Except(const std::string& name, double bound, const std::string& /*reason*/) {
  bounds_[name] = bound;
}

void DecodeTable::Frames(const std::string& name, std::size_t frames,
                         const std::string& /*reason*/) {
  frames_[name] = frames;
}

void DecodeTable::Compare() {
  std::vector<std::vector<float>> expected = files_.Decode(rows_);
  const auto of = [&](const std::string& name) -> std::vector<float>& {
    return expected[static_cast<std::size_t>(std::find(rows_.begin(), rows_.end(), name) -
                                             rows_.begin())];
  };
  for (const auto& [name, parts] : chains_) {
    of(name).clear();
    for (const std::string& part : parts)
      of(name).insert(of(name).end(), of(part).begin(), of(part).end());
  }
  TerminalCapture terminal;
  for (std::size_t i = 0; i < rows_.size(); ++i) CompareRow(rows_[i], expected[i]);
  EXPECT_EQ(terminal.Text(), "");
  RecordProperty("rows", static_cast<int>(rows_.size()));
}

void DecodeTable::CompareRow(const std::string& name, std::vector<float> expected) {
  std::ostringstream problems;
  if (expected.empty()) problems << "ffmpeg decodes nothing; ";
  try {
    const auto reader = OpenAudio(files_ / name);
    const std::vector<float> samples = Drain(*reader, 4000);
    const AudioInfo& info = reader->info();
    const double bound = bounds_.contains(name) ? bounds_[name] : kBound;
    if (frames_.contains(name))
      expected.resize(frames_[name] * static_cast<std::size_t>(info.channels));
    problems << Differences(samples, expected, info.channels, bound);
    const auto frames = static_cast<std::int64_t>(samples.size()) / info.channels;
    if (info.frames >= 0 && info.frames != frames) problems << "info().frames " << info.frames;
    if (masks_.contains(name) && info.channel_mask != masks_[name]) {
      problems << "channel mask " << std::hex << info.channel_mask << ", right is " << masks_[name];
    }
    if (!reader->damage().empty()) problems << "; says that it is damaged";
    reader->Rewind();
    if (Drain(*reader, 999) != samples) problems << "; another result after Rewind()";
  } catch (const std::exception& error) {
    problems << error.what();
  }
  EXPECT_EQ(problems.str(), "") << name;
}

std::string Differences(const std::vector<float>& ours, const std::vector<float>& theirs,
                        int channels, double bound) {
  const auto step = static_cast<std::size_t>(channels);
  std::ostringstream text;
  if (ours.size() != theirs.size())
    text << ours.size() / step << " frames, ffmpeg " << theirs.size() / step << "; ";
  const std::size_t count = std::min(ours.size(), theirs.size());
  std::size_t first = count;
  double largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double difference = std::abs(static_cast<double>(ours[i]) - theirs[i]);
    if (difference > bound && first == count) first = i;
    largest = std::max(largest, difference);
  }
  if (first == count) return text.str();
  text << "first difference in frame " << first / step << ", channel " << first % step << ": "
       << ours[first] << ", ffmpeg " << theirs[first] << "; largest " << largest << ";";
  for (std::size_t shift = 1; shift < 4000; ++shift) {
    const std::size_t offset = shift * step;
    if (offset + first + 64 * step > count) break;
    bool later = true, earlier = true;
    for (std::size_t i = first; i < first + 64 * step; ++i) {
      later = later && std::abs(ours[i + offset] - theirs[i]) <= bound;
      earlier = earlier && std::abs(ours[i] - theirs[i + offset]) <= bound;
    }
    if (later || earlier) text << " ours is " << shift << " frames " << (later ? "late" : "early");
  }
  return text.str();
}

namespace {

TEST(DecodeTableCompare, SeesFramesSamplesChannelsAndShifts) {
  const AudioBuffer tones = TestTones(2, 8000, 44100);
  std::vector<float> a(16000), swapped(16000);
  Interleave(tones.samples().data(), 2, 8000, a.data());
  for (std::size_t i = 0; i < a.size(); ++i) swapped[i] = a[i ^ 1U];
  EXPECT_EQ(Differences(a, a, 2, 1e-5), "");
  EXPECT_NE(Differences(swapped, a, 2, 1e-5), "");
  EXPECT_EQ(Differences({a.begin(), a.end() - 2}, a, 2, 1e-5), "7999 frames, ffmpeg 8000; ");
  EXPECT_NE(Differences({a.begin() + 10, a.end()}, a, 2, 1e-5).find("5 frames early"),
            std::string::npos);
}

}  // namespace
}  // namespace stemsmith::testing
