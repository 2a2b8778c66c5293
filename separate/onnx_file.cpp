#include "separate/onnx_file.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <set>
#include <stdexcept>

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// Numbers of fields in onnx.proto3.
enum ModelField : std::uint64_t { kGraph = 7, kMetadata = 14 };
enum EntryField : std::uint64_t { kKey = 1, kValue = 2 };
enum GraphField : std::uint64_t { kNode = 1, kInitializer = 5, kOutput = 12, kValueInfo = 13 };
enum NodeField : std::uint64_t { kNodeInput = 1, kNodeOutput = 2, kOpType = 4, kAttribute = 5 };
enum AttributeField : std::uint64_t { kAttributeName = 1, kInteger = 3, kSubgraph = 6 };
constexpr std::uint64_t kAttributeSubgraphs = 11, kInitializerName = 8, kValueName = 1;

// What ends the reading of files that are no protobuf; it does not leave this file.
struct NoMessage : std::runtime_error {
  NoMessage() : std::runtime_error("") {}
};

// Bytes of a file, with a window so that reading field by field is no call of the system each.
class FileBytes {
 public:
  explicit FileBytes(const fs::path& path) : in_(path, std::ios::binary) {
    std::error_code code;
    size_ = fs::file_size(path, code);
    if (code || !in_) throw NoMessage();
  }
  std::uint64_t size() const { return size_; }

  // Fewer at the file's end. Valid until the next call.
  std::string_view Peek(std::uint64_t at, std::size_t count) {
    if (at < begin_ || at + count > begin_ + window_.size()) {
      begin_ = at;
      window_ = Read(at, std::min<std::uint64_t>(std::max(count, kWindowBytes), size_ - at));
    }
    return std::string_view(window_).substr(at - begin_, count);
  }
  std::string Read(std::uint64_t at, std::uint64_t count) {
    std::string bytes(count, '\0');
    in_.seekg(static_cast<std::streamoff>(at));
    if (!in_.read(bytes.data(), static_cast<std::streamsize>(count))) throw NoMessage();
    return bytes;
  }

 private:
  static constexpr std::size_t kWindowBytes = std::size_t{64} << 10;
  std::ifstream in_;
  std::uint64_t size_ = 0, begin_ = 0;
  std::string window_;
};

struct Field {
  std::uint64_t number = 0;
  std::uint64_t start = 0;           // of the whole field
  std::uint64_t begin = 0, end = 0;  // of its content
  std::uint64_t value = 0;           // of an integer
};

std::uint64_t ReadVarint(FileBytes& file, std::uint64_t& at, std::uint64_t end) {
  std::uint64_t value = 0;
  const std::string_view bytes = file.Peek(at, std::min<std::uint64_t>(10, end - at));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    value |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      at += i + 1;
      return value;
    }
  }
  throw NoMessage();
}

// The fields of the message in [begin, end), one by one.
void ForEachField(FileBytes& file, std::uint64_t begin, std::uint64_t end,
                  const std::function<void(const Field&)>& visit) {
  for (std::uint64_t at = begin; at < end;) {
    Field field{.start = at};
    const std::uint64_t tag = ReadVarint(file, at, end);
    field.number = tag >> 3;
    field.begin = at;
    std::uint64_t size = 0;
    switch (tag & 7) {
      case 0:
        field.value = ReadVarint(file, at, end);
        break;
      case 1:
        size = 8;
        break;
      case 2:
        size = ReadVarint(file, at, end);
        field.begin = at;
        break;
      case 5:
        size = 4;
        break;
      default:
        throw NoMessage();
    }
    if (size > end - at) throw NoMessage();
    at += size;
    field.end = at;
    visit(field);
  }
}

void AppendVarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
std::string FieldHead(std::uint64_t number, std::uint64_t size) {
  std::string head;
  AppendVarint(head, number << 3 | 2);
  AppendVarint(head, size);
  return head;
}
void AppendField(std::string& out, std::uint64_t number, std::string_view content) {
  out += FieldHead(number, content.size());
  out += content;
}

struct Node {
  Field field;
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::int64_t axis = 0;
};

class Graph {
 public:
  Graph(FileBytes& file, const Field& field) : file_(file), field_(field) {
    ForEachField(file, field.begin, field.end, [&](const Field& part) {
      if (part.number == kNode) nodes_.push_back(ReadNode(part));
      if (part.number == kInitializer) weights_.push_back({part, Text(part, kInitializerName)});
      if (part.number == kOutput) outputs_.push_back(Text(part, kValueName));
    });
  }

