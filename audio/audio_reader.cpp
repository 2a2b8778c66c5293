#include "audio/audio_reader.h"

#include <algorithm>

#include "core/text.h"

namespace stemsmith {

std::string DamageText(const Damage& place) {
  const std::string begin = SecondsText(place.begin_seconds);
  if (place.seconds == 0) return "may sound wrong at " + begin + ": " + place.what;
  if (place.seconds < 0) return "ends early at " + begin + ": " + place.what;
  return "damaged at " + begin + ", " + SecondsText(place.seconds) +
         " are silent instead: " + place.what;
}

std::string DamageText(const std::vector<Damage>& places) {
  constexpr std::size_t kNamed = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(places.size(), kNamed); ++i)
    text += (i == 0 ? "" : "; ") + DamageText(places[i]);
  if (places.size() > kNamed) text += "; and " + std::to_string(places.size() - kNamed) + " more";
  return text;
}

AudioBuffer ReadAll(AudioReader& reader) {
  constexpr std::size_t kBlock = 65536;
  const int channels = reader.info().channels;
  std::vector<float> interleaved;
  if (reader.info().expected_frames > 0) {
    // An estimate may be wrong by any factor: trust it only so far.
    interleaved.reserve(static_cast<std::size_t>(std::min<std::int64_t>(
                            reader.info().expected_frames, std::int64_t{1} << 24)) *
                        static_cast<std::size_t>(channels));
  }
  std::vector<float> block(kBlock * static_cast<std::size_t>(channels));
  while (const std::size_t count = reader.Read(block.data(), kBlock)) {
    interleaved.insert(interleaved.end(), block.begin(),
                       block.begin() + static_cast<std::ptrdiff_t>(count * channels));
  }
  AudioBuffer audio(channels, interleaved.size() / static_cast<std::size_t>(channels));
  Deinterleave(interleaved.data(), channels, audio.frames(), audio.samples().data());
  return audio;
}

}  // namespace stemsmith
