#include "datasets/doctor/song.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "audio/decode.h"
#include "core/error.h"
#include "core/option.h"
#include "datasets/doctor/judge.h"
#include "datasets/doctor/meter.h"
#include "datasets/recipes/song_mixer.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 16'384;

// Measures what passes through: streams side by side, each with its meters.
class MeteredReader : public AudioReader {
 public:
  MeteredReader(std::unique_ptr<AudioReader> inner, std::vector<std::vector<StemMeter*>> meters)
      : inner_(std::move(inner)), meters_(std::move(meters)) {}
  const AudioInfo& info() const override { return inner_->info(); }
  void Rewind() override { inner_->Rewind(); }
  std::vector<Damage> damage() const override { return inner_->damage(); }

  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t count = inner_->Read(out, frames);
    const std::size_t columns = static_cast<std::size_t>(info().channels);
    const std::size_t channels = columns / meters_.size();
    stream_.resize(std::max(stream_.size(), count * channels));
    for (std::size_t s = 0; s < meters_.size(); ++s) {
      for (std::size_t t = 0; t < count; ++t) {
        std::copy_n(out + t * columns + s * channels, channels, stream_.data() + t * channels);
      }
      for (StemMeter* meter : meters_[s]) meter->Add(stream_.data(), count);
    }
    return count;
  }

 private:
  std::unique_ptr<AudioReader> inner_;
  std::vector<std::vector<StemMeter*>> meters_;  // per stream
  std::vector<float> stream_;                    // [T, C] of one stream
};

// A file being read, at the song's rate: `streams` streams side by side.
struct SongFile {
  SourceGroup group;
  std::unique_ptr<AudioReader> reader;
  int streams = 0, channels = 0;  // channels of each stream
  std::vector<float> block;       // [T, streams · channels]
  std::size_t filled = 0;
  bool ended = false;
};

class Examination {
 public:
  Examination(const Track& track, const TrackMix* mix, const DoctorLimits& limits)
      : track_(track), mix_(mix), limits_(limits), parts_track_(track) {
    // The mixture is read like one more source: it may be a stream of their file. A recipe that
    // asks for it has put it there already (FitTracks).
    song_.has_mixture = !track.mixture.empty();
    const bool is_there = !track.sources.empty() && track.sources.back().name == kMixtureSource;
    if (song_.has_mixture && !is_there) {
      SourceStem& mixture = parts_track_.sources.emplace_back();
      mixture.name = kMixtureSource;
      mixture.path = track.mixture;
      mixture.stream = track.mixture_stream;
      mixture.language = track.mixture_language;
    }
    song_.has_residual =
        mix != nullptr && std::any_of(mix->begin(), mix->end(), [](const auto& parts) {
          return std::any_of(parts.begin(), parts.end(),
                             [](const MixPart& p) { return p.inverted; });
        });
  }

  SongReport Run(const std::function<bool(double)>& progress) {
    Open();
    if (channels_ > 0) {
      Listen(progress);
      report_.seconds = song_.seconds();
      const std::vector<Finding> judged = JudgeSong(track_, song_, limits_);
      report_.findings.insert(report_.findings.end(), judged.begin(), judged.end());
      for (std::size_t t = 0; t < report_.targets.size(); ++t) {
        report_.targets[t].has_sources = !(*mix_)[t].empty();
        report_.targets[t].seconds = report_.targets[t].has_sources ? report_.seconds : 0;
      }
    }
    report_.sample_rate_hz = song_.sample_rate_hz;
    return std::move(report_);
  }

 private:
  // The song as one channel, for the fingerprint: the recorded mixture, or the sum of the sources.
  // Reading it reads all files of the song.
  class Mono : public AudioReader {
   public:
    explicit Mono(Examination& song) : song_(song) {
      info_.sample_rate_hz = song.song_.sample_rate_hz;
      info_.channels = 1;
    }
    const AudioInfo& info() const override { return info_; }
    std::size_t Read(float* out, std::size_t frames) override {
      return song_.ReadAllFiles(out, std::min(frames, kBlockFrames));
    }
    void Rewind() override {}  // never asked for

   private:
    Examination& song_;
    AudioInfo info_;
  };

  void Fail(const SourceGroup& group, const Error& error) {
    for (const std::size_t p : group.sources) song_.parts[p].failed = true;
    const std::string stem = StemOf(group);
    std::string what = error.problem();
    if (!error.where().empty()) what += " (" + error.where() + ")";
    report_.findings.push_back({Severity::kError, "unreadable", track_.split, track_.name, stem,
                                std::move(what),
                                error.advice().empty() ? "replace the file" : error.advice()});
  }

