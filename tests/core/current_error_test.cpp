#include "core/current_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>
#include <vector>

// Of types that are told by their names.
namespace c10 {
struct Error : std::exception {
  explicit Error(std::string what) : text(std::move(what)) {}
  const char* what() const noexcept override { return text.c_str(); }
  std::string text;
};
}  // namespace c10

namespace stemsmith::testing::current_error_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Said(const std::function<void()>& fail) {
  try {
    fail();
  } catch (...) {
    return CurrentError("song.wav").what();
  }
  return "";
}

struct Case {
  const char* name;
  std::function<void()> fail;
  const char* said;
};

TEST(CurrentError, OthersExceptionsAreOneLineInOurWords) {
  const Case cases[] = {
      {"memory", [] { throw std::bad_alloc(); }, "out of memory (song.wav)"},
      {"a size", [] { std::vector<int>().reserve(SIZE_MAX); }, "out of memory (song.wav)"},
      {"a file", [] { static_cast<void>(std::filesystem::file_size("/no/such/file")); },
       "No such file or directory (/no/such/file)"},
      {"a folder", [] { std::filesystem::create_directory("/proc/x"); }, "(/proc/x)"},
      {"no room",
       [] {
         throw std::filesystem::filesystem_error(
             "x", "out/.a.wav.tmp-1-2.wav", std::make_error_code(std::errc::no_space_on_device));
       },
       "No space left on device (out/a.wav); free some space"},
      {"threads",
       [] {
         throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
       },
       "cannot start a thread: Resource temporarily unavailable"},
      {"json", [] { static_cast<void>(nlohmann::json(3).get<std::string>()); },
       "JSON is damaged (song.wav)"},
      {"json text", [] { const auto value = nlohmann::json::parse("{"); },
       "JSON is damaged (song.wav)"},
      {"a fault of ours", [] { static_cast<void>(std::vector<int>().at(3)); },
       "unexpected fault (std::out_of_range)"},
      {"no exception", [] { throw 3; }, "an unexpected fault"},
      {"LibTorch",
       [] {
         throw c10::Error("The size of tensor a (3) must match b (4)\nException raised from x");
       },
       "LibTorch fails: The size of tensor a (3) must match b (4) (song.wav)"},
      {"LibTorch's memory",
       [] {
         throw c10::Error(
             "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
             "memory: you tried to allocate 80000000000 bytes. Error code 12\nframe #0: x");
       },
       "error"},
      {"an error of ours", [] { throw Error::Usage("what", "where", "advice"); },
       "what (where); advice"},
  };
  for (const Case& test : cases) {
    const std::string said = Said(test.fail);
    const bool memory = std::string(test.name) == "LibTorch's memory";
    EXPECT_THAT(said, HasSubstr(memory ? "out of memory (song.wav)" : test.said)) << test.name;
    for (const char* word : {"\n", "filesystem error", "json.exception", "frame #",
                             "std::bad_alloc", "what():", "enforce", "basic_string"})
      EXPECT_THAT(said, Not(HasSubstr(word))) << test.name;
  }
}

TEST(CurrentError, KeepsTheExitCode) {
  try {
    throw Error::Usage("x", "");
  } catch (...) {
    EXPECT_EQ(CurrentError().code(), ExitCode::kWrongUse);
  }
  try {
    throw 3;
  } catch (...) {
    EXPECT_EQ(CurrentError().code(), ExitCode::kInputFailed);
  }
}

TEST(LibTorchError, SaysWhatAPersonCanRead) {
  const auto said = [](const char* message) {
    return std::string(LibTorchError("the model fails", message, "m.ts", "copy it").what());
  };
  EXPECT_EQ(said("The following operation failed in the TorchScript interpreter.\nTraceback of "
                 "TorchScript (most recent call last):\n  File \"x\", line 3\n    ...\n"
                 "RuntimeError: shape '[1]' is invalid for input of size 4\n"),
            "the model fails: shape '[1]' is invalid for input of size 4 (m.ts); copy it");
  EXPECT_EQ(said("self.dim() == 3 INTERNAL ASSERT FAILED at \"/x/y.cpp\":12, please report a bug"),
            "the model fails: self.dim() == 3 (m.ts); copy it");
  EXPECT_THAT(said("CUDA out of memory. Tried to allocate 2.00 GiB."),
              HasSubstr("the GPU is out of memory"));
  EXPECT_THAT(said("could not create a memory object"), HasSubstr("out of memory (m.ts)"));
  // The backtrace in what() of its exceptions says nothing about what failed.
  EXPECT_EQ(said("wrong sizes\nException raised from Give at /x/y.cpp:1 (most recent call first):\n"
                 "frame #0: throw_bad_alloc + 0x1 (libtorch_cuda.so)\nRuntimeError: frame #1"),
            "the model fails: wrong sizes (m.ts); copy it");
  EXPECT_LT(said(std::string(5000, 'x').c_str()).size(), 400u);
}

// The advice follows the reason, not a guess at the place that failed.
TEST(SystemError, AdviceIsThatForTheReason) {
  const std::pair<int, const char*> cases[] = {
      {ENOSPC, "No space left on device (f); free some space, or choose another disk"},
      {EDQUOT, "; free some space, or choose another disk"},
      {EMFILE, "Too many open files (f); raise the limit of open files (ulimit -n)"},
      {ENFILE, "; raise the limit of open files"},
      {EFBIG, "File too large (f); raise the limit of file sizes (ulimit -f)"},
      {EROFS, "; choose a place that can be written"},
      {ENAMETOOLONG, "; choose a shorter name"},
      {EIO, "; check the disk"},
      {EACCES, "Permission denied (f); what the place knows"},
      {ENOENT, "No such file or directory (f); what the place knows"},
  };
  for (const auto& [reason, said] : cases) {
    errno = reason;
    const Error error = Error::System("cannot write", "f", "what the place knows");
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cannot write: "), HasSubstr(said)));
    EXPECT_STREQ(SystemError(std::error_code(reason, std::generic_category()), "cannot write", "f",
                             "what the place knows")
                     .what(),
                 error.what());
  }
  errno = EACCES;
  EXPECT_THAT(Error::System("x", "f").what(), HasSubstr("; check its permissions"));
}

TEST(Error, NamesTheFinalPath) {
  const std::pair<const char*, const char*> cases[] = {
      {"out/.vocals.wav.tmp-123-4.wav", "out/vocals.wav"},
      {"/a/.files.tmp-123-0/model.onnx", "/a/model.onnx"},
      {"out/.song.tmp-ab12-3-4/drums.wav", "out/song/drums.wav"},
      {".x.h5.tmp-1-1.h5", "x.h5"},
      {"a/b.wav", "a/b.wav"},
      {"the.tmp-file", "the.tmp-file"},
  };
  for (const auto& [path, shown] : cases) {
    EXPECT_EQ(Error::Input("x", path).where(), shown);
    EXPECT_THAT(Error::Input("x", path).what(), HasSubstr(shown));
  }
}

}  // namespace
}  // namespace stemsmith::testing::current_error_test
