// What a pickle holds: values that refer to each other by number. No Python, no torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stemsmith {

enum class ElementType : std::uint8_t {
  kFloat64,
  kFloat32,
  kFloat16,
  kBFloat16,
  kInt64,
  kInt32,
  kInt16,
  kInt8,
  kUInt8,
  kBool,
  // What files may hold beside the weights that are read:
  kComplex64,
  kComplex128,
  kQInt8,
  kQUInt8,
  kQInt32,
  kUntyped,  // bytes of a type that each tensor says
};
std::size_t ElementBytes(ElementType type);

// Raw numbers that lie elsewhere in the file under `key`.
struct PickleStorage {
  std::string key;
  ElementType type = ElementType::kFloat32;
  std::uint64_t elements = 0;
};

// A view of a storage, wholly inside of it and with no more elements than it has.
struct PickleTensor {
  std::size_t storage = 0;
  std::int64_t offset = 0;  // elements
  std::vector<std::int64_t> sizes, strides;
  std::int64_t elements = 0;
  std::string other_type;  // "complex64": its numbers are not read; empty: the storage's type
};

enum class PickleKind : std::uint8_t {
  kNone,
  kBool,
  kInteger,  // 64 bits
  kLong,     // longer: `text` holds its little-endian bytes
  kFloat,
  kString,
  kBytes,
  kList,
  kTuple,
  kSet,
  kDict,
  kFraction,
  kClass,   // text: "module.name"
  kObject,  // inert; text: "module.name", state() where it has one
  kStorage,
  kTensor,
};

using PickleId = std::uint32_t;

struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  std::int64_t integer = 0;  // bool, integer, numerator; storage, tensor: index in the table
  std::int64_t denominator = 1;
  double number = 0;
  std::string text;
  std::vector<PickleId> items;  // dict: key, value, key, value …; object: arguments, state
};

class PickleValue;

// Values refer to each other by number, so that cycles need no care when the memory is freed.
struct Pickle {
  std::vector<PickleNode> nodes;
  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
  PickleId root_id = 0;
  std::size_t bytes_read = 0;  // what lies behind is not part of it

  PickleValue root() const;
};

// A handle; the Pickle must outlive it. Lists may contain themselves: count your steps.
class PickleValue {
 public:
  PickleValue(const Pickle& pickle, PickleId id) : pickle_(&pickle), id_(id) {}
  PickleKind kind() const { return node().kind; }
  bool Is(PickleKind kind) const { return node().kind == kind; }
  bool IsSequence() const { return Is(PickleKind::kList) || Is(PickleKind::kTuple); }
  const PickleNode& node() const { return pickle_->nodes[id_]; }
  const std::string& text() const { return node().text; }

  // Items of a sequence or set; pairs of a dict.
  std::size_t size() const;
  PickleValue item(std::size_t i) const { return {*pickle_, node().items[i]}; }
  PickleValue key(std::size_t i) const { return {*pickle_, node().items[2 * i]}; }
  PickleValue value(std::size_t i) const { return {*pickle_, node().items[2 * i + 1]}; }
  // The last value under a key of a dict; nothing for other kinds.
  std::optional<PickleValue> Find(std::string_view key) const;
  // What an object was filled with.
  std::optional<PickleValue> state() const;
  const PickleTensor& tensor() const;
  const PickleStorage& storage() const;  // of a storage or a tensor

 private:
  const Pickle* pickle_;
  PickleId id_;
};

// Text from a file, cut and quoted so that a message stays one line.
std::string QuotedText(const std::string& text);

// Throws Error for a tensor whose numbers are of a sound type that is not read: complex, of 8 bits.
[[noreturn]] void RefuseType(const std::string& tensor, const std::string& type,
                             const std::string& where);

}  // namespace stemsmith