  void OpenFile(const SourceGroup& group) {
    try {
      SongFile file;
      auto reader = OpenGroup(parts_track_, group, OnDamage::kConceal);
      const AudioInfo info = reader->info();
      file.group = group;
      file.streams = static_cast<int>(group.streams.size());
      file.channels = info.channels / file.streams;
      std::vector<std::vector<StemMeter*>> meters(group.streams.size());
      for (const std::size_t p : group.sources) {
        MeasuredPart& part = song_.parts[p];
        part.info = info;
        part.meter = std::make_unique<StemMeter>(file.channels, info.sample_rate_hz, limits_);
        meters[StreamOf(group, p)].push_back(part.meter.get());
      }
      file.reader = std::make_unique<MeteredReader>(std::move(reader), std::move(meters));
      if (song_.sample_rate_hz == 0) song_.sample_rate_hz = info.sample_rate_hz;
      channels_ = std::max(channels_, file.channels);
      if (info.expected_frames > 0) {
        expected_seconds_ =
            std::max(expected_seconds_, double(info.expected_frames) / info.sample_rate_hz);
      }
      files_.push_back(std::move(file));
    } catch (const Error& error) {
      Fail(group, error);
    }
  }

  // Which of the streams that are read of the file is this part's.
  std::size_t StreamOf(const SourceGroup& group, std::size_t part) const {
    const auto stream =
        std::find(group.streams.begin(), group.streams.end(), parts_track_.sources[part].stream);
    return static_cast<std::size_t>(stream - group.streams.begin());
  }

  void Open() {
    for (const SourceStem& source : parts_track_.sources) {
      song_.parts.emplace_back().name = source.name;
    }
    for (const SourceGroup& group : GroupByFile(parts_track_)) OpenFile(group);
    const auto channels = static_cast<std::size_t>(channels_);
    for (SongFile& file : files_) {
      const int columns = file.reader->info().channels;
      file.reader = ConvertAudio(std::move(file.reader), song_.sample_rate_hz, columns);
      file.block.resize(kBlockFrames * static_cast<std::size_t>(columns));
    }
    blocks_.resize(song_.parts.size());
    song_.products = PartProducts(song_.parts.size());
    for (std::size_t p = 0; p < blocks_.size(); ++p) {
      if (song_.parts[p].opened()) blocks_[p].resize(kBlockFrames * channels);
    }
    sum_.resize(kBlockFrames * channels);
    if (mix_ != nullptr && channels_ > 0) {
      targets_.assign(mix_->size(), WindowMeter(channels_, song_.sample_rate_hz, limits_));
      report_.targets.resize(mix_->size());
    }
  }

  std::string StemOf(const SourceGroup& group) const {
    return group.sources.size() == 1 ? song_.parts[group.sources.front()].name : "";
  }

  // Of a file that was read to its end: lost audio is an error, as prepare takes it for one.
  void TellDamage(const SongFile& file) {
    const std::string where = " (" + file.group.path.string() + ")";
    for (const Damage& place : file.reader->damage()) {
      const bool lost = place.seconds != 0;
      report_.findings.push_back({lost ? Severity::kError : Severity::kRemark, "damage",
                                  track_.split, track_.name, StemOf(file.group),
                                  DamageText(place) + where,
                                  lost ? "copy or download the file again, or prepare with " +
                                             Option("on-damage", "conceal")
                                       : "listen to it"});
    }
    const std::string choice = StreamChoiceText(file.reader->info());
    if (file.group.streams != std::vector<int>{kDefaultStream} || choice.empty()) return;
    report_.findings.push_back({Severity::kRemark, "stream", track_.split, track_.name,
                                StemOf(file.group), choice + where,
                                "a recipe's audio_stream chooses another"});
  }

  // Fills the blocks of all parts of the file; what is behind its end is silence.
  void Fill(SongFile& file, std::size_t frames) {
    const auto columns = static_cast<std::size_t>(file.streams * file.channels);
    file.filled = 0;
    try {
      while (!file.ended && file.filled < frames) {
        const std::size_t got =
            file.reader->Read(file.block.data() + file.filled * columns, frames - file.filled);
        file.ended = got == 0;
        file.filled += got;
        if (file.ended) TellDamage(file);
      }
    } catch (const Error& error) {
      file.ended = true;
      Fail(file.group, error);
    }
    const auto in = static_cast<std::size_t>(file.channels);
    const auto out = static_cast<std::size_t>(channels_);
    for (const std::size_t p : file.group.sources) {
      const float* from = file.block.data() + StreamOf(file.group, p) * in;
      float* to = blocks_[p].data();
      if (file.streams == 1) {
        RemixChannels(from, file.channels, to, channels_, file.filled);
      } else {
        for (std::size_t t = 0; t < file.filled; ++t) {
          RemixChannels(from + t * columns, file.channels, to + t * out, channels_, 1);
        }
      }
      std::fill(blocks_[p].begin() + static_cast<std::ptrdiff_t>(file.filled * out),
                blocks_[p].end(), 0.0f);
    }
  }

