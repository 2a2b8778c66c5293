#include "train/distributed.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <limits>

#include "separate/torch_device.h"
#include "tests/support/error_of.h"
#include "tests/train/rank_threads.h"
#include "tests/train/training_fixture.h"
#include "train/validation.h"

namespace stemsmith {
namespace distributed_test {

using ::testing::ElementsAre;
using testing::FreePort;
using ::testing::HasSubstr;
using testing::MessageOf;
using testing::RankOf;
using testing::RunRanks;

TEST(Ranks, OneRankNeedsNobody) {
  Ranks ranks;
  EXPECT_TRUE(ranks.first());
  EXPECT_FALSE(ranks.several());
  EXPECT_THAT(ranks.Gather("a"), ElementsAre("a"));
  torch::Tensor one = torch::ones({2});
  ranks.Sum(one);
  EXPECT_TRUE(torch::equal(one, torch::ones({2})));
  ranks.Exchange({0.5, 3, SIGINT, true});
  EXPECT_EQ(ranks.Exchanged().loss, 0.5);
  const torch::Tensor weight = torch::ones({2}, torch::requires_grad());
  ranks.ReduceGradients({{"weight", weight}});
  ranks.Backward(weight.sum());
  EXPECT_TRUE(torch::equal(weight.grad(), torch::ones({2})));
}

TEST(Ranks, OneThatALauncherStartedGoesTheWaysOfSeveral) {
  const auto errors = RunRanks(1, [](Ranks& ranks) {
    EXPECT_FALSE(ranks.several());
    EXPECT_EQ(ranks.backend(), "gloo");
    EXPECT_THAT(ranks.Gather("a"), ElementsAre("a"));
    ranks.Exchange({0.5, 3, SIGINT, true});
    EXPECT_EQ(ranks.Exchanged().loss, 0.5);
    torch::Tensor weight = torch::full({2}, 3.0, torch::requires_grad());
    ranks.ReduceGradients({{"weight", weight}});
    ranks.Backward((weight * weight).sum());
    EXPECT_TRUE(torch::equal(weight.grad(), torch::full({2}, 6.0)));
  });
  EXPECT_THAT(errors, ElementsAre(""));
}

#ifdef STEMSMITH_HAS_NCCL
// The module finds all that it needs of LibTorch's CUDA part, and without a GPU it says so.
TEST(Ranks, OnAGpuTalkByNccl) {
  const bool gpu = TorchCudaProblem().empty();
  if (!gpu) {
    Dl_info info{};
    ASSERT_NE(dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info), 0);
    const auto library = std::filesystem::path(info.dli_fname).replace_filename("libtorch_cuda.so");
    ASSERT_NE(dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
  }
  const auto errors = RunRanks(1, [](Ranks& ranks) {
    ranks.UseGpus();
    EXPECT_EQ(ranks.backend(), "nccl");
    torch::Tensor sum = torch::ones({3}, torch::kCUDA);
    ranks.Sum(sum);
    EXPECT_EQ(sum.sum().item<float>(), 3.0f);
  });
  EXPECT_THAT(
      errors[0],
      HasSubstr(gpu ? "" : "NCCL does not start: ProcessGroupNCCL is only supported with GPUs"));
  EXPECT_EQ(errors[0].empty(), gpu);
}
#endif

TEST(Ranks, HandEachOtherTextsTensorsAndFigures) {
  const auto errors = RunRanks(3, [](Ranks& ranks) {
    const std::string mine(static_cast<std::size_t>(ranks.rank()), 'x');
    EXPECT_THAT(ranks.Gather(mine), ElementsAre("", "x", "xx"));
    EXPECT_EQ(ranks.Broadcast("from " + std::to_string(ranks.rank())), "from 0");
    const torch::Tensor floats = torch::full({2, 3}, ranks.rank() + 1.0);
    const torch::Tensor counts = torch::full({}, ranks.rank() + 7, torch::kLong);
    ranks.Broadcast(NamedTensors{{"floats", floats}, {"counts", counts}});
    EXPECT_TRUE(torch::equal(floats, torch::ones({2, 3})));
    EXPECT_EQ(counts.item<std::int64_t>(), 7);
    torch::Tensor sum = torch::full({2}, ranks.rank() + 1.0, torch::kDouble);
    ranks.Sum(sum);
    EXPECT_EQ(sum[1].item<double>(), 6.0);
    for (const std::int64_t size : {3, 100'000}) {  // sent at once, and all-reduced
      torch::Tensor rounded = torch::full({size}, 0.1 * (ranks.rank() + 1), torch::kFloat32);
      ranks.Sum(rounded);
      EXPECT_NEAR(rounded[size - 1].item<float>(), 0.6f, 1e-6f);
      const std::string bits(static_cast<const char*>(rounded.data_ptr()), rounded.nbytes());
      EXPECT_THAT(ranks.Gather(bits), ::testing::Each(::testing::Eq(bits))) << size;
    }
    torch::Tensor across = torch::ones({2, 3}).t();
    ranks.Sum(across);
    EXPECT_TRUE(torch::equal(across, torch::full({3, 2}, 3.0)));

    ranks.Exchange({static_cast<double>(ranks.rank()), 2, ranks.rank() == 1 ? SIGTERM : 0,
                    /*time_is_up=*/ranks.rank() == 2});
    const StepFigures all = ranks.Exchanged();
    EXPECT_DOUBLE_EQ(all.loss, 1.0);
    EXPECT_EQ(all.skipped_draws, 6);
    EXPECT_EQ(all.signal, SIGTERM);
    EXPECT_FALSE(all.time_is_up) << "rank 0 alone looks at its clock";
    const double loss = ranks.rank() == 0 ? std::numeric_limits<double>::quiet_NaN() : 1.0;
    ranks.Exchange({loss, 0, 0, false});
    EXPECT_TRUE(std::isnan(ranks.Exchanged().loss));
  });
  EXPECT_THAT(errors, ElementsAre("", "", ""));
}

TEST(Ranks, GradientsAreTheMeanOverRanksAlsoOfBatchesAddedUp) {
  const auto errors = RunRanks(2, [](Ranks& ranks) {
    torch::Tensor a = torch::full({3}, 2.0, torch::requires_grad());
    torch::Tensor b = torch::ones({600, 1000}, torch::requires_grad());  // a bucket of its own
    ranks.ReduceGradients({{"a", a}, {"b", b}});
    const double share = ranks.rank() == 0 ? 1.0 : 3.0;
    for (int step = 0; step < 3; ++step) {  // buckets are laid out again after the first
      a.mutable_grad().reset();
      b.mutable_grad().reset();
      ranks.Backward((a * a).sum() * share + b.sum() * share, /*reduce=*/false);
      EXPECT_EQ(b.grad()[0][0].item<double>(), share);
      ranks.Backward((a * a).sum() * share + b.sum() * share);
      EXPECT_TRUE(torch::equal(a.grad(), torch::full({3}, 16.0))) << a.grad();
      EXPECT_EQ(b.grad()[599][999].item<double>(), 4.0);
    }
  });
  EXPECT_THAT(errors, ElementsAre("", ""));
}

TEST(Ranks, SayThatSomeWeightsTakeNoPart) {
  const auto errors = RunRanks(2, [](Ranks& ranks) {
    torch::Tensor a = torch::ones({3}, torch::requires_grad());
    torch::Tensor unused = torch::ones({3}, torch::requires_grad());
    ranks.ReduceGradients({{"a", a}, {"unused", unused}});
    ranks.Backward(a.sum());
  });
  EXPECT_THAT(errors, ::testing::Each(HasSubstr("some weights take no part")));
}

TEST(Ranks, TellTheOthersWhyOneFails) {
  const auto errors = RunRanks(3, [](Ranks& ranks) {
    if (ranks.rank() == 1) throw Error::Input("the disk is full", "run");
    ranks.Gather("waiting");
  });
  EXPECT_THAT(errors[0], HasSubstr("another rank"));
  EXPECT_THAT(errors[1], HasSubstr("rank 1: the disk is full (run)"));
  EXPECT_THAT(errors[2], HasSubstr("another rank"));
  EXPECT_THAT(errors[0] + errors[2], HasSubstr("another rank failed: rank 1: the disk is full"));
}

TEST(Ranks, OneThatIsSilentEndsTheOthersWithinTheTimeout) {
  std::promise<void> ended;
  std::future<void> end = ended.get_future();
  const auto errors = RunRanks(
      2,
      [&](Ranks& ranks) {
        if (ranks.rank() == 1) {
          EXPECT_EQ(end.wait_for(std::chrono::minutes(2)), std::future_status::ready)
              << "rank 0 waits on for one that says nothing";
          return;
        }
        try {
          ranks.Gather("waiting");
        } catch (const Error&) {
          ended.set_value();
          throw;
        }
      },
      /*timeout_seconds=*/3);
  EXPECT_THAT(errors[0], HasSubstr("another rank is gone or silent"));
}

TEST(Ranks, OneThatDoesNotComeIsNamed) {
  EXPECT_THAT(MessageOf([] { Ranks(RankOf(0, 3, FreePort()), 1); }),
              HasSubstr("not all ranks came within 1 s: 1, 2 missing"));
}

TEST(Ranks, NobodyAtTheMeetingPoint) {
  const std::string message = MessageOf([] { Ranks(RankOf(1, 2, FreePort()), 1); });
  EXPECT_THAT(message, HasSubstr("nobody answers where the ranks are to meet"));
  EXPECT_THAT(message, HasSubstr("MASTER_ADDR"));
}

TEST(Ranks, DifferentConfigurationsAreRefused) {
  const auto errors = RunRanks(2, [](Ranks& ranks) {
    const std::string threads = ranks.first() ? "1" : "2";
    CheckRanksAgree(ranks, "{dataset: {threads: " + threads + "}, train: {steps: 5}}", "a");
    const std::string steps = ranks.first() ? "5" : "6";
    CheckRanksAgree(ranks, "{dataset: {threads: 1}, train: {steps: " + steps + "}}", "a");
  });
  EXPECT_THAT(errors, ::testing::Each(HasSubstr(
                          "rank 1 has another configuration than rank 0: train.steps: 5 → 6")));
  const auto caches = RunRanks(2, [](Ranks& ranks) {
    CheckRanksAgree(ranks, "{train: {steps: 5}}", ranks.first() ? "a" : "b");
  });
  EXPECT_THAT(caches, ::testing::Each(HasSubstr("rank 1 reads another cache")));
}

TEST(Ranks, ACheckpointReachesAll) {
  const auto errors = RunRanks(2, [](Ranks& ranks) {
    Checkpoint checkpoint;
    if (ranks.first()) {
      checkpoint.weights = {{"w", torch::arange(6, torch::kFloat32).view({2, 3})}};
      checkpoint.training = {{"random.cpu", torch::arange(5, torch::kUInt8)},
                             {"step", torch::full({}, 3.0)}};
      checkpoint.setting.stems = {"a", "b"};
      checkpoint.training_state = {{"step", 7}};
    }
    BroadcastCheckpoint(ranks, checkpoint);
    ASSERT_EQ(checkpoint.weights.size(), 1u);
    EXPECT_TRUE(
        torch::equal(checkpoint.weights[0].second, torch::arange(6, torch::kFloat32).view({2, 3})));
    ASSERT_EQ(checkpoint.training.size(), 2u);
    EXPECT_EQ(checkpoint.training[0].first, "random.cpu");
    EXPECT_TRUE(torch::equal(checkpoint.training[0].second, torch::arange(5, torch::kUInt8)));
    EXPECT_EQ(checkpoint.training[1].second.item<double>(), 3.0);
    EXPECT_EQ(checkpoint.training_state["step"], 7);
    EXPECT_THAT(checkpoint.setting.stems, ElementsAre("a", "b"));
  });
  EXPECT_THAT(errors, ElementsAre("", ""));
}

// Gives every stem a third of the mixture.
class ThirdModel : public SeparationModel {
 public:
  explicit ThirdModel(ModelSetting setting) : SeparationModel(std::move(setting)) {}
  torch::Tensor Separate(const torch::Tensor& mix) override {
    return (mix / 3).unsqueeze(1).expand({-1, 2, -1, -1}).contiguous();
  }
  LengthRule length_rule() const override { return {.dynamic = true}; }
};

TEST(Ranks, ValidationSharedOutGivesTheSameBits) {
  testing::TemporaryFolder folder;
  const CacheReader cache(testing::MakeCache(folder / "cache.h5"));
  ValidationOptions options;
  options.segment_frames = 700;
  options.max_segments = 0;
  options.batch_size = 5;  // 12 segments: batches of 5, 5, 2
  const Validation validation(cache, options);
  const auto figures = [&](const Ranks& ranks) {
    const auto model = std::make_shared<ThirdModel>(
        ModelSetting{cache.stems(), cache.sample_rate_hz(), cache.channels()});
    const Objective objective(Config(), cache, model, torch::kCPU);
    return validation.Run(objective, torch::kCPU, ranks).ToJson(cache.stems()).dump();
  };
  const std::string alone = figures(Ranks());
  const auto errors =
      RunRanks(2, [&](Ranks& ranks) { EXPECT_EQ(figures(ranks), alone) << ranks.rank(); });
  EXPECT_THAT(errors, ElementsAre("", ""));
}

}  // namespace distributed_test
}  // namespace stemsmith
