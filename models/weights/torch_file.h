// A file that Python's torch.save wrote: the zip archives of today or the older format (a chain of
// pickles and raw storages). Nothing in it is run, see pickle.h; every size is checked against the
// file. One thread at a time.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "models/weights/pickle.h"
#include "models/weights/torch_archive.h"

namespace stemsmith {

class TorchFile {
 public:
  // Throws Error for what is no such file, or not a sound one.
  explicit TorchFile(const std::filesystem::path& path);

  PickleValue root() const { return pickle_.root(); }
  // A view of its storage, which is read now. Tensors of one storage share it. `name` is for
  // messages: throws Error for numbers of types that are not read.
  torch::Tensor Tensor(const PickleValue& value, const std::string& name);

 private:
  void OpenArchive();
  void OpenLegacy();
  torch::Tensor Storage(const PickleStorage& storage);

  std::filesystem::path path_;
  std::string where_;
  Pickle pickle_;
  std::unique_ptr<TorchArchive> archive_;         // none: the older format
  std::map<std::string, std::uint64_t> offsets_;  // older format: of each storage's numbers
  std::map<std::string, torch::Tensor> storages_;
};

}  // namespace stemsmith