  std::size_t ReadAllFiles(float* mono, std::size_t frames) {
    std::size_t longest = 0;
    for (SongFile& file : files_) {
      Fill(file, frames);
      longest = std::max(longest, file.filled);
    }
    const std::size_t samples = longest * static_cast<std::size_t>(channels_);
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      std::fill_n(sum_.begin(), samples, 0.0f);
      for (const MixPart& part : (*mix_)[t]) Add(part, samples);
      targets_[t].Add(sum_.data(), longest);
    }
    song_.products.Add(blocks_, longest, channels_);
    std::fill_n(sum_.begin(), samples, 0.0f);
    for (std::size_t s = 0; s < song_.sources(); ++s) Add({s}, samples);
    const float* recording = sum_.data();
    if (song_.has_mixture && song_.parts.back().opened()) {
      recording = blocks_.back().data();
    }
    RemixChannels(recording, channels_, mono, 1, longest);
    return longest;
  }

  void Add(const MixPart& part, std::size_t samples) {
    if (!song_.parts[part.source].opened()) return;
    const float* in = blocks_[part.source].data();
    const float gain = part.gain();
    for (std::size_t i = 0; i < samples; ++i) sum_[i] += gain * in[i];
  }

  void Listen(const std::function<bool(double)>& progress) {
    auto mono = ConvertAudio(std::make_unique<Mono>(*this), RecordingPrint::kSampleRateHz, 1);
    RecordingPrinter printer;
    std::vector<float> block(RecordingPrint::kSampleRateHz);
    const double expected = std::max(expected_seconds_, 1.0) * RecordingPrint::kSampleRateHz;
    double told = 0, total = 0;
    while (const std::size_t count = mono->Read(block.data(), block.size())) {
      printer.Push(block.data(), count);
      total = std::min(1.0, total + static_cast<double>(count) / expected);
      if (progress(total - told)) throw DoctorStopped{};
      told = total;
    }
    if (song_.whole()) report_.prints.push_back({"", printer.Finish()});
    for (MeasuredPart& part : song_.parts) {
      if (part.opened()) part.meter->Finish();
    }
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      targets_[t].Finish();
      report_.targets[t].sounding_seconds = targets_[t].sounding_seconds();
    }
  }

  const Track& track_;
  const TrackMix* mix_;
  const DoctorLimits& limits_;
  Track parts_track_;  // with the mixture as its last source
  MeasuredSong song_;
  SongReport report_;
  std::vector<SongFile> files_;
  std::vector<std::vector<float>> blocks_;  // per part, [T, C]
  int channels_ = 0;                        // C: the most of any file
  double expected_seconds_ = 0;
  std::vector<WindowMeter> targets_;
  std::vector<float> sum_;  // [T, C]
};

// Takes that do not belong together are examined one by one.
SongReport ExamineTakes(const Track& track, const TrackMix* mix, const DoctorLimits& limits,
                        const std::function<bool(double)>& progress) {
  SongReport report;
  report.targets.resize(mix == nullptr ? 0 : mix->size());
  for (std::size_t s = 0; s < track.sources.size(); ++s) {
    Track take = track;
    take.sources = {track.sources[s]};
    take.mixture.clear();
    TrackMix take_mix(report.targets.size());
    for (std::size_t t = 0; t < take_mix.size(); ++t) {
      for (const MixPart& part : (*mix)[t]) {
        if (part.source == s) take_mix[t].push_back({0, part.gain_db, part.inverted});
      }
    }
    const double share = 1.0 / static_cast<double>(track.sources.size());
    SongReport one =
        Examination(take, mix == nullptr ? nullptr : &take_mix, limits).Run([&](double part) {
          return progress(part * share);
        });
    report.findings.insert(report.findings.end(), one.findings.begin(), one.findings.end());
    report.seconds = std::max(report.seconds, one.seconds);
    if (report.sample_rate_hz == 0) report.sample_rate_hz = one.sample_rate_hz;
    for (std::size_t t = 0; t < one.targets.size(); ++t) {
      report.targets[t].has_sources |= one.targets[t].has_sources;
      report.targets[t].seconds += one.targets[t].seconds;
      report.targets[t].sounding_seconds += one.targets[t].sounding_seconds;
    }
    for (SongReport::Print& print : one.prints) {
      report.prints.push_back({track.sources[s].name, std::move(print.print)});
    }
  }
  return report;
}

}  // namespace

SongReport ExamineSong(const Track& track, const TrackMix* mix, const DoctorLimits& limits,
                       const std::function<bool(double)>& progress) {
  return track.unrelated_takes ? ExamineTakes(track, mix, limits, progress)
                               : Examination(track, mix, limits).Run(progress);
}

}  // namespace stemsmith
