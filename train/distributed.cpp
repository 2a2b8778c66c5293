// c10d's headers show their parts by these names, which say what LibTorch was built with.
#define USE_DISTRIBUTED
#define USE_C10D_GLOO
#define USE_RPC
#define USE_TENSORPIPE

#include "train/distributed.h"

#include <c10/util/Logging.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/logger.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "core/text.h"
#include "train/c10d_message.h"
#include "train/nccl.h"

namespace stemsmith {
namespace {

using Milliseconds = std::chrono::milliseconds;

// Gradients travel in buckets, each when all of it is computed: small ones, so that little is left
// to send when the last gradient is there, yet large enough to waste little on each message.
constexpr std::size_t kBucketBytes = std::size_t{1} << 20;
// What few ranks send each other at once rather than by an all-reduce: that passes between threads
// and waits for a message several times, and there every batch norm waits for it.
constexpr std::size_t kDirectBytes = std::size_t{64} << 10;
constexpr int kDirectRanks = 8;
constexpr std::size_t kBroadcastBytes = std::size_t{64} << 20;

constexpr char kFailureKey[] = "stemsmith/failure", kSeenKey[] = "stemsmith/failure_seen";
std::string HereKey(int rank) { return "stemsmith/here/" + std::to_string(rank); }

std::vector<std::uint8_t> Bytes(const std::string& text) { return {text.begin(), text.end()}; }
std::string Text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

// Its own warnings about a connection that is tried again would only hide the error that follows.
void QuietLog() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") != nullptr) {
    c10::initLogging();
  } else {
    FLAGS_caffe2_log_level = 3;
  }
}

std::vector<torch::Tensor> Values(const NamedTensors& named) {
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, tensor] : named) tensors.push_back(tensor.detach());
  return tensors;
}

}  // namespace

struct Ranks::Group {
  Group(const Launch& launch, double timeout_seconds)
      : launch(launch), timeout(static_cast<std::int64_t>(timeout_seconds * 1000)) {
    QuietLog();
    Meet();
    Connect();
  }
  ~Group() { CloseNccl(nccl, /*wait=*/!lost); }

  std::string place() const {
    return "rank " + std::to_string(launch.rank) + " of " + std::to_string(launch.world_size);
  }
  std::string address() const { return launch.address + ":" + std::to_string(launch.port); }

  void Meet() {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(launch.port);
    options.isServer = launch.rank == 0 && !launch.launcher_listens;
    options.waitWorkers = false;
    options.timeout = timeout;
    try {
      store = c10::make_intrusive<c10d::TCPStore>(launch.address, options);
      store->setTimeout(timeout);
      store = c10::make_intrusive<c10d::PrefixStore>(launch.prefix + "/", store);
      store->set(HereKey(launch.rank), Bytes("yes"));
    } catch (const std::exception& error) {
      if (options.isServer) {
        throw Error::Input("cannot listen where the ranks are to meet: " + FirstSentence(error),
                           address(), "set MASTER_PORT to a port that is free on rank 0's machine");
      }
      throw Error::Input("nobody answers where the ranks are to meet: " + FirstSentence(error),
                         address(),
                         "check MASTER_ADDR and MASTER_PORT, and that rank 0 was started");
    }
    std::vector<std::string> keys;
    for (int rank = 0; rank < launch.world_size; ++rank) keys.push_back(HereKey(rank));
    try {
      store->wait(keys, timeout);
    } catch (const std::exception&) {
      throw Error::Input("not all ranks came within " + std::to_string(timeout.count() / 1000) +
                             " s: " + Missing() + " missing",
                         place() + " at " + address(),
                         "see their messages, or raise train.rank_timeout_seconds");
    }
  }

  std::string Missing() const {
    std::vector<std::string> missing;
    for (int rank = 0; rank < launch.world_size; ++rank) {
      bool here = false;
      try {
        here = store->check({HereKey(rank)});
      } catch (const std::exception&) {  // rank 0, which keeps the store, has left meanwhile
      }
      if (!here) missing.push_back(std::to_string(rank));
    }
    return JoinNames(missing);
  }

