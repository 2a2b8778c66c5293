// A program that writes a tiny TorchScript model: make_tiny_torchscript OUT GAIN… [--no-manifest].
// A program and not a library, so that the tests of separation run without LibTorch in the process.
#include <torch/script.h>
#include <torch/torch.h>

#include <iostream>
#include <string>
#include <vector>

#include "tests/support/models/tiny_onnx.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  if (argc < 3) {
    std::cerr << "usage: make_tiny_torchscript OUT GAIN… [--no-manifest]\n";
    return 2;
  }
  std::vector<float> gains;
  bool with_manifest = true;
  for (int i = 2; i < argc; ++i) {
    if (std::string(argv[i]) == "--no-manifest") {
      with_manifest = false;
    } else {
      gains.push_back(std::stof(argv[i]));
    }
  }
  const auto stems = static_cast<std::int64_t>(gains.size());
  torch::jit::Module module("gain");
  module.register_buffer("gains", torch::tensor(gains).reshape({stems, 1, 1}));
  module.define("def forward(self, mix):\n  return mix.unsqueeze(1) * self.gains\n");
  torch::jit::ExtraFilesMap extra;
  if (with_manifest) {
    extra[kManifestExtraFile] = testing::TinyManifest(static_cast<int>(stems)).ToJson().dump();
  }
  module.save(argv[1], extra);
  AppendChecksumToArchive(argv[1], kTorchScriptChecksum);
}
