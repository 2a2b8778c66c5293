// Tiny versions of all models of the table, one or more of each: tests/models/tiny/NAME.yaml.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/separation_model.h"

namespace stemsmith::testing {

inline Config TinyConfig(const std::string& name) {
  return Config::Load(std::filesystem::path(STEMSMITH_SOURCE_DIR) / "tests/models/tiny" /
                      (name + ".yaml"));
}

inline ModelSetting Setting(int stems = 3, int channels = 2) {
  ModelSetting setting;
  for (int i = 0; i < stems; ++i) setting.stems.push_back("stem" + std::to_string(i));
  setting.channels = channels;
  return setting;
}

// With weights that are the same every time.
inline std::shared_ptr<SeparationModel> TinyModel(const std::string& name,
                                                  const ModelSetting& setting = Setting()) {
  torch::manual_seed(11);
  auto model = MakeModel(TinyConfig(name), setting);
  model->eval();
  return model;
}

// Tiny tensors gain nothing from threads, and lose much where other tests run beside them.
inline const bool kOneThread = (torch::set_num_threads(1), true);

// The row of the model table that it is a version of.
inline std::string RowOf(const std::string& name) {
  return TinyConfig(name).RequiredString("name");
}

// Tests with one instance per tiny version; each file derives its own.
class ModelTableTest : public ::testing::TestWithParam<std::string> {};
inline auto AllModels() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(STEMSMITH_SOURCE_DIR) / "tests/models/tiny"))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return ::testing::ValuesIn(names);
}

}  // namespace stemsmith::testing
