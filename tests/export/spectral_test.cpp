#include <gtest/gtest.h>

#include "tests/export/onnx_check.h"

namespace stemsmith::testing::spectral_test {
namespace {

using torch::Tensor;

struct Sizes {
  std::int64_t n_fft, hop, window;
  const char* pad_mode;
  bool center, normalized;
  std::int64_t length, other_length;  // traced; run at a third one
};

void PrintTo(const Sizes& s, std::ostream* out) {
  *out << s.n_fft << "_hop_" << s.hop << "_" << s.pad_mode << "_length_" << s.length;
}

// Never near 0, so that frames side by side can be inverted: the division by the window would
// enlarge rounding.
Tensor Window(const Sizes& s) { return torch::hann_window(s.window, torch::kFloat32) + 0.1; }

Tensor Stft(const Tensor& x, const Sizes& s) {
  return torch::stft(x.flatten(0, 1), s.n_fft, s.hop, s.window, Window(s), s.center, s.pad_mode,
                     s.normalized, /*onesided=*/true, /*return_complex=*/true);
}

class SpectralRule : public ::testing::TestWithParam<Sizes> {
 protected:
  static OnnxCheckOptions Options() {
    const Sizes& s = GetParam();
    return {.channels = 2,
            .traced_lengths = {s.length, s.other_length},
            .run_lengths = {s.length, 2 * s.other_length + s.hop}};
      }
};

TEST_P(SpectralRule, StftAgreesWithTorch) {
  torch::manual_seed(3);
  const auto forward = [&](const Tensor& x) { return torch::view_as_real(Stft(x, GetParam())); };
  EXPECT_LT(OnnxError(forward, Options()), 1e-6);
}

class InverseSpectralRule : public SpectralRule {};

TEST_P(InverseSpectralRule, FilteredAndInvertedAgreesWithTorch) {
  torch::manual_seed(4);
  const Sizes& s = GetParam();
  const auto forward = [&](const Tensor& x) {
    const Tensor spectrum = Stft(x, s);
    const Tensor filtered = spectrum * torch::linspace(1, 0.1, s.n_fft / 2 + 1).unsqueeze(1);
    return torch::istft(filtered, s.n_fft, s.hop, s.window, Window(s), s.center, s.normalized);
  };
  EXPECT_LT(OnnxError(forward, Options()), 3e-6);
}

const auto kSizes =
    ::testing::Values(Sizes{64, 16, 64, "reflect", true, false, 160, 320},
                      Sizes{64, 32, 64, "constant", true, false, 160, 320},
                      Sizes{64, 64, 64, "reflect", true, false, 192, 320},
                      Sizes{48, 12, 32, "reflect", true, true, 240, 360},  // short window, 6 × 8
                      Sizes{30, 10, 30, "reflect", true, false, 150, 250},
                      Sizes{26, 13, 26, "reflect", false, false, 130, 260},  // 2 × 13
                      Sizes{34, 17, 34, "reflect", true, false, 170, 340},
                      Sizes{7, 1, 7, "reflect", true, false, 40, 60},       // odd and prime
                      Sizes{64, 16, 64, "reflect", true, false, 167, 331},  // odd lengths
                      Sizes{64, 24, 64, "reflect", true, false, 150, 331},  // hop does not divide
                      Sizes{64, 13, 64, "reflect", true, true, 167, 331},
                      Sizes{64, 40, 64, "reflect", false, false, 164, 304},
                      Sizes{1024, 256, 1024, "reflect", true, false, 2048, 4096});
INSTANTIATE_TEST_SUITE_P(Onnx, SpectralRule, kSizes);
INSTANTIATE_TEST_SUITE_P(Onnx, InverseSpectralRule, kSizes);

TEST(SpectralRules, InverseGivesTheLengthAskedFor) {
  torch::manual_seed(5);
  const auto forward = [](const Tensor& x) {
    const Tensor window = torch::hann_window(64, torch::kFloat32);
    const Tensor spectrum =
        torch::stft(x.flatten(0, 1), 64, 16, 64, window, true, "reflect", false, true, true);
    return torch::istft(spectrum, 64, 16, 64, window, true, false, true, 150);
  };
  EXPECT_LT(OnnxError(forward, {.traced_lengths = {160}}), 1e-6);
}

TEST(SpectralRules, FourThousandNinetySixPointsStayExact) {
  torch::manual_seed(6);
  const auto forward = [](const Tensor& x) {
    const Tensor window = torch::hann_window(4096, torch::kFloat32);
    const Tensor spectrum =
        torch::stft(x.flatten(0, 1), 4096, 1024, 4096, window, true, "reflect", false, true, true);
    return torch::istft(spectrum, 4096, 1024, 4096, window);
  };
  EXPECT_LT(OnnxError(forward, {.traced_lengths = {16384, 20480}, .run_lengths = {32768}}), 1e-6);
}

class RealTransform : public ::testing::TestWithParam<std::tuple<int, const char*>> {};

TEST_P(RealTransform, AndItsInverseAgreeWithTorch) {
  torch::manual_seed(7);
  const auto [length, norm] = GetParam();
  const auto forward = [norm = norm](const Tensor& x) {
    const Tensor spectrum = torch::fft::rfft(x, std::nullopt, 2, norm);
    const Tensor doubled = torch::complex(torch::real(spectrum), 2 * torch::imag(spectrum));
    return torch::fft::irfft(doubled, std::nullopt, 2, norm) + spectrum.abs().mean();
  };
  EXPECT_LT(OnnxError(forward, {.channels = 2, .traced_lengths = {length}}), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Onnx, RealTransform,
                         ::testing::Combine(::testing::Values(2, 34, 96, 476),
                                            ::testing::Values("ortho", "backward", "forward")));

struct Case {
  const char* name;
  Tensor (*function)(const Tensor& z);  // of a complex tensor [B, F, N]
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

const Case kComplexCases[] = {
    {"abs", [](const Tensor& z) { return z.abs(); }},
    {"real_imag", [](const Tensor& z) { return torch::real(z) - 2 * torch::imag(z); }},
    {"times_real",
     [](const Tensor& z) { return torch::view_as_real(z * torch::sigmoid(z.abs())); }},
    {"times_complex", [](const Tensor& z) { return torch::view_as_real(z * z); }},
    {"divided", [](const Tensor& z) { return torch::view_as_real(z / (z.abs() + 0.1)); }},
    {"plus", [](const Tensor& z) { return torch::view_as_real(z + 2 * z.conj()); }},
    {"plus_real", [](const Tensor& z) { return torch::view_as_real(z + z.abs()); }},
    {"power", [](const Tensor& z) { return torch::real(z * z.conj()); }},
    {"polar",
     [](const Tensor& z) { return torch::view_as_real(torch::polar(z.abs(), torch::real(z))); }},
    {"complex",
     [](const Tensor& z) {
       return torch::view_as_real(torch::complex(torch::imag(z), torch::real(z)));
     }},
    {"moved", [](const Tensor& z) { return torch::view_as_real(z.transpose(1, 2).unsqueeze(0)); }},
    {"sliced",
     [](const Tensor& z) { return torch::view_as_real(z.slice(-1, 1, -1).slice(1, 0, 5)); }},
    {"flattened", [](const Tensor& z) { return torch::view_as_real(z.flatten(1, 2)); }},
    {"unflattened",
     [](const Tensor& z) {
       return torch::view_as_real(z.unflatten(0, {-1, 2}));
     }},
    {"stacked",
     [](const Tensor& z) {
       return torch::view_as_real(torch::stack({z, z * 2.0}, -1));
     }},
    {"padded",
     [](const Tensor& z) {
       return torch::view_as_real(torch::constant_pad_nd(z, {2, 1, 0, 3}));
     }},
    {"expanded",
     [](const Tensor& z) {
       return torch::view_as_real(z.unsqueeze(1).expand({-1, 3, -1, -1}));
     }},
    {"summed", [](const Tensor& z) { return torch::view_as_real(z.sum(-1)); }},
    {"zeros_like", [](const Tensor& z) { return torch::view_as_real(torch::zeros_like(z) + z); }},
    {"as_complex",
     [](const Tensor& z) {
       const Tensor parts = torch::view_as_real(z) * 0.5;
       return torch::view_as_complex(parts.contiguous()).abs();
     }},
};

class ComplexRule : public ::testing::TestWithParam<Case> {};

TEST_P(ComplexRule, AgreesWithTorchAtOtherSizes) {
  torch::manual_seed(7);
  const auto forward = [](const Tensor& x) {
    const Tensor window = torch::hann_window(16, torch::kFloat32);
    return GetParam().function(
        torch::stft(x.flatten(0, 1), 16, 4, 16, window, true, "reflect", false, true, true));
  };
  EXPECT_LT(OnnxError(forward), 3e-6);
}

INSTANTIATE_TEST_SUITE_P(Onnx, ComplexRule, ::testing::ValuesIn(kComplexCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stemsmith::testing::spectral_test
