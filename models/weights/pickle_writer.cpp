#include "models/weights/pickle_writer.h"

#include <cstring>

namespace stemsmith {

PickleWriter::PickleWriter() : bytes_("\x80\x02") {}

void PickleWriter::Integer(std::int64_t value) {
  bytes_ += "\x8a\x08";  // LONG1
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PickleWriter::Float(double value) {
  char raw[sizeof(value)];
  std::memcpy(raw, &value, sizeof(value));
  Op('G');
  bytes_.append(std::reverse_iterator(raw + sizeof(value)), std::reverse_iterator(raw));
}

void PickleWriter::String(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  Op('X');
  bytes_.append(reinterpret_cast<const char*>(&size), sizeof(size));
  bytes_ += text;
}

void PickleWriter::Class(std::string_view module, std::string_view name) {
  Op('c');
  bytes_.append(module).append("\n").append(name).append("\n");
}

void PickleWriter::Json(const nlohmann::ordered_json& value) {
  if (value.is_boolean()) {
    Bool(value.get<bool>());
  } else if (value.is_number_integer()) {
    Integer(value.get<std::int64_t>());
  } else if (value.is_number()) {
    Float(value.get<double>());
  } else if (value.is_string()) {
    String(value.get_ref<const std::string&>());
  } else if (value.is_array()) {
    Mark();
    for (const auto& item : value) Json(item);
    List();
  } else if (value.is_object() && value.value("_type", "") == "fraction") {
    Class("fractions", "Fraction");
    Mark();
    Json(value["numerator"]);
    Json(value["denominator"]);
    Tuple();
    Reduce();
  } else if (value.is_object()) {
    EmptyDict();
    Mark();
    for (const auto& [key, item] : value.items()) {
      String(key);
      Json(item);
    }
    SetItems();
  } else {
    None();
  }
}

void PickleWriter::FloatTensor(const std::string& key, const std::vector<std::int64_t>& sizes) {
  std::int64_t elements = 1;
  for (const std::int64_t size : sizes) elements *= size;
  Class("torch._utils", "_rebuild_tensor_v2");
  Mark();
  Mark();
  String("storage");
  Class("torch", "FloatStorage");
  String(key);
  String("cpu");
  Integer(elements);
  Tuple();
  PersistentId();
  Integer(0);  // offset
  Mark();
  for (const std::int64_t size : sizes) Integer(size);
  Tuple();
  Mark();
  std::int64_t stride = elements;
  for (const std::int64_t size : sizes) {
    stride /= size > 0 ? size : 1;
    Integer(stride);
  }
  Tuple();
  Bool(false);  // requires_grad
  Class("collections", "OrderedDict");
  Mark();
  Tuple();
  Reduce();  // hooks
  Tuple();
  Reduce();
}

std::string PickleWriter::Finish() {
  Op('.');
  return std::move(bytes_);
}

}  // namespace stemsmith
