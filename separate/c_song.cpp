// The songs of include/stemsmith/stemsmith.h.
#include <algorithm>
#include <functional>
#include <vector>

#include "audio/planar_reader.h"
#include "separate/c_handles.h"
#include "separate/stem_mix.h"
#include "separate/stem_stream.h"

using namespace stemsmith;     // NOLINT: the functions of C lie outside
using namespace stemsmith::c;  // NOLINT

namespace {

constexpr std::size_t kBlockFrames = 16384;

// Gives the song from its beginning, each time that it is called.
using OpenInput = std::function<std::unique_ptr<AudioReader>()>;

// What the options choose of a song.
std::unique_ptr<stemsmith_song> OpenSong(stemsmith_model& model, const OpenInput& input,
                                         const std::string& name,
                                         const stemsmith_options& options) {
  const std::vector<StemMix> mixes =
      FilesOf(options.separator.files, model.runtime->info().stems);
  StemStreamOptions stream = options.separator.stream;
  stream.stems = StemsIn(mixes);
  stream.input_name = name;
  auto song = std::make_unique<stemsmith_song>();
  song->runtime = model.runtime;
  song->stems = std::make_unique<StemStream>(*model.runtime, input(), stream);
  if (!std::all_of(mixes.begin(), mixes.end(), IsStem))
    song->stems =
        MixStems(std::move(song->stems), NeedsMixture(mixes) ? input() : nullptr, mixes);
  return song;
}

OpenInput FromFile(const char* path) {
  return [path] { return OpenAudio(path); };
}

OpenInput FromMemory(const float* const* song, int channels, std::size_t frames, int rate_hz) {
  Need(song, "song");
  StemStream::CheckLayout(rate_hz, channels);
  for (int c = 0; c < channels; ++c) Need(song[c], "song");
  return [=] { return std::make_unique<PlanarReader>(song, channels, frames, rate_hz); };
}

std::size_t ArraysOf(const stemsmith_song& song) {
  return song.stems->stems().size() * static_cast<std::size_t>(song.stems->info().channels);
}

std::int64_t TotalOf(const stemsmith_song& song) {
  const AudioInfo& info = song.stems->info();
  return info.frames >= 0 ? info.frames : info.expected_frames;
}

// The next frames into stems[i] + offset; how many, 0 only at the end.
std::size_t Read(stemsmith_song& song, float* const* stems, std::size_t offset,
                 std::size_t frames) {
  const std::size_t count = song.stems->Read(frames, song.blocks);
  const auto channels = static_cast<std::size_t>(song.stems->info().channels);
  for (std::size_t i = 0; i < ArraysOf(song); ++i) {
    const float* from = song.blocks[i / channels].data() + i % channels;
    for (std::size_t t = 0; t < count; ++t) stems[i][offset + t] = from[t * channels];
  }
  return count;
}

// Calls `read`, which gives how many frames it took, to the song's end, with progress.
void ReadAll(const stemsmith_song& song, const stemsmith_options& options,
             const std::function<std::size_t()>& read) {
  const int rate_hz = song.stems->info().sample_rate_hz;
  std::int64_t done = 0;
  Tell(options, done, TotalOf(song), rate_hz);
  while (const std::size_t count = read()) {
    done += static_cast<std::int64_t>(count);
    Tell(options, done, TotalOf(song), rate_hz);
  }
}

}  // namespace

stemsmith_code stemsmith_separate_file(stemsmith_model* model, const char* song, const char* folder,
                                       const stemsmith_options* options) {
  return Guarded([&] {
    NeedHandle(model, "model");
    Need(song, "song");
    Need(folder, "folder");
    const stemsmith_options& chosen = OrDefaults(options);
    Separator separator(*model->runtime, chosen.separator);
    separator.SeparateFile(song, folder, [&](std::int64_t done, std::int64_t total, int rate) {
      Tell(chosen, done, total, rate);
    });
  });
}

