// Decoding of audio files as a stream of blocks. libsndfile reads wav, RF64, flac, ogg, opus and
// mp3; what it does not know (mp4, m4a, aac, .stem.mp4 …) goes to libav, in a module that is loaded
// when first needed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "audio/audio_reader.h"
#include "core/error.h"
#include "core/visibility.h"

namespace stemsmith {

// "holds 2 audio streams: 0 (eng), 1 (fra, default); stream 1 is taken" for a file with several, of
// which one is read; else empty.
STEMSMITH_PUBLIC std::string StreamChoiceText(const AudioInfo& info);
// Sets stream or language from what a user writes: "1", "eng". Throws Error::Usage at `where`.
STEMSMITH_PUBLIC void ChooseStream(const std::string& text, const std::string& where,
                                   DecodeOptions& options);

// Opens a file. Throws Error (what, path, advice): missing, empty, no audio, unknown format, no
// channels.
STEMSMITH_PUBLIC std::unique_ptr<AudioReader> OpenAudio(const std::filesystem::path& path,
                                                        const DecodeOptions& options = {});

// Of an error of a reader, for commands that have no option to conceal damage: without the advice
// to use it. Other errors stay as they are.
STEMSMITH_PUBLIC Error WithoutConcealing(const Error& error);

// Wraps a reader: other rate (libsoxr, very high quality) and other channel count (RemixChannels).
// Gives the reader back unchanged when nothing differs. The length is round(frames · out / in).
STEMSMITH_PUBLIC std::unique_ptr<AudioReader> ConvertAudio(std::unique_ptr<AudioReader> reader,
                                                           int sample_rate_hz, int channels);

// Whether the name's ending is one that OpenAudio is likely to read (used to pick files out of
// folders).
STEMSMITH_PUBLIC bool HasAudioExtension(const std::filesystem::path& path);

}  // namespace stemsmith
