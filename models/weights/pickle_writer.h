// Writes pickles of protocol 2: what torch.save would write for packages of weights.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace stemsmith {

class PickleWriter {
 public:
  PickleWriter();
  void None() { Op('N'); }
  void Bool(bool value) { Op(value ? '\x88' : '\x89'); }
  void Integer(std::int64_t value);
  void Float(double value);
  void String(std::string_view text);
  void Class(std::string_view module, std::string_view name);  // GLOBAL
  void Mark() { Op('('); }
  void Tuple() { Op('t'); }  // of all since the mark
  void List() { Op('l'); }   // of all since the mark
  void EmptyDict() { Op('}'); }
  void SetItems() { Op('u'); }  // key, value, … since the mark, into the dict below it
  void Reduce() { Op('R'); }    // calls a class with a tuple
  void NewObject() { Op('\x81'); }
  void Build() { Op('b'); }
  void PersistentId() { Op('Q'); }
  // Plain JSON; {"_type": "fraction", …} becomes a Fraction.
  void Json(const nlohmann::ordered_json& value);
  // A contiguous float tensor whose numbers are the storage `key`.
  void FloatTensor(const std::string& key, const std::vector<std::int64_t>& sizes);
  // Ends the pickle.
  std::string Finish();

 private:
  void Op(char opcode) { bytes_ += opcode; }
  std::string bytes_;
};

}  // namespace stemsmith