  void Connect() {
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
    try {
      if (interface != nullptr) {
        options->devices = {c10d::ProcessGroupGloo::createDeviceForInterface(interface)};
      } else if (launch.on_loopback()) {
        options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
      } else {
        options->devices = {c10d::ProcessGroupGloo::createDefaultDevice()};
      }
      auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, launch.rank, launch.world_size,
                                                              options);
      group = c10::make_intrusive<c10d::ProcessGroup>(store, launch.rank, launch.world_size);
      group->setBackend(torch::kCPU, c10d::ProcessGroup::GLOO, gloo);
      group->setDefaultBackend(c10d::ProcessGroup::GLOO);
    } catch (const std::exception& error) {
      throw Error::Input("the ranks cannot connect to each other: " + FirstSentence(error), place(),
                         "several machines must reach each other's ports; GLOO_SOCKET_IFNAME names "
                         "the network interface to use");
    }
  }

  void AddNccl() {
    try {
      nccl = OpenNccl({c10::make_intrusive<c10d::PrefixStore>("nccl/", store), launch.rank,
                       launch.world_size, timeout});
      group->setBackend(torch::kCUDA, c10d::ProcessGroup::NCCL, nccl);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw Error::Input("NCCL does not start: " + FirstSentence(error), place(),
                         "use " + Option("device", "cpu") + ", or one rank");
    }
  }

  // What to say when a collective call fails: the reason that another rank left, or that it left.
  Error Lost(const std::exception& error) {
    lost = true;
    std::string reason;
    try {
      if (store->check({kFailureKey})) {
        reason = Text(store->get(kFailureKey));
        store->add(kSeenKey, 1);
      }
    } catch (const std::exception&) {  // the store is gone with the rank that kept it
    }
    if (!reason.empty()) return Error::Input("another rank failed: " + reason, place());
    return Error::Input("another rank is gone or silent: " + FirstSentence(error), place(),
                        "start all ranks again with " + Option("resume"));
  }

  // Where this rank keeps the store, the others get a moment to read the reason there. They come
  // when their collective calls fail, which they do as soon as the connections are closed.
  void AwaitReaders() {
    CloseNccl(nccl, /*wait=*/false);
    logger.reset();
    reducer.reset();
    group.reset();
    if (launch.launcher_listens) return;
    if (launch.rank != 0) {
      store->add(kSeenKey, 1);  // has an error of its own, and needs no other
      return;
    }
    for (int i = 0; i < 30 && store->add(kSeenKey, 0) + 1 < launch.world_size; ++i)
      std::this_thread::sleep_for(Milliseconds(100));
  }

  template <typename Call>
  void Guard(const Call& call) {
    try {
      call();
    } catch (const std::exception& error) {
      throw Lost(error);
    }
  }

  c10::intrusive_ptr<c10d::Work> StartSum(torch::Tensor tensor) {
    std::vector<torch::Tensor> tensors = {std::move(tensor)};
    return group->allreduce(tensors);
  }

  // Each rank gets all tensors and adds them in the same order.
  void SumDirectly(torch::Tensor& tensor) {
    std::vector<torch::Tensor> all;
    std::vector<c10::intrusive_ptr<c10d::Work>> messages;
    for (int rank = 0; rank < launch.world_size; ++rank) {
      all.push_back(rank == launch.rank ? tensor.contiguous()
                                        : torch::empty_like(tensor, at::MemoryFormat::Contiguous));
      std::vector<torch::Tensor> theirs = {all.back()};
      if (rank != launch.rank) messages.push_back(group->recv(theirs, rank, /*tag=*/0));
    }
    std::vector<torch::Tensor> mine = {all[static_cast<std::size_t>(launch.rank)]};
    for (int rank = 0; rank < launch.world_size; ++rank)
      if (rank != launch.rank) messages.push_back(group->send(mine, rank, /*tag=*/0));
    for (const auto& message : messages) message->wait();
    torch::Tensor sum = all[0].clone();
    for (std::size_t rank = 1; rank < all.size(); ++rank) sum.add_(all[rank]);
    tensor.copy_(sum);
  }

  void BroadcastOne(torch::Tensor tensor, int root) {
    std::vector<torch::Tensor> tensors = {std::move(tensor)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    group->broadcast(tensors, options)->wait();
  }

  std::string BroadcastText(const std::string& text, int root) {
    torch::Tensor size = torch::tensor(static_cast<std::int64_t>(text.size())).view({1});
    BroadcastOne(size, root);
    std::string all = launch.rank == root ? text : std::string();
    all.resize(static_cast<std::size_t>(size.item<std::int64_t>()));
    if (!all.empty()) {
      BroadcastOne(
          torch::from_blob(all.data(), {static_cast<std::int64_t>(all.size())}, torch::kUInt8),
          root);
    }
    return all;
  }

  const Launch launch;
  const Milliseconds timeout;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  NcclBackend nccl;  // in `group`, for tensors on GPUs; null on CPUs
  std::shared_ptr<c10d::Reducer> reducer;
  bool some_unused = false;  // parameters in some losses
  std::shared_ptr<c10d::Logger> logger;
  torch::Tensor figures;
  c10::intrusive_ptr<c10d::Work> exchange;
  bool lost = false;  // another rank's fault, not this one's
};

Ranks::Ranks() = default;
Ranks::~Ranks() = default;

Ranks::Ranks(const Launch& launch, double timeout_seconds) : launch_(launch) {
  if (!launch.launcher.empty()) group_ = std::make_unique<Group>(launch, timeout_seconds);
}

void Ranks::UseGpus() {
  if (group_) group_->AddNccl();
}

std::string Ranks::backend() const { return !group_ ? "" : group_->nccl ? "nccl" : "gloo"; }

