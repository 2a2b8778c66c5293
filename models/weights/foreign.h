// Weights that other programs wrote: Demucs packages and training checkpoints of every kind that
// torch.save or safetensors hold. Reading runs nothing of a file and checks every size.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/checkpoint.h"

namespace stemsmith {

// What a file holds, in the words of the program that wrote it.
struct ForeignModel {
  std::string klass;  // "demucs.htdemucs.HTDemucs"; empty: weights alone
  // Of the class: what it was made with. Fractions are {"_type": "fraction", "numerator": …,
  // "denominator": …}, as in the files of Demucs 4.1.
  nlohmann::ordered_json args = nlohmann::ordered_json::array();
  nlohmann::ordered_json kwargs = nlohmann::ordered_json::object();
  // The configuration that a file without class brings along, in the words of a dialect (a JSON
  // text); empty: none.
  std::string config;
  // In the file's types; tensors may share memory. Of a class: the model's names. Else each name is
  // the path of its keys in the file, "state_dict.model.encoder.bias": ChooseState finds the model.
  NamedTensors state;
  std::vector<std::string> notes;  // for the user: what else was there to take
};
// .th, .pt, .pth, .ckpt (by content) or .safetensors. With a prefix only what is named so in the
// file, without it. The checksum in a name SIG-CHECKSUM.th is compared. Throws Error, also for
// quantised weights and for whole models.
ForeignModel ReadForeignModel(const std::filesystem::path& path, const std::string& prefix = "");

}  // namespace stemsmith