stemsmith_code stemsmith_separate_blocks(stemsmith_model* model, const char* song,
                                         const stemsmith_options* options, stemsmith_block_fn block,
                                         void* user) {
  return Guarded([&] {
    NeedHandle(model, "model");
    Need(song, "song");
    Need(reinterpret_cast<const void*>(block), "block");
    const stemsmith_options& chosen = OrDefaults(options);
    const auto opened = OpenSong(*model, FromFile(song), song, chosen);
    const AudioInfo& info = opened->stems->info();
    std::vector<float> planar(ArraysOf(*opened) * kBlockFrames);
    std::vector<float*> stems;
    for (std::size_t i = 0; i < ArraysOf(*opened); ++i)
      stems.push_back(planar.data() + i * kBlockFrames);
    ReadAll(*opened, chosen, [&] {
      const std::size_t count = Read(*opened, stems.data(), 0, kBlockFrames);
      if (count > 0 && block(user, stems.data(), static_cast<int>(opened->stems->stems().size()),
                             info.channels, count, info.sample_rate_hz) != 0)
        throw Stopped{};
      return count;
    });
  });
}

stemsmith_code stemsmith_separate_buffers(stemsmith_model* model, const float* const* song,
                                          int channels, size_t frames, int sample_rate_hz,
                                          const stemsmith_options* options, float* const* stems) {
  return Guarded([&] {
    NeedHandle(model, "model");
    Need(stems, "stems");
    const OpenInput input = FromMemory(song, channels, frames, sample_rate_hz);
    const stemsmith_options& chosen = OrDefaults(options);
    const auto opened = OpenSong(*model, input, "song", chosen);
    for (std::size_t i = 0; i < ArraysOf(*opened); ++i) Need(stems[i], "stems");
    std::size_t done = 0;
    ReadAll(*opened, chosen, [&] {
      const std::size_t count = Read(*opened, stems, done, kBlockFrames);
      done += count;
      return count;
    });
  });
}

stemsmith_code stemsmith_song_open(stemsmith_model* model, const char* path,
                                   const stemsmith_options* options, stemsmith_song** song) {
  return Guarded([&] {
    NeedHandle(model, "model");
    Need(path, "path");
    Need(song, "song");
    auto opened = OpenSong(*model, FromFile(path), path, OrDefaults(options));
    Remember(opened.get());
    *song = opened.release();
  });
}

stemsmith_code stemsmith_song_open_buffers(stemsmith_model* model, const float* const* buffers,
                                           int channels, size_t frames, int sample_rate_hz,
                                           const stemsmith_options* options,
                                           stemsmith_song** song) {
  return Guarded([&] {
    NeedHandle(model, "model");
    Need(song, "song");
    auto opened = OpenSong(*model, FromMemory(buffers, channels, frames, sample_rate_hz), "song",
                           OrDefaults(options));
    Remember(opened.get());
    *song = opened.release();
  });
}

void stemsmith_song_close(stemsmith_song* song) { Close(song); }

int stemsmith_song_stem_count(const stemsmith_song* song) {
  return GuardedResult(0, [&] {
    NeedHandle(song, "song");
    return static_cast<int>(song->stems->stems().size());
  });
}

const char* stemsmith_song_stem(const stemsmith_song* song, int index) {
  return GuardedResult<const char*>(nullptr, [&] {
    NeedHandle(song, "song");
    return NameAt(song->stems->stems(), index, "song");
  });
}

int stemsmith_song_sample_rate(const stemsmith_song* song) {
  return GuardedResult(0, [&] {
    NeedHandle(song, "song");
    return song->stems->info().sample_rate_hz;
  });
}

int stemsmith_song_channels(const stemsmith_song* song) {
  return GuardedResult(0, [&] {
    NeedHandle(song, "song");
    return song->stems->info().channels;
  });
}

int64_t stemsmith_song_frames(const stemsmith_song* song) {
  return GuardedResult<int64_t>(0, [&] {
    NeedHandle(song, "song");
    return TotalOf(*song);
  });
}

stemsmith_code stemsmith_song_read(stemsmith_song* song, float* const* stems, size_t frames,
                                   size_t* count) {
  return Guarded([&] {
    NeedHandle(song, "song");
    Need(stems, "stems");
    Need(count, "count");
    for (std::size_t i = 0; i < ArraysOf(*song); ++i) Need(stems[i], "stems");
    *count = Read(*song, stems, 0, frames);
  });
}
