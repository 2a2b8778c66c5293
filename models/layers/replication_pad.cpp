#include "models/layers/replication_pad.h"

#include <vector>

namespace stemsmith {

torch::Tensor ReplicationPad(const torch::Tensor& x, torch::IntArrayRef pad) {
  if (x.is_cuda() && at::globalContext().deterministicAlgorithms())
    return ReplicationPadByCopies(x, pad);
  return pad.size() == 2 ? torch::replication_pad1d(x, pad) : torch::replication_pad2d(x, pad);
}

torch::Tensor ReplicationPadByCopies(const torch::Tensor& x, torch::IntArrayRef pad) {
  torch::Tensor y = x;
  std::int64_t dim = x.dim() - 1;
  for (std::size_t i = 0; i < pad.size(); i += 2, --dim) {
    const auto edge = [&](const torch::Tensor& line, std::int64_t copies) {
      std::vector<std::int64_t> sizes = line.sizes().vec();
      sizes[static_cast<std::size_t>(dim)] = copies;
      return line.expand(sizes);
    };
    y = torch::cat({edge(y.slice(dim, 0, 1), pad[i]), y, edge(y.slice(dim, -1), pad[i + 1])}, dim);
  }
  return y;
}

}  // namespace stemsmith
