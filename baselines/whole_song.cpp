#include "baselines/whole_song.h"

#include <utility>

#include "baselines/magnitudes.h"

namespace stemsmith {

std::unique_ptr<SongSeparator> OpenWholeSong(BaselineInput input, std::vector<std::string> stems,
                                             const StftOptions& stft, const PartOptions& parts,
                                             AnalysePart analyse) {
  const int rate = input.song->info().sample_rate_hz;
  const auto open = [stems, stft, rate, analyse = std::move(analyse),
                     host = input.host](const AudioBuffer& part) {
    auto separator = analyse(part, rate, host);
    return std::make_unique<SpectralSong>(ReaderOf(part, rate), stems, stft, std::move(separator));
  };
  return std::make_unique<PartedSong>(std::move(input.song), stems, parts, open);
}

}  // namespace stemsmith
