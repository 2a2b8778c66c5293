#include "models/layers/checkpointed.h"

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <map>

#include "models/layers/autocast.h"
#include "tests/models/tiny_models.h"

namespace stemsmith::testing::checkpointed {
namespace {

// What a step leaves behind: the estimates, every gradient and buffer, and where the random stream
// stands.
std::map<std::string, torch::Tensor> Step(SeparationModel& model, bool checkpoints,
                                          std::optional<at::ScalarType> precision = {}) {
  model.train();
  model.UseCheckpoints(checkpoints);
  torch::manual_seed(3);
  const torch::Tensor mix = torch::randn({2, model.setting().channels, 4000});
  std::map<std::string, torch::Tensor> left;
  {
    const AutocastScope scope(torch::kCPU, precision);
    left["the estimates"] = model.forward(mix);
  }
  left["the estimates"].to(torch::kFloat32).square().mean().backward();
  left["the random stream"] = torch::rand({4});
  for (const auto& item : model.named_parameters())
    left["the gradient of " + item.key()] = item.value().grad();
  for (const auto& item : model.named_buffers()) left["the buffer " + item.key()] = item.value();
  for (auto& [name, tensor] : left)
    if (tensor.defined()) tensor = tensor.detach().clone();
  return left;
}

void ExpectSameBits(const std::map<std::string, torch::Tensor>& plain,
                    const std::map<std::string, torch::Tensor>& checkpointed, bool exact = true) {
  ASSERT_EQ(plain.size(), checkpointed.size());
  for (const auto& [name, tensor] : plain) {
    const torch::Tensor& other = checkpointed.at(name);
    ASSERT_EQ(tensor.defined(), other.defined()) << name;
    if (!tensor.defined()) continue;
    EXPECT_EQ(tensor.scalar_type(), other.scalar_type()) << name;
    if (exact || !name.starts_with("the gradient")) {
      EXPECT_TRUE(torch::equal(tensor, other))
          << name << " differs by " << (tensor - other).abs().max();
    } else {
      const double norm = tensor.norm().item<double>();
      EXPECT_LE((tensor - other).norm().item<double>(), 1e-6 * norm) << name;
    }
  }
}

class CheckpointedModel : public ModelTableTest {};

TEST_P(CheckpointedModel, LeavesTheSameBits) {
  if (!TinyModel(GetParam())->has_checkpoints()) return;
  // What the transformer's layers give goes into two others: three gradients to add up.
  const bool exact = RowOf(GetParam()) != "htdemucs";
  ExpectSameBits(Step(*TinyModel(GetParam()), false), Step(*TinyModel(GetParam()), true), exact);
}

// That all models run in mixed precision, and come near what they give in float32.
TEST_P(CheckpointedModel, RunsUnderAutocast) {
  const auto full = Step(*TinyModel(GetParam()), false);
  const auto half = Step(*TinyModel(GetParam()), false, at::kBFloat16);
  const torch::Tensor& expected = full.at("the estimates");
  const torch::Tensor given = half.at("the estimates").to(torch::kFloat32);
  // Eight binary places in every layer.
  EXPECT_LT((given - expected).norm().item<double>(), 0.2 * expected.norm().item<double>());
  for (const auto& [name, tensor] : half) {
    if (!tensor.defined() || !tensor.is_floating_point()) continue;
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, CheckpointedModel, AllModels(),
                         [](const auto& info) { return info.param; });

// Batch statistics and dropout, at a size that shows what is kept.
std::shared_ptr<SeparationModel> Wave(double dropout = 0.5) {
  const Config config = Config::Parse(
      "{name: wave_unet, channels: 8, growth: 1, depth: 5, dropout: " + std::to_string(dropout) +
          "}",
      "test");
  torch::manual_seed(5);
  return MakeModel(config, Setting());
}

TEST(Checkpointed, HoldsUnderAutocast) {
  ExpectSameBits(Step(*Wave(), false, at::kBFloat16), Step(*Wave(), true, at::kBFloat16));
  EXPECT_FALSE(AutocastType(torch::kCPU).has_value());
}

TEST(Checkpointed, TellsDropoutAndStatisticsApart) {
  // The comparison above would see what it is there for.
  EXPECT_FALSE(torch::equal(Step(*Wave(0.5), true)["the estimates"],
                            Step(*Wave(0.0), true)["the estimates"]));
  const auto model = Wave();
  const auto before = model->named_buffers()["encoder.0.norm.running_mean"].clone();
  const auto after = Step(*model, true);
  EXPECT_FALSE(torch::equal(before, after.at("the buffer encoder.0.norm.running_mean")));
  EXPECT_EQ(after.at("the buffer encoder.0.norm.num_batches_tracked").item<std::int64_t>(), 1);
}

TEST(Checkpointed, AddsGradientsUpAsAPlainRunDoes) {
  const auto plain = Wave(), checkpointed = Wave();
  for (int i = 0; i < 2; ++i) {
    Step(*plain, false);
    Step(*checkpointed, true);
  }
  ExpectSameBits(Step(*plain, false), Step(*checkpointed, true));
}

TEST(Checkpointed, LeavesFrozenPartsWithoutGradients) {
  const auto run = [](bool checkpoints) {
    const auto model = Wave();
    for (auto& item : model->named_parameters())
      if (item.key().starts_with("encoder")) item.value().requires_grad_(false);
    return Step(*model, checkpoints);
  };
  ExpectSameBits(run(false), run(true));
}

// Counts what LibTorch's CPU tensors take, now and at most. One thread computes.
class CountingAllocator : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator* inner) : inner_(inner) { current_ = this; }
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const block = inner_->raw_allocate(bytes);
    blocks_[block] = static_cast<std::int64_t>(bytes);
    live_ += static_cast<std::int64_t>(bytes);
    peak_ = std::max(peak_, live_);
    return {block, block, &Free, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  void Reset() { peak_ = live_; }
  std::int64_t peak_above(std::int64_t base) const { return peak_ - base; }
  std::int64_t live() const { return live_; }

 private:
  static void Free(void* block) {
    if (const auto found = current_->blocks_.find(block); found != current_->blocks_.end()) {
      current_->live_ -= found->second;
      current_->blocks_.erase(found);
    }
    current_->inner_->raw_deallocate(block);
  }
  inline static CountingAllocator* current_ = nullptr;
  c10::Allocator* inner_;
  std::map<void*, std::int64_t> blocks_;
  std::int64_t live_ = 0, peak_ = 0;
};

TEST(Checkpointed, TakesLessMemory) {
  static CountingAllocator counter(c10::GetCPUAllocator());  // outlives what it gave
  c10::Allocator* before = c10::GetCPUAllocator();
  const auto peak = [](bool checkpoints) {
    const auto model = Wave();
    model->train();
    model->UseCheckpoints(checkpoints);
    const torch::Tensor mix = torch::randn({1, 2, 1 << 18});
    const std::int64_t base = counter.live();
    counter.Reset();
    model->forward(mix).square().mean().backward();
    return counter.peak_above(base);
  };
  c10::SetCPUAllocator(&counter, /*priority=*/255);
  const std::int64_t plain = peak(false), checkpointed = peak(true);
  c10::SetCPUAllocator(before, /*priority=*/255);
  RecordProperty("plain_bytes", std::to_string(plain));
  RecordProperty("checkpointed_bytes", std::to_string(checkpointed));
  EXPECT_GT(plain, 1 << 20);
  EXPECT_LT(static_cast<double>(checkpointed), 0.8 * static_cast<double>(plain))
      << checkpointed << " of " << plain;
}

}  // namespace
}  // namespace stemsmith::testing::checkpointed
