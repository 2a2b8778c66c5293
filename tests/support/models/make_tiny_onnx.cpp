// A program that writes a tiny ONNX model for scripts: make_tiny_onnx OUT RATE [GAIN…]. Its stems
// drums, bass, other, vocals … are the mixture times a gain each; without gains its one stem,
// `mixture`, is the mixture.
#include <iostream>

#include "tests/support/models/tiny_onnx.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  if (argc < 3) {
    std::cerr << "usage: make_tiny_onnx OUT RATE [GAIN…]\n";
    return 2;
  }
  Manifest manifest = testing::IdentityManifest(std::stoi(argv[2]));
  std::vector<float> gains;
  for (int i = 3; i < argc; ++i) gains.push_back(std::stof(argv[i]));
  if (gains.empty()) {
    gains.push_back(1);
  } else {
    manifest.stems = testing::TinyManifest(static_cast<int>(gains.size())).stems;
  }
  testing::WriteGainOnnx(argv[1], manifest, gains);
}
