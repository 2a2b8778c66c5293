#include "models/weights/torch_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "core/files.h"

namespace stemsmith {
namespace {

constexpr char kTorchFileAdvice[] =
    "the file is damaged, cut off or of another kind: copy or download it again";
// Names, sizes and options of the largest training checkpoints take a few MB.
constexpr std::uint64_t kMaxPickleBytes = 64u << 20u;
// 0x1950a86a20f9469cfc6c, as the pickle has it.
constexpr std::string_view kLegacyMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr std::int64_t kLegacyVersion = 1001;

torch::ScalarType ScalarTypeOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat64:
      return torch::kFloat64;
    case ElementType::kFloat32:
      return torch::kFloat32;
    case ElementType::kFloat16:
      return torch::kFloat16;
    case ElementType::kBFloat16:
      return torch::kBFloat16;
    case ElementType::kInt64:
      return torch::kInt64;
    case ElementType::kInt32:
      return torch::kInt32;
    case ElementType::kInt16:
      return torch::kInt16;
    case ElementType::kInt8:
      return torch::kInt8;
    case ElementType::kUInt8:
    case ElementType::kBool:
    default:  // no others are read
      break;
  }
  return torch::kUInt8;  // of booleans too, until their values are known to be 0 or 1
}

std::string FirstBytesOf(const std::filesystem::path& path, std::uint64_t most) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(most, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(most));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& path) : path_(path), where_(path.string()) {
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    throw Error::Input("no such file", where_, "check the path");
  CheckIsFile(path);
  errno = 0;
  if (!std::ifstream(path, std::ios::binary))
    throw Error::System("cannot open the weights", where_, "check its permissions");
  if (FirstBytesOf(path, 2) == "PK") {
    OpenArchive();
  } else {
    OpenLegacy();
  }
}

void TorchFile::OpenArchive() {
  archive_ = std::make_unique<TorchArchive>(path_);
  if (archive_->Has("constants.pkl"))
    throw Error::Input("a TorchScript model, not weights", where_,
                       "import the checkpoint it was made from; separate runs .ts files");
  if (archive_->Has("byteorder")) {
    std::string order(archive_->Size("byteorder"), '\0');
    archive_->Read("byteorder", order.data(), order.size());
    if (order != "little")
      throw Error::Input("weights of a big-endian machine", where_,
                         "save them again on a usual one");
  }
  const std::uint64_t bytes = archive_->Size("data.pkl");
  if (bytes > kMaxPickleBytes)
    throw Error::Input("the description of the weights is impossibly long", where_,
                       kTorchFileAdvice);
  std::string text(bytes, '\0');
  archive_->Read("data.pkl", text.data(), bytes);
  pickle_ = ReadPickle(text, where_);
}

// Magic number, version, system, value, keys of the storages: a pickle each; then for each key the
// number of elements (64 bits) and the raw numbers.
void TorchFile::OpenLegacy() {
  const std::uint64_t file_bytes = std::filesystem::file_size(path_);
  const std::string bytes = FirstBytesOf(path_, std::min(file_bytes, kMaxPickleBytes));
  // Told before anything is read, so that a picture or a text is not called a damaged pickle.
  if (bytes.substr(0, 14) != std::string("\x80\x02\x8a\x0a") + std::string(kLegacyMagic))
    throw Error::Input("not a file that torch.save wrote", where_,
                       "known are .th, .pt, .pth, .ckpt and .safetensors files, bags (.yaml) and "
                       "folders of Open-Unmix");
  std::string_view rest = bytes;
  const auto next = [&] {
    Pickle pickle = ReadPickle(rest, where_);
    rest.remove_prefix(pickle.bytes_read);
    return pickle;
  };
  next();
  if (next().root().node().integer != kLegacyVersion)
    throw Error::Input("weights of an unknown version of torch", where_, kTorchFileAdvice);
  const Pickle system = next();
  const auto little = system.root().Find("little_endian");
  if (little && little->node().integer == 0)
    throw Error::Input("weights of a big-endian machine", where_, "save them again on a usual one");
  pickle_ = next();
  const Pickle keys = next();

  std::map<std::string, const PickleStorage*> named;
  for (const PickleStorage& storage : pickle_.storages) named[storage.key] = &storage;
  std::uint64_t at = bytes.size() - rest.size();
  std::ifstream in(path_, std::ios::binary);
  for (std::size_t i = 0; i < keys.root().size() && keys.root().IsSequence(); ++i) {
    const auto found = named.find(keys.root().item(i).text());
    std::uint64_t elements = 0;
    in.seekg(static_cast<std::streamoff>(at));
    in.read(reinterpret_cast<char*>(&elements), sizeof(elements));
    if (!in || found == named.end() || found->second->elements != elements ||
        elements > (file_bytes - at - sizeof(elements)) / ElementBytes(found->second->type))
      throw Error::Input("a storage is cut off or has another size than its tensors say, at byte " +
                             std::to_string(at),
                         where_, kTorchFileAdvice);
    at += sizeof(elements);
    offsets_[found->first] = at;
    at += elements * ElementBytes(found->second->type);
  }
}

torch::Tensor TorchFile::Storage(const PickleStorage& storage) {
  const auto known = storages_.find(storage.key);
  if (known != storages_.end()) return known->second;
  const std::uint64_t bytes = storage.elements * ElementBytes(storage.type);
  const std::string entry = "data/" + storage.key;
  // Looked up before memory is taken: what a storage claims must lie in the file.
  const auto offset = offsets_.find(storage.key);
  if (archive_ ? archive_->Size(entry) != bytes : offset == offsets_.end())
    throw Error::Input(
        "the numbers of storage " + QuotedText(storage.key) + " are not as many as its tensors say",
        where_, kTorchFileAdvice);
  torch::Tensor data =
      torch::empty({static_cast<std::int64_t>(storage.elements)}, ScalarTypeOf(storage.type));
  if (archive_) {
    archive_->Read(entry, data.data_ptr(), bytes);
  } else if (bytes > 0) {
    std::ifstream in(path_, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(offset->second));
    in.read(static_cast<char*>(data.data_ptr()), static_cast<std::streamsize>(bytes));
    if (!in) throw Error::Input("the file is cut off", where_, kTorchFileAdvice);
  }
  if (storage.type == ElementType::kBool) data = data.ne(0);
  return storages_[storage.key] = data;
}

torch::Tensor TorchFile::Tensor(const PickleValue& value, const std::string& name) {
  const PickleTensor& tensor = value.tensor();
  if (!tensor.other_type.empty()) RefuseType(name, tensor.other_type, where_);
  const torch::Tensor data = Storage(value.storage());
  if (tensor.elements == 0) return torch::empty(tensor.sizes, data.options());
  return data.as_strided(tensor.sizes, tensor.strides, tensor.offset);
}

}  // namespace stemsmith
