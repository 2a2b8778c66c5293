// What a file or folder is, by its content, and which command takes it: so that a program that is
// given a file it does not want says where the file belongs. One table of kinds in
// file_content.cpp.
#pragma once

#include <filesystem>
#include <string>

namespace stemsmith {

enum class FileContent {
  kMissing,       // nothing there
  kUnknown,       // not recognised: whoever opens it says what is wrong
  kSong,          // audio or video
  kOnnx,          // a model.onnx
  kTorchScript,   // a model.ts
  kExportFolder,  // model.onnx, model.ts, model.int8.onnx …
  kCheckpoint,    // a .safetensors of ours
  kCheckpoints,   // a folder of .safetensors, as `import` writes it
  kRun,           // a folder of `train`
  kWeights,       // of other programs: torch.save, packages of Demucs, .safetensors without ours
  kAdapters,      // LoRA of any program: a file of lora_A and lora_B alone, a folder of PEFT
  kBag,           // a .yaml that names models of Demucs
  kUnmixFolder,   // of Open-Unmix: separator.json and weights
  kForest,        // of `baseline forest --fit`
  kCache,         // the index of a cache
  kTrackFolder,   // the folder FILE.d beside it
  kConfig,        // a training configuration
  kRecipe,        // stems and their sources
  kHtml,          // a page of the web, as failed downloads leave it
  kLfsPointer,    // what Git LFS leaves in place of a file
  kText,          // any other text
  kFolder,        // any other folder
};

// What a command wants where it is given a file or folder.
enum class FileUse {
  kSeparateModel,  // separate MODEL
  kSeparateSong,   // separate … SONG
  kTrainConfig,    // train CONFIG
  kDatasetRoot,    // prepare and doctor ROOT
  kRecipeFile,     // --recipe
  kCacheFile,      // dataset.cache
  kForestFile,     // baseline forest
  kStartWeights,   // export SOURCE, init.file
  kImportFile,     // import FILE
  kModelConfig,    // import --config
  kAdapterFile,    // import --lora
  kInspectFile,    // inspect FILE
  kWatchRun,       // watch RUN
};

// Reads a few blocks of a file and the names in a folder. Throws nothing.
FileContent ContentOf(const std::filesystem::path& path);

// "a song", "a training run": as it stands in a sentence.
std::string NameOf(FileContent content);

// Throws Error where what is at `path` is recognised and is not what `use` takes: "this is a song,
// not a model (song.wav); separate it: separate MODEL song.wav -o DIR". What is missing or not
// recognised passes, and so does what cannot be read: whoever opens it knows more. An address
// (https://…) does not: nothing here reads one.
void CheckContent(const std::filesystem::path& path, FileUse use);

}  // namespace stemsmith
