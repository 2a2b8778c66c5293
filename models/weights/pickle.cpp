#include "models/weights/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "core/error.h"
#include "models/weights/pickle_calls.h"

namespace stemsmith {
namespace {

static_assert(std::endian::native == std::endian::little, "pickles are read as little-endian");

// A node takes about 100 bytes, an opcode at least one: this bounds what a small file can ask for.
constexpr std::size_t kMaxPickleNodes = 4'000'000;
// Weights nest a handful of levels deep, configurations some dozen.
constexpr std::uint16_t kMaxPickleDepth = 500;

constexpr PickleId kNoneId = 0, kFalseId = 1, kTrueId = 2;

class PickleMachine : public PickleBuilder {
 public:
  PickleMachine(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {
    Add({.kind = PickleKind::kNone});
    Add({.kind = PickleKind::kBool, .integer = 0});
    Add({.kind = PickleKind::kBool, .integer = 1});
  }

  Pickle Run() {
    while (true) {
      opcode_at_ = position_;
      const auto opcode = static_cast<unsigned char>(Take(1)[0]);
      if (opcode == '.') break;
      Step(opcode);
    }
    pickle_.root_id = Pop();
    pickle_.bytes_read = position_;
    return std::move(pickle_);
  }

  // PickleBuilder
  const PickleNode& node(PickleId id) const override { return pickle_.nodes[id]; }
  Pickle& pickle() override { return pickle_; }
  PickleId Add(PickleNode node) override {
    if (pickle_.nodes.size() >= kMaxPickleNodes) Fail("it holds too many values");
    std::uint16_t depth = 0;
    for (const PickleId item : node.items)
      depth = std::max(depth, static_cast<std::uint16_t>(depths_[item] + 1));
    CheckDepth(depth);
    pickle_.nodes.push_back(std::move(node));
    depths_.push_back(depth);
    return static_cast<PickleId>(pickle_.nodes.size() - 1);
  }
  std::size_t StorageIndex(const std::string& key) override {
    return storage_indices_.try_emplace(key, pickle_.storages.size()).first->second;
  }
  [[noreturn]] void Fail(const std::string& problem) const override {
    // The tables of torch.nn.Module: modules were pickled, with all that they refer to.
    const bool modules =
        bytes_.find("_parameters") != bytes_.npos && bytes_.find("_modules") != bytes_.npos;
    throw Error::Input("not weights that can be read: " + problem + ", at byte " +
                           std::to_string(opcode_at_) + " of the pickle",
                       where_,
                       modules ? "it holds whole modules: save the weights alone, with Python: "
                                 "torch.save(model.state_dict(), \"weights.pt\")"
                               : "the file is damaged, cut off or of another kind");
  }

 private:
  void Step(unsigned char opcode) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const auto version = Unsigned(1);
        if (version < 2 || version > 5)
          Fail("it is of protocol " + std::to_string(version) + ", read are 2 to 5");
        return;
      }
      case 0x95:  // FRAME
        Unsigned(8);
        return;
      case 'N':
        return Push(kNoneId);
      case 0x88:
        return Push(kTrueId);
      case 0x89:
        return Push(kFalseId);
      case 'K':
        return PushInteger(static_cast<std::int64_t>(Unsigned(1)));
      case 'M':
        return PushInteger(static_cast<std::int64_t>(Unsigned(2)));
      case 'J':
        return PushInteger(static_cast<std::int32_t>(Unsigned(4)));
      case 0x8a:
        return PushLong(Unsigned(1));
      case 0x8b:
        return PushLong(Unsigned(4));
      case 'G':
        return PushFloat();
      case 'X':
        return PushText(PickleKind::kString, Unsigned(4));
      case 0x8c:
        return PushText(PickleKind::kString, Unsigned(1));
      case 0x8d:
        return PushText(PickleKind::kString, Unsigned(8));
      case 'U':  // texts of Python 2
        return PushText(PickleKind::kString, Unsigned(1));
      case 'T':
        return PushText(PickleKind::kString, Unsigned(4));
      case 'C':
        return PushText(PickleKind::kBytes, Unsigned(1));
      case 'B':
        return PushText(PickleKind::kBytes, Unsigned(4));
      case 0x8e:
      case 0x96:
        return PushText(PickleKind::kBytes, Unsigned(8));
      case ']':
        return Push(Add({.kind = PickleKind::kList}));
      case '}':
        return Push(Add({.kind = PickleKind::kDict}));
      case 0x8f:
        return Push(Add({.kind = PickleKind::kSet}));
      case ')':
        return Push(Add({.kind = PickleKind::kTuple}));
      case '(':
        marks_.push_back(stack_.size());
        return;
      case 't':
        return PushMarked(PickleKind::kTuple);
      case 'l':
        return PushMarked(PickleKind::kList);
      case 0x91:
        return PushMarked(PickleKind::kSet);
      case 'd':
        return PushMarked(PickleKind::kDict);
      case 0x85:
      case 0x86:
      case 0x87:
        return PushTuple(opcode - 0x84u);
      case '0':
        Pop();
        return;
      case '1':
        PopMark();
        return;
      case '2':
        return Push(Top());
      case 'a': {
        const PickleId item = Pop();
        return Extend(Top(), PickleKind::kList, {item});
      }
      case 'e': {
        const auto items = PopMark();
        return Extend(Top(), PickleKind::kList, items);
      }
      case 0x90: {
        const auto items = PopMark();
        return Extend(Top(), PickleKind::kSet, items);
      }
      case 's': {
        const PickleId value = Pop();
        const PickleId key = Pop();
        return Extend(Top(), PickleKind::kDict, {key, value});
      }
      case 'u': {
        const auto items = PopMark();
        return Extend(Top(), PickleKind::kDict, items);
      }
      case 'q':
        return Remember(Unsigned(1));
      case 'r':
        return Remember(Unsigned(4));
      case 0x94:
        return Remember(memo_.size());
      case 'h':
        return Recall(Unsigned(1));
      case 'j':
        return Recall(Unsigned(4));
      case 'c': {
        const std::string module(Line());
        return PushClass(module, std::string(Line()));
      }
      case 0x93: {
        const PickleId name = Pop(), module = Pop();
        if (node(name).kind != PickleKind::kString || node(module).kind != PickleKind::kString)
          Fail("the name of a class is no text");
        return PushClass(node(module).text, node(name).text);
      }
      case 'R': {
        const PickleId arguments = Pop(), callee = Pop();
        return Push(CallPickled(*this, callee, arguments, /*makes=*/false));
      }
      case 0x81: {  // NEWOBJ
        const PickleId arguments = Pop(), callee = Pop();
        return Push(CallPickled(*this, callee, arguments, /*makes=*/true));
      }
      case 0x92: {  // NEWOBJ_EX
        Pop();
        const PickleId arguments = Pop(), callee = Pop();
        return Push(CallPickled(*this, callee, arguments, /*makes=*/true));
      }
      case 'b': {
        const PickleId state = Pop();
        PickleNode& target = pickle_.nodes[Top()];
        // Attributes of containers and tensors (a state dict's versions) say nothing of weights.
        if (target.kind == PickleKind::kObject) {
          target.items.resize(1);
          target.items.push_back(state);
          Deepen(Top(), state);
        }
        return;
      }
      case 'Q': {
        const PickleId id = Pop();
        return Push(PersistentPickled(*this, id));
      }
      default:
        Fail("it has the unknown instruction " + std::to_string(opcode));
    }
  }

