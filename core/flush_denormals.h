// Fading reverb tails are full of denormals, which processors compute a hundred times slower.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <cstdint>

namespace stemsmith {

// Takes denormals for zero while it lives: on the calling thread alone, whose setting it puts back
// as it was. Does nothing on processors it does not know.
class FlushDenormals {
 public:
  FlushDenormals() : before_(Control()) { SetControl(before_ | kFlush); }
  ~FlushDenormals() { SetControl(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__SSE2__)
  static constexpr std::uint64_t kFlush = 0x8040;  // of MXCSR: results (FTZ) and operands (DAZ)
  static std::uint64_t Control() { return _mm_getcsr(); }
  static void SetControl(std::uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__)
  static constexpr std::uint64_t kFlush = std::uint64_t{1} << 24;  // of FPCR: FZ
  static std::uint64_t Control() {
    std::uint64_t value = 0;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void SetControl(std::uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
  static constexpr std::uint64_t kFlush = 0;
  static std::uint64_t Control() { return 0; }
  static void SetControl(std::uint64_t) {}
#endif
  const std::uint64_t before_;
};

}  // namespace stemsmith
