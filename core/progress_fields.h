// Keys of the fields that work hands to Progress::Update (core/host.h) and that views understand.
#pragma once

namespace stemsmith {

// The work ends after this many seconds however much of it is left: no estimate of the time left is
// larger.
inline constexpr char kMostSecondsLeft[] = "most_seconds_left";

}  // namespace stemsmith