std::vector<std::string> Ranks::Gather(const std::string& text) const {
  if (!group_) return {text};
  std::vector<std::string> texts;
  group_->Guard([&] {
    for (int rank = 0; rank < size(); ++rank) texts.push_back(group_->BroadcastText(text, rank));
  });
  return texts;
}

std::string Ranks::Broadcast(const std::string& text) const {
  if (!group_) return text;
  std::string result;
  group_->Guard([&] { result = group_->BroadcastText(text, 0); });
  return result;
}

void Ranks::Broadcast(const NamedTensors& tensors) const {
  if (!group_ || tensors.empty()) return;
  torch::NoGradGuard no_grad;
  group_->Guard(
      [&] { c10d::broadcast_coalesced(group_->group, Values(tensors), kBroadcastBytes, 0); });
}

void Ranks::Sum(torch::Tensor& tensor) const {
  if (!group_ || tensor.numel() == 0) return;
  const bool direct = tensor.is_cpu() && size() <= kDirectRanks && tensor.nbytes() <= kDirectBytes;
  group_->Guard([&] {
    if (direct) {
      group_->SumDirectly(tensor);
    } else {
      group_->StartSum(tensor)->wait();
    }
  });
}

void Ranks::ReduceGradients(const NamedTensors& parameters, bool some) {
  if (!group_) return;
  group_->some_unused = some;
  std::vector<torch::Tensor> tensors;
  std::unordered_map<std::size_t, std::string> names;
  for (const auto& [name, parameter] : parameters) {
    names.emplace(tensors.size(), name);
    tensors.push_back(parameter);
  }
  const std::vector<bool> sparse(tensors.size(), false);
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(tensors, {kBucketBytes}, sparse);
  // Backward gives the gradients of the last layers first.
  std::reverse(buckets.begin(), buckets.end());
  std::reverse(limits.begin(), limits.end());
  group_->Guard([&] {
    group_->reducer = std::make_shared<c10d::Reducer>(
        tensors, buckets, group_->group, sparse, static_cast<std::int64_t>(kBucketBytes),
        /*find_unused_parameters=*/some, /*gradient_as_bucket_view=*/true, names,
        static_cast<std::int64_t>(kBucketBytes), /*skip_all_reduce_unused_params=*/false,
        /*use_python_reducer=*/false, std::vector<std::int64_t>());
    group_->logger = std::make_shared<c10d::Logger>(group_->reducer);
    group_->reducer->set_logger(group_->logger);
  });
}

void Ranks::Backward(const torch::Tensor& loss, bool reduce) {
  if (!group_ || !reduce) return loss.backward();
  c10d::Reducer& reducer = *group_->reducer;
  group_->Guard([&] {
    reducer.prepare_for_forward();
    reducer.rebuild_buckets();
    reducer.prepare_for_backward(group_->some_unused ? std::vector<torch::Tensor>{loss}
                                                     : std::vector<torch::Tensor>());
  });
  try {
    loss.backward();
  } catch (const Error&) {
    throw;  // of a collective call within
  } catch (const c10::DistError& error) {
    throw group_->Lost(error);
  } catch (const c10::Error&) {
    throw;  // LibTorch's own: memory, shapes
  } catch (const std::exception& error) {
    throw group_->Lost(error);  // Gloo's exceptions are no more than that
  }
  try {
    reducer.check_finalized();
  } catch (const c10::Error&) {
    throw Error::Input("some weights take no part in the loss, which several ranks cannot train",
                       group_->place(), "freeze what is not to be trained, or use one rank");
  }
}

void Ranks::Exchange(const StepFigures& mine) {
  figures_ = mine;
  if (!group_) return;
  // [loss, skipped draws, time, whether each signal came …]
  std::vector<double> figures = {mine.loss, static_cast<double>(mine.skipped_draws),
                                 first() && mine.time_is_up ? 1.0 : 0.0};
  for (const int signal : kStopSignals) figures.push_back(mine.signal == signal ? 1.0 : 0.0);
  group_->figures = torch::tensor(figures, torch::kFloat64);
  group_->Guard([&] { group_->exchange = group_->StartSum(group_->figures); });
}

StepFigures Ranks::Exchanged() {
  if (!group_) return figures_;
  group_->Guard([&] { group_->exchange->wait(); });
  const auto sums = group_->figures.accessor<double, 1>();
  StepFigures all;
  all.loss = sums[0] / size();
  all.skipped_draws = static_cast<std::int64_t>(sums[1]);
  all.time_is_up = sums[2] > 0;
  std::int64_t place = 3;
  for (const int signal : kStopSignals)
    if (sums[place++] > 0) all.signal = signal;
  return all;
}

Error Ranks::Failed(const Error& error) {
  if (!group_ || group_->lost) return error;
  const std::string name = "rank " + std::to_string(rank()) + ": ";
  try {
    group_->store->set(kFailureKey, Bytes(name + error.problem()));
    group_->AwaitReaders();
  } catch (const std::exception&) {  // the others will notice that this rank is gone
  }
  return Error(error.code(), name + error.problem(), error.where(), error.advice());
}

}  // namespace stemsmith
