// What the doctor says, and from which figures on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stemsmith {

// When something is worth a remark, and when it must be fixed.
struct DoctorLimits {
  // Levels are taken in windows this long: short enough for a single drum hit.
  double window_seconds = 0.1;
  // A window sounds above this RMS. Room noise, dither and the residue of lossy codecs lie below.
  double silence_db = -60;
  // Full scale, less one step of 12 bits: files that were scaled to "peak 0 dB" after clipping.
  double clip_level = 0.9997;
  // Equal full-scale samples in a row that are no accident of one peak.
  int clip_run = 3;
  // A few short runs are inaudible and common in mastered stems; from so many on they are told.
  std::int64_t clip_runs_remark = 4;
  // Share of clipped samples that is heard as distortion, and learnt as part of the instrument.
  double clip_share_error = 1e-3;
  // Offsets of converters stay below the first; from the second on (-34 dB) every segment starts
  // and ends with a click.
  double dc_remark = 0.003, dc_error = 0.02;
  // Residual of mixture minus sum of the stems, relative to the mixture. Sums rounded to 16 bits
  // stay far below the first; from the second on a stem is missing or lies elsewhere in time.
  double mix_remark_db = -40, mix_error_db = -12;
  // The same where files are lossy: each codec adds noise of its own.
  double mix_lossy_remark_db = -15;
  // What the sum of the other stems leaves of a stem, at the gain that fits best. Instruments have
  // little in common (above −1 dB), microphones around one drum kit more (to −5 dB); of a bounce
  // equaliser, compressor, limiter and lossy codec leave −8 to −20 dB, and plain sums next to
  // nothing. Below the second, or below the first where the name says so too, it is a bounce for
  // sure.
  double bounce_remark_db = -6, bounce_error_db = -10;
  // Two stems of one song are one recording where no more than this is left: rounding and codecs
  // leave less, a second take or another microphone far more.
  double twin_db = -30;
  // Lengths within a song that differ by more are told; by more than prepare accepts
  // (kLengthToleranceSeconds) they are errors.
  double length_remark_seconds = 0.01;
  // Recordings are the same up to this share of differing fingerprint bits (unrelated ones have
  // almost one half) over at least so many seconds and so much of the shorter one.
  double duplicate_bit_error = 0.3;
  double duplicate_seconds = 2.0;
  double duplicate_overlap = 0.5;
  // A target that sounds for a smaller share of the training audio is hardly ever met in training.
  double rare_target_share = 0.02;
};

enum class Severity { kError, kRemark };  // kError: must be fixed

struct Finding {
  Severity severity = Severity::kError;
  // "layout", "recipe", "unreadable", "damage", "stream", "length", "rate", "silence", "clipping",
  // "dc", "mixture", "bounce", "duplicate", "target", "split", "unused".
  std::string kind;
  std::string split, song;  // empty for findings about the whole dataset
  std::string stem;         // source or target, "mixture", or empty for the song as a whole
  std::string what, advice;
  std::vector<std::string> names = {};  // "unused": all that are passed over
};

}  // namespace stemsmith
