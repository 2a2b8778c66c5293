#include "evaluate/compare/compared_songs.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "audio/decode.h"
#include "audio/encode.h"
#include "baselines/baseline.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/random.h"
#include "core/text.h"
#include "datasets/prepare/song_stream.h"
#include "datasets/prepare/track.h"
#include "datasets/recipes/advice.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Of all that decides the files: what is taken of which sources, by their sizes and times.
std::string FingerprintOf(const SongPlan& plan, const PlannedSong& song) {
  nlohmann::json all = {TrackRecipeHash(song.track, song.mix, plan.options)};
  if (plan.seed) all.push_back(*plan.seed);
  for (const SourceStem& source : song.track.sources) {
    std::error_code code;
    all.push_back({source.path.string(), fs::file_size(source.path, code),
                   fs::last_write_time(source.path, code).time_since_epoch().count()});
  }
  return HexHash(HashBytes(all.dump()));
}

std::optional<ComparedSong> Kept(const SongPlan& plan, const std::string& fingerprint,
                                 ComparedSong song) {
  std::error_code code;
  if (!fs::is_regular_file(song.folder / "song.json", code)) return std::nullopt;
  try {
    const nlohmann::json json = ParseJson(ReadFile(song.folder / "song.json"));
    const JsonFields fields(json, [&](const std::string& problem) {
      return Error::Input(problem, song.folder.string());
    });
    if (fields.Text("fingerprint") != fingerprint) return std::nullopt;
    song.content = fields.Text("content");
    song.frames = fields.Number<std::int64_t>("frames");
    std::vector<std::string> names = plan.stems;
    names.push_back("mixture");
    for (const std::string& name : names)
      if (!IsWhole(song.folder / (name + ".wav"), song)) return std::nullopt;
    return song;
  } catch (const Error&) {
    return std::nullopt;  // made again
  }
}

// Goes through the song once for its length, which headers need not tell.
void KeepExcerpt(SongStream& stream, const SongPlan& plan, const std::string& name) {
  std::int64_t all = 0;
  const float* ignored = nullptr;
  while (const std::size_t count = stream.Next(&ignored)) all += static_cast<std::int64_t>(count);
  const std::int64_t frames = std::max<std::int64_t>(
      1, std::llround(plan.options.trim.excerpt_seconds * plan.options.sample_rate_hz));
  const std::int64_t most = std::max<std::int64_t>(all - frames, 0);
  std::int64_t begin = most / 2;
  if (plan.seed) {
    RandomStream random({*plan.seed, HashBytes(name)});
    begin = static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(most) + 1));
  }
  stream.KeepOnly(begin, begin + frames);
}

}  // namespace

bool IsWhole(const fs::path& file, const ComparedSong& song) {
  std::error_code code;
  if (!fs::is_regular_file(file, code)) return false;
  try {
    return OpenAudio(file)->info().frames == song.frames;
  } catch (const Error&) {
    return false;
  }
}

SongPlan PlanSongs(const SongChoice& choice, const Host& host) {
  std::vector<Track> tracks = ScanDataset(choice.layout, choice.reader);
  const Recipe recipe = choice.recipe.empty() ? DefaultRecipe(tracks) : LoadRecipe(choice.recipe);
  if (recipe.targets.empty() &&
      std::any_of(tracks.begin(), tracks.end(), [](const Track& track) { return !track.problem; }))
    throw Error::Input("no stem is common to half of the songs", choice.reader.root.string(),
                       AdviceWithoutCommonStem(tracks));
  FitTracks(recipe, tracks);

  SongPlan plan;
  plan.stems = recipe.stems();
  plan.seed = choice.seed;
  plan.options.root = DatasetFolder(choice.reader);
  plan.options.stems = plan.stems;
  plan.options.sample_rate_hz = choice.sample_rate_hz;
  plan.options.channels = choice.channels;
  plan.options.format = CacheFormat::kFloat32;
  plan.options.source_channels = recipe.source_channels;
  plan.options.trim = choice.trim;
  std::set<std::string> splits;
  for (Track& track : tracks) {
    splits.insert(track.split);
    if (choice.split != kAllSplits && track.split != choice.split) continue;
    try {
      TrackMix mix = ApplyRecipe(recipe, track);
      plan.songs.push_back({std::move(track), std::move(mix)});
    } catch (const Error& error) {
      plan.failures.push_back({"", track.name, error});
      Tell(host.error, track.name + ": " + error.text());
    }
  }
  if (plan.songs.empty() && plan.failures.empty())
    throw Error::Input(
        "there is no song of the split '" + choice.split + "'", choice.reader.root.string(),
        "there are songs of: " + JoinNames(splits) + "; `split: all` takes them all");
  return plan;
}

ComparedSong MakeComparedSong(const SongPlan& plan, const PlannedSong& planned,
                              const fs::path& folder, const fs::path& out, const Host& host) {
  ComparedSong song;
  song.name = planned.track.name;
  song.folder = folder;
  song.sample_rate_hz = plan.options.sample_rate_hz;
  const std::string fingerprint = FingerprintOf(plan, planned);
  if (auto kept = Kept(plan, fingerprint, song)) return *kept;

  SongStream stream(planned.track, planned.mix, plan.options,
                    [&](std::size_t) { StopIfAsked(host); });
  if (plan.options.trim.excerpt_seconds > 0) KeepExcerpt(stream, plan, song.name);
  const std::size_t stems = plan.stems.size();
  const auto channels = static_cast<std::size_t>(plan.options.channels);
  PendingFolder pending(folder, out);
  const auto open = [&](const std::string& name) {
    return std::make_unique<AudioWriter>(pending.Add(name + ".wav"), plan.options.sample_rate_hz,
                                         plan.options.channels,
                                         EncodeOptions{.sample_format = SampleFormat::kFloat32});
  };
  std::vector<std::unique_ptr<AudioWriter>> writers;
  for (const std::string& stem : plan.stems) writers.push_back(open(stem));
  writers.push_back(open("mixture"));
  std::uint64_t hash = HashBytes(nlohmann::json({plan.stems, plan.options.sample_rate_hz}).dump());
  std::size_t total = 0;
  const float* block = nullptr;
  std::vector<float> stem, mixture;
  while (const std::size_t frames = stream.Next(&block)) {
    total += frames;
    const std::size_t columns = stems * channels;
    hash =
        HashBytes({reinterpret_cast<const char*>(block), frames * columns * sizeof(float)}, hash);
    stem.resize(frames * channels);
    mixture.assign(frames * channels, 0.0f);
    for (std::size_t s = 0; s < stems; ++s) {
      for (std::size_t t = 0; t < frames; ++t)
        for (std::size_t c = 0; c < channels; ++c)
          mixture[t * channels + c] += stem[t * channels + c] =
              block[t * columns + s * channels + c];
      writers[s]->Write(stem.data(), frames);
    }
    writers.back()->Write(mixture.data(), frames);
  }
  if (total == 0)
    throw Error::Input("nothing of the song is left", song.name,
                       "it is empty or all of it is silent");
  for (const auto& writer : writers) writer->Finish();
  song.content = HexHash(hash);
  song.frames = static_cast<std::int64_t>(total);
  const nlohmann::json json = {
      {"fingerprint", fingerprint}, {"content", song.content}, {"frames", song.frames}};
  WriteFileAtomically(pending.Add("song.json"), json.dump(2) + "\n");
  pending.Commit();
  return song;
}

}  // namespace stemsmith
