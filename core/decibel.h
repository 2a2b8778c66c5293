// Decibels and what they stand for.
#pragma once

#include <cmath>

namespace stemsmith {

// The factor of samples that changes their level by `db`.
inline double GainFromDb(double db) { return std::pow(10.0, db / 20.0); }

// The mean square of a level.
inline double PowerFromDb(double db) { return std::pow(10.0, db / 10.0); }

// The level of a mean square, at least `lowest_db`, which silence has.
inline double PowerToDb(double power, double lowest_db) {
  return power > 0.0 ? std::fmax(lowest_db, 10.0 * std::log10(power)) : lowest_db;
}

}  // namespace stemsmith
