#include "audio/stft.h"

#include <thread>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

std::vector<float> Signal(std::size_t frames) {
  const AudioBuffer audio = TestTones(1, frames, 44100);
  return {audio.samples().begin(), audio.samples().end()};
}

// Made with torch 2.11:
//   t = torch.arange(20, dtype=torch.float64); x = torch.sin(0.7 * t) + 0.01 * t * t - 0.5
//   torch.stft(x, 8, 3, window=torch.hann_window(8, dtype=torch.float64), center=True,
//              pad_mode="reflect", return_complex=True)[:, [0, 2, 6]]
TEST(Stft, EqualsTorch) {
  std::vector<float> signal(20);
  for (std::size_t t = 0; t < signal.size(); ++t) {
    const auto time = static_cast<double>(t);
    signal[t] = static_cast<float>(std::sin(0.7 * time) + 0.01 * time * time - 0.5);
  }
  const Stft stft({.n_fft = 8, .hop = 3});
  ASSERT_EQ(stft.bins(), 5);
  ASSERT_EQ(stft.frames_for(signal.size()), 7u);
  const std::vector<std::complex<float>> spectrum = stft.Forward(signal);
  ASSERT_EQ(spectrum.size(), 35u);
  using Complex = std::complex<double>;
  const std::vector<std::pair<std::size_t, std::vector<Complex>>> golden = {
      {0, {0.42145774, 0.407705517, -1.02544973, 0.592294483, -0.37055828}},
      {2,
       {-2.505395107, Complex(2.05395272, -0.492609458), Complex(-0.763436529, 0.315800544),
        Complex(-0.030801175, -0.00635467), -0.014034925}},
      {6,
       {9.826226285, Complex(-5.850603681, 2.151518134), Complex(0.846400388, -1.581654803),
        Complex(0.303357587, 0.458717358), -0.424534872}}};
  for (const auto& [frame, bins] : golden) {
    for (std::size_t f = 0; f < 5; ++f) {
      EXPECT_LT(std::abs(Complex(spectrum[frame * 5 + f]) - bins[f]), 2e-6) << frame << " " << f;
    }
  }
}

TEST(Stft, InverseGivesTheSignalBack) {
  for (const StftOptions& options :
       {StftOptions{4096, 1024}, {2048, 512}, {512, 256}, {8, 3}, {30, 7}}) {
    const Stft stft(options);
    for (const std::size_t length : {static_cast<std::size_t>(options.n_fft) / 2 + 1,
                                     static_cast<std::size_t>(options.n_fft), std::size_t{10007}}) {
      const std::vector<float> signal = Signal(length);
      // A last, partly covered stretch (length no multiple of the hop) still has weight from the
      // frames before.
      EXPECT_LT(LargestDifference(stft.Inverse(stft.Forward(signal), length), signal), 2e-6)
          << options.n_fft << " " << length;
    }
  }
}

TEST(Stft, ServesSeveralThreads) {
  const Stft stft({.n_fft = 1024, .hop = 256});
  const std::vector<float> signal = Signal(20000);
  const auto expected = stft.Forward(signal);
  std::vector<std::thread> threads;
  std::vector<char> same(4, 0);
  for (std::size_t i = 0; i < same.size(); ++i) {
    threads.emplace_back([&, i] { same[i] = stft.Forward(signal) == expected; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, std::vector<char>(4, 1));
}

TEST(Stft, RefusesWhatIsTooShortOrOdd) {
  const Stft stft({.n_fft = 8, .hop = 3});
  EXPECT_THROW(stft.Forward(Signal(4)), Error);
  EXPECT_THROW(Stft({.n_fft = 7, .hop = 2}), Error);
  EXPECT_THROW(Stft({.n_fft = 8, .hop = 0}), Error);
  EXPECT_THROW(Stft({.n_fft = 8, .hop = 9}), Error);
}

}  // namespace
}  // namespace stemsmith::testing
