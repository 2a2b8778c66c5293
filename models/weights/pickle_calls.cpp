#include "models/weights/pickle_calls.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace stemsmith {
namespace {

constexpr std::int64_t kMaxPickledElements = std::numeric_limits<std::int64_t>::max() / 16;
constexpr std::size_t kMaxPickledDimensions = 32;

struct StorageClass {
  const char* name;
  ElementType type;
  const char* other_type = "";  // of its tensors, where they are not read
};
constexpr StorageClass kStorageClasses[] = {
    {"torch.FloatStorage", ElementType::kFloat32},
    {"torch.HalfStorage", ElementType::kFloat16},
    {"torch.BFloat16Storage", ElementType::kBFloat16},
    {"torch.DoubleStorage", ElementType::kFloat64},
    {"torch.LongStorage", ElementType::kInt64},
    {"torch.IntStorage", ElementType::kInt32},
    {"torch.ShortStorage", ElementType::kInt16},
    {"torch.CharStorage", ElementType::kInt8},
    {"torch.ByteStorage", ElementType::kUInt8},
    {"torch.BoolStorage", ElementType::kBool},
    {"torch.ComplexFloatStorage", ElementType::kComplex64, "complex64"},
    {"torch.ComplexDoubleStorage", ElementType::kComplex128, "complex128"},
    {"torch.QInt8Storage", ElementType::kQInt8, "qint8"},
    {"torch.QUInt8Storage", ElementType::kQUInt8, "quint8"},
    {"torch.QInt32Storage", ElementType::kQInt32, "qint32"},
    {"torch.storage.UntypedStorage", ElementType::kUntyped, "unknown"},
};

std::int64_t IntegerOf(const PickleBuilder& builder, PickleId id, const char* what) {
  if (builder.node(id).kind != PickleKind::kInteger)
    builder.Fail(std::string(what) + " is no number");
  return builder.node(id).integer;
}

std::vector<std::int64_t> IntegersOf(const PickleBuilder& builder, PickleId id, const char* what) {
  const PickleNode& node = builder.node(id);
  if (node.kind != PickleKind::kTuple || node.items.size() > kMaxPickledDimensions)
    builder.Fail(std::string(what) + " are no short tuple");
  std::vector<std::int64_t> numbers;
  for (const PickleId item : node.items) {
    numbers.push_back(IntegerOf(builder, item, what));
    if (numbers.back() < 0) builder.Fail(std::string(what) + " are negative");
  }
  return numbers;
}

// arguments: storage, offset, sizes, strides …
PickleId RebuildTensor(PickleBuilder& builder, const std::vector<PickleId>& arguments) {
  if (arguments.size() < 4 || builder.node(arguments[0]).kind != PickleKind::kStorage)
    builder.Fail("a tensor has no storage");
  PickleTensor tensor;
  tensor.storage = static_cast<std::size_t>(builder.node(arguments[0]).integer);
  tensor.offset = IntegerOf(builder, arguments[1], "a tensor's offset");
  const ElementType type = builder.pickle().storages[tensor.storage].type;
  for (const StorageClass& row : kStorageClasses)
    if (row.type == type) tensor.other_type = row.other_type;
  // What newer types of numbers are pickled with: …, requires_grad, hooks, type.
  constexpr std::string_view kTorch = "torch.";
  if (type == ElementType::kUntyped && arguments.size() > 6 &&
      builder.node(arguments[6]).text.starts_with(kTorch))
    tensor.other_type = builder.node(arguments[6]).text.substr(kTorch.size(), 40);
  tensor.sizes = IntegersOf(builder, arguments[2], "a tensor's sizes");
  tensor.strides = IntegersOf(builder, arguments[3], "a tensor's strides");
  if (tensor.offset < 0) builder.Fail("a tensor's offset is negative");
  if (tensor.sizes.size() != tensor.strides.size())
    builder.Fail("a tensor has not as many strides as sizes");

  const auto stored = static_cast<std::int64_t>(builder.pickle().storages[tensor.storage].elements);
  // Two products: the true one, and one that ignores zeros, which bounds all partial products.
  std::int64_t elements = 1, bound = 1;
  for (const std::int64_t size : tensor.sizes) {
    if (size > 0 && bound > kMaxPickledElements / size)
      builder.Fail("a tensor is impossibly large");
    bound *= std::max<std::int64_t>(size, 1);
    elements *= size;
  }
  tensor.elements = elements;
  if (elements > stored || tensor.offset > stored)
    builder.Fail("a tensor of " + std::to_string(elements) + " elements in a storage of " +
                 std::to_string(stored));
  // The last element must lie in the storage too; each step is bounded by it, so nothing overflows.
  std::int64_t room = elements > 0 ? stored - tensor.offset - 1 : 0;
  for (std::size_t d = 0; d < tensor.sizes.size() && elements > 0; ++d) {
    const std::int64_t steps = tensor.sizes[d] - 1;
    if (steps > 0 && tensor.strides[d] > room / steps) room = -1;
    if (room < 0) break;
    room -= steps > 0 ? steps * tensor.strides[d] : 0;
  }
  if (room < 0) builder.Fail("a tensor reaches beyond its storage");
  std::vector<PickleTensor>& tensors = builder.pickle().tensors;
  tensors.push_back(std::move(tensor));
  return builder.Add(
      {.kind = PickleKind::kTensor, .integer = static_cast<std::int64_t>(tensors.size() - 1)});
}

PickleId RebuildParameter(PickleBuilder& builder, const std::vector<PickleId>& arguments) {
  if (arguments.empty() || builder.node(arguments[0]).kind != PickleKind::kTensor)
    builder.Fail("a parameter is no tensor");
  return arguments[0];
}

// OrderedDict(), defaultdict(class), dict(), and OrderedDict([[key, value], …]) of Python 2.
PickleId RebuildDict(PickleBuilder& builder, const std::vector<PickleId>& arguments) {
  PickleNode dict{.kind = PickleKind::kDict};
  if (!arguments.empty() && builder.node(arguments[0]).kind == PickleKind::kList) {
    for (const PickleId pair : builder.node(arguments[0]).items) {
      if (builder.node(pair).items.size() != 2) builder.Fail("a key has no value");
      dict.items.insert(dict.items.end(), builder.node(pair).items.begin(),
                        builder.node(pair).items.end());
    }
  }
  return builder.Add(std::move(dict));
}

PickleId RebuildSequence(PickleBuilder& builder, PickleKind kind,
                         const std::vector<PickleId>& arguments) {
  PickleNode made{.kind = kind};
  if (!arguments.empty()) {
    const PickleNode& from = builder.node(arguments[0]);
    if (from.kind != PickleKind::kList && from.kind != PickleKind::kTuple)
      builder.Fail("a set or tuple is made of no list");
    made.items = from.items;
  }
  return builder.Add(std::move(made));
}
PickleId RebuildSet(PickleBuilder& builder, const std::vector<PickleId>& arguments) {
  return RebuildSequence(builder, PickleKind::kSet, arguments);
}
PickleId RebuildTuple(PickleBuilder& builder, const std::vector<PickleId>& arguments) {
  return RebuildSequence(builder, PickleKind::kTuple, arguments);
}

// bytes(), bytearray(text or bytes …), encode(text, "latin1").
PickleId RebuildBytes(PickleBuilder& builder, const std::vector<PickleId>& arguments) {
  PickleNode bytes{.kind = PickleKind::kBytes};
  if (!arguments.empty()) bytes.text = builder.node(arguments[0]).text;
  return builder.Add(std::move(bytes));
}

bool ParseWhole(std::string_view text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Fraction("39/5") before Python 3.12, Fraction(39, 5) since.
PickleId RebuildFraction(PickleBuilder& builder, const std::vector<PickleId>& arguments) {
  PickleNode fraction{.kind = PickleKind::kFraction};
  bool sound = false;
  if (arguments.size() == 1 && builder.node(arguments[0]).kind == PickleKind::kString) {
    const std::string_view text = builder.node(arguments[0]).text;
    const std::size_t slash = text.find('/');
    sound = ParseWhole(text.substr(0, slash), fraction.integer) &&
            (slash == std::string_view::npos ||
             ParseWhole(text.substr(slash + 1), fraction.denominator));
  } else if (arguments.size() == 2) {
    fraction.integer = IntegerOf(builder, arguments[0], "a numerator");
    fraction.denominator = IntegerOf(builder, arguments[1], "a denominator");
    sound = true;
  }
  if (!sound || fraction.denominator <= 0) builder.Fail("a fraction is none");
  return builder.Add(std::move(fraction));
}

struct KnownCall {
  const char* name;
  PickleId (*make)(PickleBuilder& builder, const std::vector<PickleId>& arguments);
};
constexpr KnownCall kKnownCalls[] = {
    {"torch._utils._rebuild_tensor_v2", RebuildTensor},
    {"torch._utils._rebuild_tensor_v3", RebuildTensor},
    {"torch._utils._rebuild_tensor", RebuildTensor},
    {"torch._utils._rebuild_qtensor", RebuildTensor},
    {"torch._utils._rebuild_parameter", RebuildParameter},
    {"torch._utils._rebuild_parameter_with_state", RebuildParameter},
    {"collections.OrderedDict", RebuildDict},
    {"collections.defaultdict", RebuildDict},
    {"builtins.dict", RebuildDict},
    {"builtins.set", RebuildSet},
    {"__builtin__.set", RebuildSet},
    {"builtins.frozenset", RebuildSet},
    {"__builtin__.frozenset", RebuildSet},
    {"torch.Size", RebuildTuple},
    {"fractions.Fraction", RebuildFraction},
    {"_codecs.encode", RebuildBytes},
    {"builtins.bytes", RebuildBytes},
    {"__builtin__.bytes", RebuildBytes},
    {"builtins.bytearray", RebuildBytes},
    {"__builtin__.bytearray", RebuildBytes},
};

// Packages whose objects lie beside weights in training files: kept as inert values.
constexpr std::string_view kInertPackages[] = {
    "argparse",       "collections", "datetime",  "demucs",  "diffq", "dora",  "enum",
    "ml_collections", "numpy",       "omegaconf", "pathlib", "torch", "typing"};

bool IsInertName(std::string_view name) {
  const std::string_view package = name.substr(0, name.find('.'));
  return std::find(std::begin(kInertPackages), std::end(kInertPackages), package) !=
         std::end(kInertPackages);
}

}  // namespace

PickleId CallPickled(PickleBuilder& builder, PickleId callee, PickleId arguments, bool makes) {
  if (builder.node(callee).kind != PickleKind::kClass) builder.Fail("it calls what is no class");
  if (builder.node(arguments).kind != PickleKind::kTuple)
    builder.Fail("the arguments of a call are no tuple");
  std::string name = builder.node(callee).text;
  const std::vector<PickleId> given = builder.node(arguments).items;
  for (const KnownCall& call : kKnownCalls)
    if (name == call.name) return call.make(builder, given);
  // copyreg's helper makes an object of the class that is its first argument.
  if ((name == "copyreg._reconstructor" || name == "copy_reg._reconstructor") && !given.empty() &&
      builder.node(given[0]).kind == PickleKind::kClass) {
    name = builder.node(given[0]).text;
    makes = true;
  }
  if (!makes && !IsInertName(name))
    builder.Fail("it wants to call " + QuotedText(name) +
                 ", which reading weights has no need of (nothing was run)");
  return builder.Add({.kind = PickleKind::kObject, .text = name, .items = {arguments}});
}

PickleId PersistentPickled(PickleBuilder& builder, PickleId id) {
  const PickleNode& tuple = builder.node(id);
  // The older format keeps the source text of modules with their class: ("module", class, …).
  if (tuple.kind == PickleKind::kTuple && tuple.items.size() == 4 &&
      builder.node(tuple.items[0]).text == "module" &&
      builder.node(tuple.items[1]).kind == PickleKind::kClass)
    return tuple.items[1];
  if (tuple.kind != PickleKind::kTuple || tuple.items.size() < 5)
    builder.Fail("the name of a storage is no tuple of five");
  const PickleNode& tag = builder.node(tuple.items[0]);
  const PickleNode& storage_class = builder.node(tuple.items[1]);
  const PickleNode& key = builder.node(tuple.items[2]);
  if (tag.text != "storage" || storage_class.kind != PickleKind::kClass ||
      key.kind != PickleKind::kString)
    builder.Fail("the name of a storage has other parts");
  if (tuple.items.size() > 5 && builder.node(tuple.items[5]).kind != PickleKind::kNone)
    builder.Fail("a storage is part of another storage");
  const auto* row = std::find_if(
      std::begin(kStorageClasses), std::end(kStorageClasses),
      [&](const StorageClass& candidate) { return storage_class.text == candidate.name; });
  if (row == std::end(kStorageClasses))
    builder.Fail("a storage is of the unknown type " + QuotedText(storage_class.text));
  const std::int64_t elements = IntegerOf(builder, tuple.items[4], "a storage's size");
  if (elements < 0 || elements > kMaxPickledElements) builder.Fail("a storage is impossibly large");

  std::vector<PickleStorage>& storages = builder.pickle().storages;
  const PickleStorage made{key.text, row->type, static_cast<std::uint64_t>(elements)};
  std::size_t index = builder.StorageIndex(made.key);
  if (index == storages.size()) {
    storages.push_back(made);
  } else if (storages[index].type != made.type || storages[index].elements != made.elements) {
    builder.Fail("a storage is named twice with different sizes or types");
  }
  return builder.Add({.kind = PickleKind::kStorage, .integer = static_cast<std::int64_t>(index)});
}

}  // namespace stemsmith
