// Where the module of FluidSynth is not there.
#include "synth/fluid.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "core/error.h"

namespace stemsmith::synth {
namespace {

TEST(Fluid, SaysWhichModuleIsMissing) {
  // A process of its own: the module stays loaded once it was found.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const std::filesystem::path font = FindSoundFont({});
        setenv("STEMSMITH_MODULE_DIR", "/nowhere", 1);
        try {
          CheckSoundFont(font);
        } catch (const Error& error) {
          const std::string text = error.what();
          const bool clear =
              text.find("making demo songs needs the module libstemsmith_fluidsynth.so") !=
              std::string::npos;
          _exit(clear ? 42 : 1);
        }
        _exit(2);
      },
      ::testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace stemsmith::synth
