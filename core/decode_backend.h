// What OpenAudio chooses from: one reader per library. Private to core/.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/decode.h"

namespace stemsmith {

// What libsndfile made of a file: a reader, or the reason why not.
struct SndfileResult {
  std::unique_ptr<AudioReader> reader;
  bool recognised = false;  // the kind of file is known, although it may not open
  std::string problem;      // libsndfile's words where there is no reader
};

// Backend readers promise less than OpenAudio's: samples may be NaN, and the file may end before
// info().frames.
SndfileResult OpenSndfile(const std::filesystem::path& path);

// The number of the stream that DecodeOptions::stream and language ask for. Throws Error where
// there is none of that language.
int ChosenStream(const std::vector<AudioStreamInfo>& streams, const DecodeOptions& options,
                 const std::filesystem::path& path);

// The signature of `stemsmith_open_libav`, which libstemsmith_libav.so exports. The caller owns the
// result.
using OpenLibavFunction = AudioReader*(const std::filesystem::path& path,
                                       const DecodeOptions& options);

// What a header says about the audio data that follow it.
struct DataChunk {
  std::int64_t promised_bytes = -1;  // -1: not said (streamed files), or not a file of this kind
  std::int64_t present_bytes = 0;
};
// Finds the audio chunk of a wav, RF64 or aiff file. libsndfile mends wrong lengths in silence, so
// that a file that was cut off is only known by its header.
DataChunk FindDataChunk(const std::filesystem::path& path);

// Whether an mp3 file starts with a Xing/Info frame that says how many frames follow.
bool Mp3SaysItsLength(const std::filesystem::path& path);

// Whether the first bytes are text and nothing else.
bool LooksLikeText(const std::filesystem::path& path);

}  // namespace stemsmith
