#include "models/weights/pickle_value.h"

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace stemsmith {

std::size_t ElementBytes(ElementType type) {
  switch (type) {
    case ElementType::kComplex128:
      return 16;
    case ElementType::kFloat64:
    case ElementType::kInt64:
    case ElementType::kComplex64:
      return 8;
    case ElementType::kFloat32:
    case ElementType::kInt32:
    case ElementType::kQInt32:
      return 4;
    case ElementType::kFloat16:
    case ElementType::kBFloat16:
    case ElementType::kInt16:
      return 2;
    case ElementType::kInt8:
    case ElementType::kUInt8:
    case ElementType::kBool:
    case ElementType::kQInt8:
    case ElementType::kQUInt8:
    case ElementType::kUntyped:
      break;
  }
  return 1;
}

PickleValue Pickle::root() const { return {*this, root_id}; }

std::size_t PickleValue::size() const {
  return Is(PickleKind::kDict) ? node().items.size() / 2 : node().items.size();
}

std::optional<PickleValue> PickleValue::Find(std::string_view key_text) const {
  if (!Is(PickleKind::kDict)) return std::nullopt;
  for (std::size_t i = size(); i-- > 0;)
    if (key(i).Is(PickleKind::kString) && key(i).text() == key_text) return value(i);
  return std::nullopt;
}

std::optional<PickleValue> PickleValue::state() const {
  if (!Is(PickleKind::kObject) || node().items.size() < 2) return std::nullopt;
  return item(1);
}

const PickleTensor& PickleValue::tensor() const {
  return pickle_->tensors[static_cast<std::size_t>(node().integer)];
}

const PickleStorage& PickleValue::storage() const {
  return pickle_->storages[Is(PickleKind::kTensor) ? tensor().storage
                                                   : static_cast<std::size_t>(node().integer)];
}

std::string QuotedText(const std::string& text) {
  return nlohmann::json(text.substr(0, 80))
      .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void RefuseType(const std::string& tensor, const std::string& type, const std::string& where) {
  throw Error::Input("the tensor " + QuotedText(tensor) + " is of the type " + type +
                         ", which is not read",
                     where,
                     "convert it to float32 with Python, or leave it out, and save the file again");
}

}  // namespace stemsmith
