// A program that writes a tiny ONNX model for scripts: make_tiny_onnx OUT RATE. Its one stem,
// `mixture`, is the mixture.
#include <iostream>

#include "tests/support/models/tiny_onnx.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  if (argc != 3) {
    std::cerr << "usage: make_tiny_onnx OUT RATE\n";
    return 2;
  }
  testing::WriteGainOnnx(argv[1], testing::IdentityManifest(std::stoi(argv[2])), {1.0f});
}
