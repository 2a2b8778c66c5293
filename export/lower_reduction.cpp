// Sums, means, variances, extremes and norms over dimensions.
#include "export/lowering.h"

namespace stemsmith {
namespace {

std::string AsOutputType(Call& call, const LoweredTensor& x) {
  return call.b().Cast(x.name, x.type, call.Out().type);
}

void Mean(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  call.Return(
      call.b().ReduceMean(AsOutputType(call, x), call.Dims("dim", x), call.Bool("keepdim", false)));
}

void Sum(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  call.Return(
      call.b().ReduceSum(AsOutputType(call, x), call.Dims("dim", x), call.Bool("keepdim", false)));
}

struct Moments {
  std::string variance, mean;
};

Moments VarianceAndMean(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("self");
  if (x.complex()) call.Unsupported("its argument is complex");
  const std::vector<std::int64_t> dims = call.Dims("dim", x);
  const bool keep = call.Bool("keepdim", false);
  double correction = call.Bool("unbiased", true) ? 1.0 : 0.0;
  correction = call.Double("correction", correction);

  const std::string mean = b.ReduceMean(x.name, dims, /*keep=*/true);
  const std::string centred = b.Emit("Sub", {x.name, mean});
  const std::string squares = b.Emit("Mul", {centred, centred});
  Moments moments{b.ReduceMean(squares, dims, keep), keep ? mean : b.Squeeze(mean, dims)};
  if (correction == 0.0) return moments;
  // From the mean of the squares to their sum over (n - correction).
  LoweredInt count = 1;
  for (const std::int64_t dim : dims) {
    count = b.Multiply(count, b.Dimension(x, static_cast<int>(dim)));
  }
  const std::string n = b.Cast(b.IntName(count), torch::kInt64, torch::kFloat32);
  const std::string factor = b.Emit("Div", {n, b.Emit("Sub", {n, b.Number(correction)})});
  // `factor` is a list of one; a result of rank 0 wants a number.
  const bool scalar = !keep && static_cast<int>(dims.size()) == x.rank();
  moments.variance = b.Emit("Mul", {moments.variance, scalar ? b.Squeeze(factor, {0}) : factor});
  return moments;
}

void Var(Call& call) { call.Return(VarianceAndMean(call).variance); }
void Std(Call& call) { call.Return(call.b().Emit("Sqrt", {VarianceAndMean(call).variance})); }
void VarMean(Call& call) {
  const Moments moments = VarianceAndMean(call);
  call.Return(moments.variance);
  call.Return(moments.mean);
}
void StdMean(Call& call) {
  const Moments moments = VarianceAndMean(call);
  call.Return(call.b().Emit("Sqrt", {moments.variance}));
  call.Return(moments.mean);
}

void Extreme(Call& call, const char* op) {
  const LoweredTensor x = call.Tensor("self");
  if (call.Has("other")) {  // max(a, b)
    call.Return(call.b().Emit(op == std::string("ReduceMax") ? "Max" : "Min",
                              {x.name, call.Tensor("other").name}));
    return;
  }
  if (call.OutCount() != 1) call.Unsupported("positions of the extremes are asked for");
  std::vector<std::int64_t> dims;
  if (call.Has("dim")) {
    dims = call.Dims("dim", x);
  } else {
    for (int d = 0; d < x.rank(); ++d) dims.push_back(d);
  }
  call.Return(call.b().Emit(
      op, {x.name}, {{"axes", dims}, {"keepdims", std::int64_t{call.Bool("keepdim", false)}}}));
}
void Max(Call& call) { Extreme(call, "ReduceMax"); }
void Min(Call& call) { Extreme(call, "ReduceMin"); }

void VectorNorm(Call& call, const char* order_name) {
  const LoweredTensor x = call.Tensor("self");
  const double order = call.Double(order_name, 2.0);
  if (x.complex() || (order != 1.0 && order != 2.0)) {
    call.Unsupported("only orders 1 and 2 of real tensors");
  }
  call.Return(call.b().Emit(
      order == 1.0 ? "ReduceL1" : "ReduceL2", {x.name},
      {{"axes", call.Dims("dim", x)}, {"keepdims", std::int64_t{call.Bool("keepdim", false)}}}));
}
void Norm(Call& call) { VectorNorm(call, "p"); }
void LinalgNorm(Call& call) { VectorNorm(call, "ord"); }

void CumulativeSum(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("self");
  const std::string dim = b.Tensor(torch::tensor(std::int64_t{call.Dim("dim", x)}));
  call.Return(b.Emit("CumSum", {AsOutputType(call, x), dim}));
}

}  // namespace

const RuleTable& ReductionRules() {
  static const RuleTable table = {
      {"aten::mean", Mean},
      {"aten::sum", Sum},
      {"aten::var", Var},
      {"aten::std", Std},
      {"aten::var_mean", VarMean},
      {"aten::std_mean", StdMean},
      {"aten::amax", Max},
      {"aten::amin", Min},
      {"aten::max", Max},
      {"aten::min", Min},
      {"aten::norm", Norm},
      {"aten::linalg_vector_norm", LinalgNorm},
      {"aten::cumsum", CumulativeSum},
  };
  return table;
}

}  // namespace stemsmith