  std::string_view Take(std::uint64_t count) {
    if (count > bytes_.size() - position_) Fail("it is cut off");
    const std::string_view taken = bytes_.substr(position_, count);
    position_ += count;
    return taken;
  }
  std::uint64_t Unsigned(std::size_t count) {
    std::uint64_t value = 0;
    std::memcpy(&value, Take(count).data(), count);
    return value;
  }
  std::string_view Line() {
    const std::size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) Fail("it is cut off");
    const std::string_view line = Take(end - position_);
    Take(1);
    return line;
  }

  void Push(PickleId id) { stack_.push_back(id); }
  // Nothing below the innermost mark may be taken.
  std::size_t Bottom() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleId Top() const {
    if (stack_.size() <= Bottom()) Fail("its stack runs empty");
    return stack_.back();
  }
  PickleId Pop() {
    const PickleId id = Top();
    stack_.pop_back();
    return id;
  }
  std::vector<PickleId> PopMark() {
    if (marks_.empty()) Fail("a mark is missing");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  void PushInteger(std::int64_t value) {
    Push(Add({.kind = PickleKind::kInteger, .integer = value}));
  }
  void PushLong(std::uint64_t count) {
    const std::string_view raw = Take(count);
    if (count > sizeof(std::int64_t))
      return Push(Add({.kind = PickleKind::kLong, .text = std::string(raw)}));
    std::uint64_t value = 0;
    if (count > 0) {
      std::memcpy(&value, raw.data(), count);
      const bool negative = (static_cast<unsigned char>(raw.back()) & 0x80u) != 0;
      if (negative && count < sizeof(value)) value |= ~std::uint64_t{0} << (8 * count);
    }
    PushInteger(static_cast<std::int64_t>(value));
  }
  void PushFloat() {
    const std::string_view raw = Take(8);
    std::string turned(raw.rbegin(), raw.rend());  // the only big-endian number
    double value = 0;
    std::memcpy(&value, turned.data(), sizeof(value));
    Push(Add({.kind = PickleKind::kFloat, .number = value}));
  }
  void PushText(PickleKind kind, std::uint64_t count) {
    Push(Add({.kind = kind, .text = std::string(Take(count))}));
  }
  void PushClass(const std::string& module, const std::string& name) {
    Push(Add({.kind = PickleKind::kClass, .text = module + "." + name}));
  }
  void PushTuple(std::size_t count) {
    PickleNode tuple{.kind = PickleKind::kTuple};
    tuple.items.resize(count);
    for (std::size_t i = count; i-- > 0;) tuple.items[i] = Pop();
    Push(Add(std::move(tuple)));
  }
  void PushMarked(PickleKind kind) {
    PickleNode container{.kind = kind, .items = PopMark()};
    if (kind == PickleKind::kDict && container.items.size() % 2 != 0) Fail("a key has no value");
    Push(Add(std::move(container)));
  }

  void Extend(PickleId target, PickleKind kind, const std::vector<PickleId>& items) {
    PickleNode& container = pickle_.nodes[target];
    // Inert objects may be lists or dicts beneath; nobody asks what they hold.
    if (container.kind == PickleKind::kObject) return;
    if (container.kind != kind) Fail("it adds to a value that is no container of this kind");
    if (kind == PickleKind::kDict && items.size() % 2 != 0) Fail("a key has no value");
    container.items.insert(container.items.end(), items.begin(), items.end());
    for (const PickleId item : items) Deepen(target, item);
  }
  void Deepen(PickleId target, PickleId item) {
    const auto depth = static_cast<std::uint16_t>(depths_[item] + 1);
    CheckDepth(depth);
    depths_[target] = std::max(depths_[target], depth);
  }
  void CheckDepth(std::uint16_t depth) const {
    if (depth > kMaxPickleDepth) Fail("its values are nested too deeply");
  }

  void Remember(std::uint64_t index) { memo_[index] = Top(); }
  void Recall(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) Fail("it refers to a value that it has not made");
    Push(found->second);
  }

  std::string_view bytes_;
  const std::string& where_;
  std::size_t position_ = 0, opcode_at_ = 0;
  Pickle pickle_;
  std::vector<std::uint16_t> depths_;  // by node; of what it held when it was last added to
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleId> memo_;
  std::unordered_map<std::string, std::size_t> storage_indices_;
};

}  // namespace

Pickle ReadPickle(std::string_view bytes, const std::string& where) {
  return PickleMachine(bytes, where).Run();
}

}  // namespace stemsmith