  // The graph's content with only these inputs of the node that joins the stems; empty where there
  // is no such node, or no weight would go.
  std::string OfStems(const std::vector<std::size_t>& stems, std::size_t stem_count) const {
    const Node* join = outputs_.size() == 1 ? Producer(outputs_.front()) : nullptr;
    if (join != nullptr && join->op == "Identity" && join->inputs.size() == 1)
      join = Producer(join->inputs.front());
    if (join == nullptr || join->op != "Concat" || join->axis != 1 ||
        join->inputs.size() != stem_count || has_subgraphs_)
      return "";
    Node shorter = *join;
    shorter.inputs.clear();
    for (const std::size_t stem : stems) shorter.inputs.push_back(join->inputs[stem]);

    std::set<std::string> used = {outputs_.front()};
    std::set<std::uint64_t> kept;  // fields, by where they start
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
      if (std::none_of(node->outputs.begin(), node->outputs.end(),
                       [&](const std::string& name) { return used.contains(name); }))
        continue;
      kept.insert(node->field.start);
      const Node& reads = &*node == join ? shorter : *node;
      used.insert(reads.inputs.begin(), reads.inputs.end());
    }
    std::uint64_t bytes = 0;
    bool smaller = false;
    for (const auto& [field, name] : weights_) {
      if (used.contains(name)) {
        kept.insert(field.start);
        bytes += field.end - field.start;
      } else {
        smaller = true;
      }
    }
    if (!smaller) return "";
    for (const Node& node : nodes_) bytes += node.field.end - node.field.start;
    return Write(kept, *join, shorter, bytes);
  }

 private:
  std::string Text(const Field& message, std::uint64_t number) const {
    std::string text;
    ForEachField(file_, message.begin, message.end, [&](const Field& part) {
      if (part.number == number) text = file_.Read(part.begin, part.end - part.begin);
    });
    return text;
  }

  Node ReadNode(const Field& field) {
    Node node{.field = field};
    ForEachField(file_, field.begin, field.end, [&](const Field& part) {
      const auto text = [&] { return std::string(file_.Peek(part.begin, part.end - part.begin)); };
      if (part.number == kNodeInput) node.inputs.push_back(text());
      if (part.number == kNodeOutput) node.outputs.push_back(text());
      if (part.number == kOpType) node.op = text();
      if (part.number != kAttribute) return;
      bool is_axis = false;
      std::int64_t integer = 0;
      ForEachField(file_, part.begin, part.end, [&](const Field& item) {
        if (item.number == kAttributeName)
          is_axis = file_.Peek(item.begin, item.end - item.begin) == "axis";
        if (item.number == kInteger) integer = static_cast<std::int64_t>(item.value);
        has_subgraphs_ |= item.number == kSubgraph || item.number == kAttributeSubgraphs;
      });
      if (is_axis) node.axis = integer;
    });
    return node;
  }

  const Node* Producer(const std::string& name) const {
    const auto node = std::find_if(nodes_.rbegin(), nodes_.rend(), [&](const Node& candidate) {
      return std::find(candidate.outputs.begin(), candidate.outputs.end(), name) !=
             candidate.outputs.end();
    });
    return node == nodes_.rend() ? nullptr : &*node;
  }

  std::string Write(const std::set<std::uint64_t>& kept, const Node& join, const Node& shorter,
                    std::uint64_t about_bytes) const {
    std::string out;
    out.reserve(about_bytes + kReservedBytes);
    ForEachField(file_, field_.begin, field_.end, [&](const Field& part) {
      if (part.number == kValueInfo) return;
      if ((part.number == kNode || part.number == kInitializer) && !kept.contains(part.start))
        return;
      if (part.number == kOutput) {
        // A float tensor of a shape that follows: TypeProto.tensor_type.elem_type = FLOAT.
        std::string value;
        AppendField(value, kValueName, outputs_.front());
        AppendField(value, 2, std::string_view("\x0a\x02\x08\x01", 4));
        AppendField(out, kOutput, value);
      } else if (part.start == join.field.start) {
        std::string node;
        for (const std::string& input : shorter.inputs) AppendField(node, kNodeInput, input);
        ForEachField(file_, part.begin, part.end, [&](const Field& item) {
          if (item.number != kNodeInput) node += file_.Read(item.start, item.end - item.start);
        });
        AppendField(out, kNode, node);
      } else {
        out += file_.Read(part.start, part.end - part.start);
      }
    });
    return out;
  }

  // For what is neither node nor weight, and what the caller puts before: weights are not copied
  // once more.
  static constexpr std::size_t kReservedBytes = std::size_t{1} << 20;

  FileBytes& file_;
  Field field_;
  std::vector<Node> nodes_;
  std::vector<std::pair<Field, std::string>> weights_;
  std::vector<std::string> outputs_;
  bool has_subgraphs_ = false;
};

}  // namespace

std::optional<std::string> OnnxMetadata(const fs::path& path, std::string_view key) {
  std::optional<std::string> found;
  try {
    FileBytes file(path);
    ForEachField(file, 0, file.size(), [&](const Field& field) {
      if (field.number != kMetadata) return;
      std::string name, value;
      ForEachField(file, field.begin, field.end, [&](const Field& part) {
        if (part.number == kKey) name = file.Read(part.begin, part.end - part.begin);
        if (part.number == kValue) value = file.Read(part.begin, part.end - part.begin);
      });
      if (name == key) found = std::move(value);
    });
  } catch (const NoMessage&) {
    return std::nullopt;
  }
  return found;
}

std::string OnnxOfStems(const fs::path& path, const std::vector<std::size_t>& stems,
                        std::size_t stem_count) {
  std::string others, graph;  // fields of the model
  try {
    FileBytes file(path);
    ForEachField(file, 0, file.size(), [&](const Field& field) {
      if (field.number == kGraph)
        graph = Graph(file, field).OfStems(stems, stem_count);
      else
        others += file.Read(field.start, field.end - field.start);
    });
  } catch (const NoMessage&) {
    return "";
  }
  if (!graph.empty()) graph.insert(0, others + FieldHead(kGraph, graph.size()));
  return graph;
}

}  // namespace stemsmith
