// The safetensors container: u64 little-endian header length, a JSON header, raw little-endian
// data. Files come from anywhere, so every number is checked before it is used.
#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <set>
#include <string_view>

#include "core/checksum.h"
#include "core/error.h"
#include "core/files.h"
#include "models/checkpoint.h"
#include "models/weights/pickle_value.h"

namespace stemsmith {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are stored little-endian");

using OrderedJson = nlohmann::ordered_json;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation
constexpr std::size_t kMaxDimensions = 32;
constexpr char kMetadata[] = "__metadata__";
constexpr char kChecksumKey[] = "stemsmith.checksum";
constexpr char kDamagedAdvice[] =
    "the file is damaged, cut off or of another kind: copy or download it again";
// The header's first entry. Other writers put no spaces there, so that files with the metadata of
// ours and other content are not taken for ours.
constexpr ChecksumField kChecksum{R"({"__metadata__": {"stemsmith.checksum": "xxh3:)",
                                  sizeof(std::uint64_t)};

struct TypeName {
  const char* name;
  torch::ScalarType type;
};
constexpr TypeName kTypes[] = {
    {"F64", torch::kFloat64},   {"F32", torch::kFloat32}, {"F16", torch::kFloat16},
    {"BF16", torch::kBFloat16}, {"I64", torch::kInt64},   {"I32", torch::kInt32},
    {"I16", torch::kInt16},     {"I8", torch::kInt8},     {"U8", torch::kUInt8},
    {"BOOL", torch::kBool},
};

// Sound types of the format, which no weights of models here are in.
constexpr std::string_view kOtherTypes[] = {
    "F4",          "F6_E2M3",     "F6_E3M2", "F8_E4M3", "F8_E5M2", "F8_E8M0",
    "F8_E4M3FNUZ", "F8_E5M2FNUZ", "U16",     "U32",     "U64",     "C64",
};

const char* NameOf(torch::ScalarType type) {
  for (const TypeName& row : kTypes)
    if (row.type == type) return row.name;
  return nullptr;
}

struct Entry {
  std::string name;
  torch::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;  // in the data part
};

class HeaderParser {
 public:
  HeaderParser(const std::filesystem::path& path, std::uint64_t data_bytes)
      : where_(path.string()), data_bytes_(data_bytes) {}

  // Fills `entries` in the header's order.
  void Parse(const std::string& text, std::vector<Entry>& entries,
             std::vector<std::pair<std::string, std::string>>& metadata) const {
    const OrderedJson header = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!header.is_object()) Fail("its header is not a JSON object");
    std::set<std::string> names;
    for (const auto& [key, value] : header.items()) {
      if (!names.insert(key).second) Fail("it names " + QuotedText(key) + " twice");
      if (key == kMetadata) {
        if (!value.is_object()) Fail("its metadata is not a JSON object");
        for (const auto& [name, entry] : value.items()) {
          if (!entry.is_string()) Fail("the metadata entry " + QuotedText(name) + " is not a text");
          if (name == kChecksumKey) continue;  // of the file, not of what it holds
          metadata.emplace_back(name, entry.get<std::string>());
        }
      } else {
        entries.push_back(ParseEntry(key, value));
      }
    }
    CheckLayout(entries);
  }

  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error::Input("not a sound safetensors file: " + problem, where_, kDamagedAdvice);
  }

 private:
  Entry ParseEntry(const std::string& name, const OrderedJson& value) const {
    const std::string tensor = "tensor " + QuotedText(name);
    if (!value.is_object()) Fail(tensor + " is not described by a JSON object");
    const auto type = value.find("dtype");
    const auto shape = value.find("shape");
    const auto offsets = value.find("data_offsets");
    if (type == value.end() || !type->is_string()) Fail(tensor + " has no dtype");
    if (shape == value.end() || !shape->is_array() || shape->size() > kMaxDimensions)
      Fail(tensor + " has no sensible shape");
    if (offsets == value.end() || !offsets->is_array() || offsets->size() != 2 ||
        !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned())
      Fail(tensor + " has no data_offsets");

    Entry entry{name,
                torch::kFloat32,
                {},
                (*offsets)[0].get<std::uint64_t>(),
                (*offsets)[1].get<std::uint64_t>()};
    const auto type_name = type->get<std::string>();
    const auto* row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const TypeName& t) { return type_name == t.name; });
    if (std::find(std::begin(kOtherTypes), std::end(kOtherTypes), type_name) !=
        std::end(kOtherTypes))
      RefuseType(name, type_name, where_);
    if (row == std::end(kTypes)) Fail(tensor + " has the unknown dtype " + QuotedText(type_name));
    entry.type = row->type;

    const auto element_bytes = static_cast<std::uint64_t>(torch::elementSize(entry.type));
    // Two products: the true one, and one that ignores zeros, which bounds the strides.
    std::uint64_t bytes = element_bytes, stride_bytes = element_bytes;
    constexpr auto kLimit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    for (const OrderedJson& item : *shape) {
      if (!item.is_number_unsigned()) Fail(tensor + " has a shape that is no list of sizes");
      const auto size = item.get<std::uint64_t>();
      if (size > kLimit / stride_bytes) Fail(tensor + " has an impossibly large shape");
      stride_bytes *= std::max<std::uint64_t>(size, 1);
      bytes *= size;
      entry.shape.push_back(static_cast<std::int64_t>(size));
    }
    if (entry.begin > entry.end || entry.end > data_bytes_)
      Fail(tensor + " lies outside the file's " + std::to_string(data_bytes_) + " bytes of data");
    if (entry.end - entry.begin != bytes)
      Fail(tensor + " takes " + std::to_string(entry.end - entry.begin) +
           " bytes where its shape needs " + std::to_string(bytes));
    return entry;
  }

  // Tensors must follow each other without overlap or gap and fill the file: so says the format,
  // and so a file that was cut off is noticed.
  void CheckLayout(const std::vector<Entry>& entries) const {
    std::vector<const Entry*> sorted;
    for (const Entry& entry : entries) sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    std::uint64_t expected = 0;
    for (const Entry* entry : sorted) {
      if (entry->begin != expected)
        Fail("tensor " + QuotedText(entry->name) +
             (entry->begin < expected ? " overlaps its neighbour" : " leaves a gap before it"));
      expected = entry->end;
    }
    if (expected != data_bytes_) Fail("data behind the last tensor");
  }

  std::string where_;
  std::uint64_t data_bytes_;
};

}  // namespace

void SaveSafetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                     const std::vector<std::pair<std::string, std::string>>& metadata) {
  // Larger elements first, so that every tensor is aligned for readers that map the file.
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return tensors[a].second.element_size() > tensors[b].second.element_size();
  });
  std::vector<std::uint64_t> begins(tensors.size());
  std::uint64_t position = 0;
  for (const std::size_t i : order) {
    begins[i] = position;
    position += tensors[i].second.numel() * tensors[i].second.element_size();
  }
  OrderedJson header = OrderedJson::object();
  OrderedJson entries = OrderedJson::object();
  for (const auto& [key, value] : metadata) entries[key] = value;
  header[kMetadata] = std::move(entries);
  std::set<std::string> names{kMetadata};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    const char* type = NameOf(tensor.scalar_type());
    TORCH_CHECK(type != nullptr, "safetensors has no type for ", tensor.scalar_type());
    TORCH_CHECK(names.insert(name).second, "two tensors are named ", name);
    header.push_back(
        {name, OrderedJson{{"dtype", type},
                           {"shape", tensor.sizes().vec()},
                           {"data_offsets",
                            {begins[i], begins[i] + tensor.numel() * tensor.element_size()}}}});
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // {"__metadata__":{ … becomes the checksum's field and what follows it.
  text.replace(0, std::strlen(R"({"__metadata__":{)"),
               kChecksum.Unfilled() + (metadata.empty() ? "\"" : "\","));
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t header_bytes = text.size();

  PendingFile pending(path);
  errno = 0;
  std::ofstream out(pending.path(), std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes));
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const std::size_t i : order) {
    if (!out) break;
    const torch::Tensor data = tensors[i].second.detach().to(torch::kCPU).contiguous();
    if (data.numel() == 0) continue;
    out.write(static_cast<const char*>(data.data_ptr()),
              static_cast<std::streamsize>(data.numel() * data.element_size()));
  }
  out.close();
  if (!out) throw Error::Write("cannot write the weights", path.string());
  FillChecksum(pending.path(), kChecksum);
  pending.Commit();
}

SafetensorsFile LoadSafetensors(const std::filesystem::path& path) {
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    throw Error::Input("no such file", path.string(), "check the path");
  CheckIsFile(path);
  const std::uint64_t file_bytes = std::filesystem::file_size(path, code);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (code || !in)
    throw Error::System("cannot open the weights", path.string(), "check its permissions");
  SafetensorsFile file;
  file.has_checksum = CheckChecksum(path, kChecksum, kDamagedAdvice) == ChecksumState::kMatches;

  std::uint64_t header_bytes = 0;
  const HeaderParser shape_of_file(path, 0);
  if (file_bytes < sizeof(header_bytes))
    shape_of_file.Fail("it is only " + std::to_string(file_bytes) + " bytes long");
  in.read(reinterpret_cast<char*>(&header_bytes), sizeof(header_bytes));
  if (!in || header_bytes > kMaxHeaderBytes || header_bytes > file_bytes - sizeof(header_bytes))
    shape_of_file.Fail("its header is longer than the file");
  std::string text(header_bytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in) shape_of_file.Fail("its header cannot be read");

  const std::uint64_t data_begin = sizeof(header_bytes) + header_bytes;
  const HeaderParser parser(path, file_bytes - data_begin);
  std::vector<Entry> entries;
  parser.Parse(text, entries, file.metadata);
  for (const Entry& entry : entries) {
    // Booleans are read as bytes: any other value than 0 and 1 in a bool is undefined behaviour.
    const bool is_bool = entry.type == torch::kBool;
    torch::Tensor tensor = torch::empty(entry.shape, is_bool ? torch::kUInt8 : entry.type);
    if (entry.end > entry.begin) {
      in.seekg(static_cast<std::streamoff>(data_begin + entry.begin));
      in.read(static_cast<char*>(tensor.data_ptr()),
              static_cast<std::streamsize>(entry.end - entry.begin));
      if (!in) parser.Fail("tensor " + QuotedText(entry.name) + " cannot be read");
    }
    file.tensors.emplace_back(entry.name, is_bool ? tensor.ne(0) : tensor);
  }
  return file;
}

}  // namespace stemsmith
