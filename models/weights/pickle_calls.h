// What calls in a pickle mean: inside of the pickle reader.
#pragma once

#include <string>

#include "models/weights/pickle_value.h"

namespace stemsmith {

// What the calls need of the machine.
class PickleBuilder {
 public:
  virtual ~PickleBuilder() = default;
  virtual const PickleNode& node(PickleId id) const = 0;
  virtual Pickle& pickle() = 0;
  virtual PickleId Add(PickleNode node) = 0;
  // Where the table has, or would get, the storage of this key.
  virtual std::size_t StorageIndex(const std::string& key) = 0;
  [[noreturn]] virtual void Fail(const std::string& problem) const = 0;
};

// The value that calling a class with a tuple of arguments gives. Where the pickle does no more
// than make an object (`makes`), that is an inert one of any class; calls that reading weights does
// not need fail.
PickleId CallPickled(PickleBuilder& builder, PickleId callee, PickleId arguments, bool makes);
// What a persistent id names: the storage of ("storage", class, key, location, elements), the class
// of ("module", class, file, source).
PickleId PersistentPickled(PickleBuilder& builder, PickleId id);

}  // namespace stemsmith
