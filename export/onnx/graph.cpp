#include "export/onnx/graph.h"

#include <algorithm>
#include <set>

namespace stemsmith {

bool IsContribOp(const std::string& op) {
  return std::find(std::begin(kContribOps), std::end(kContribOps), op) != std::end(kContribOps);
}

void RemoveUnused(OnnxGraph& graph) {
  std::set<std::string> used;
  for (const OnnxValueInfo& output : graph.outputs) used.insert(output.name);
  std::vector<OnnxNode> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool needed = std::any_of(node->outputs.begin(), node->outputs.end(),
                                    [&](const std::string& name) { return used.contains(name); });
    if (!needed) continue;
    used.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
  std::erase_if(graph.constants,
                [&](const OnnxTensor& constant) { return !used.contains(constant.name); });
}

}  // namespace stemsmith
