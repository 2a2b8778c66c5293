// Methods that look at all of a song, or of a long one's part, before they separate its frames.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "baselines/baseline.h"
#include "baselines/parted_song.h"
#include "baselines/spectral_song.h"

namespace stemsmith {

// What separates the frames of a part, of which `rate` is the sample rate in Hz.
using AnalysePart = std::function<std::unique_ptr<FrameSeparator>(const AudioBuffer& part, int rate,
                                                                  const Host& host)>;

// What `analyse` refers to must outlive the result.
std::unique_ptr<SongSeparator> OpenWholeSong(BaselineInput input, std::vector<std::string> stems,
                                             const StftOptions& stft, const PartOptions& parts,
                                             AnalysePart analyse);

}  // namespace stemsmith
