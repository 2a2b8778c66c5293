#include "models/weights/import.h"

#include <gmock/gmock.h>
#include <zip.h>

#include <cstring>
#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "core/sha256.h"
#include "models/weights/package.h"
#include "models/weights/pickle_writer.h"
#include "models/weights/torch_file.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace import_test {

namespace fs = std::filesystem;

Checkpoint TinyCheckpoint(int stems = 3, std::int64_t seed = 11, int channels = 2) {
  torch::manual_seed(seed);
  Checkpoint checkpoint;
  checkpoint.model_config = "{name: demucs_v2, channels: 4, depth: 3}";
  checkpoint.setting = Setting(stems, channels);
  checkpoint.segment_frames = 12345;
  const auto model = MakeModel(Config::Parse(checkpoint.model_config, "x"), checkpoint.setting);
  for (const auto& [name, tensor] : model->StateDict())
    checkpoint.weights.emplace_back(name, tensor.clone());
  return checkpoint;
}

void ExpectSameWeights(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_TRUE(torch::equal(a[i].second, b[i].second)) << a[i].first;
  }
}

std::string Problem(const fs::path& path, const ImportOptions& options = {}) {
  const std::string text = MessageOf([&] { ImportWeights(path, options); });
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  return text;
}

// An archive as torch.save makes it, with one pickle and what else is given.
void WriteZip(const fs::path& path, const std::vector<std::pair<std::string, std::string>>& entries,
              bool deflate = false) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, ("archive/" + name).c_str(), source, 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index),
                             deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

// {"a": tensor of `sizes`}
std::string StatePickle(const std::vector<std::int64_t>& sizes) {
  PickleWriter writer;
  writer.EmptyDict();
  writer.Mark();
  writer.String("a");
  writer.FloatTensor("0", sizes);
  writer.SetItems();
  return writer.Finish();
}

TEST(Sha256, GivesTheStandardsDigests) {
  EXPECT_EQ(Sha256().Hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 abc;
  abc.Update("abc", 3);
  EXPECT_EQ(abc.Hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 million;
  const std::string part(997, 'a');
  for (int i = 0; i < 1003; ++i) million.Update(part.data(), part.size());
  million.Update(part.data(), 1000000 - 997 * 1003);
  EXPECT_EQ(million.Hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Import, TakesBackWhatPackagesHold) {
  const TemporaryFolder folder;
  const Checkpoint checkpoint = TinyCheckpoint();
  for (const std::string format : {"th", "safetensors"}) {
    const auto files = WritePackage(checkpoint, "x", {folder.path(), "sig", format});
    ASSERT_EQ(files.size(), 1u);
    const std::string checksum = Sha256OfFile(files[0]).substr(0, 8);
    EXPECT_EQ(files[0].filename(),
              format == "th" ? "sig-" + checksum + ".th" : std::string("sig.safetensors"));
    const ImportedModel imported = ImportWeights(files[0], {});
    ExpectSameWeights(imported.checkpoint.weights, checkpoint.weights);
    EXPECT_EQ(imported.checkpoint.setting.stems, checkpoint.setting.stems);
    EXPECT_EQ(imported.checkpoint.segment_frames, checkpoint.segment_frames);
    EXPECT_EQ(imported.checkpoint.song_normalization, SongNormalization::kMeanStd);
    EXPECT_EQ(imported.checkpoint.tail, Tail::kContext);
    SaveCheckpoint(folder / "own.safetensors", imported.checkpoint);
    const Checkpoint again = LoadCheckpoint(folder / "own.safetensors");
    EXPECT_EQ(again.song_normalization, SongNormalization::kMeanStd);
    EXPECT_EQ(again.tail, Tail::kContext);
    ModelFromCheckpoint(again);
  }
}

TEST(Import, ComparesTheChecksumInTheName) {
  const TemporaryFolder folder;
  const auto file = WritePackage(TinyCheckpoint(), "x", {folder.path(), "sig", "th"})[0];
  fs::rename(file, folder / "sig-01234567.th");
  EXPECT_NE(Problem(folder / "sig-01234567.th").find("checksum"), std::string::npos);
}

TEST(Import, OtherStemsAreNamedAndPartlyKept) {
  const TemporaryFolder folder;
  const auto file = WritePackage(TinyCheckpoint(4), "x", {folder.path(), "sig", "th"})[0];
  std::ofstream(folder / "model.yaml")
      << "model: {name: demucs_v2, channels: 4, depth: 3}\nstems: [kick, rest]\n";
  ImportOptions options;
  options.config = folder / "model.yaml";
  const std::string problem = Problem(file, options);
  EXPECT_NE(problem.find("decoder.2.2.weight [4, 8, 8] for [4, 4, 8]"), std::string::npos)
      << problem;
  EXPECT_NE(problem.find("--partial would keep"), std::string::npos) << problem;
  options.partial = true;
  const ImportedModel imported = ImportWeights(file, options);
  EXPECT_EQ(imported.wanted - imported.kept, 2u);
  EXPECT_EQ(imported.checkpoint.setting.stems, (std::vector<std::string>{"kick", "rest"}));
  const Checkpoint source = TinyCheckpoint(4);
  EXPECT_TRUE(torch::equal(imported.checkpoint.weights[0].second, source.weights[0].second));
  // The same every time.
  ExpectSameWeights(ImportWeights(file, options).checkpoint.weights, imported.checkpoint.weights);
}

TEST(Import, BareWeightsNeedAConfiguration) {
  const TemporaryFolder folder;
  const Checkpoint checkpoint = TinyCheckpoint(2);
  NamedTensors wrapped;
  for (const auto& [name, tensor] : checkpoint.weights)
    wrapped.emplace_back("module." + name, tensor);
  SaveSafetensors(folder / "bare.safetensors", wrapped, {});
  EXPECT_NE(Problem(folder / "bare.safetensors").find("--config"), std::string::npos);
  // Found beside it, in the words of MSST.
  std::ofstream(folder / "bare.yaml")
      << "model: demucs_v2\ndemucs_v2: {channels: 4, depth: 3, normalize: False}\n"
         "training: {instruments: [a, b], channels: 2, samplerate: 44100, segment: 3}\n"
         "audio: {chunk_size: 1}\n";
  const ImportedModel imported = ImportWeights(folder / "bare.safetensors", {});
  ExpectSameWeights(imported.checkpoint.weights, checkpoint.weights);
  EXPECT_EQ(imported.checkpoint.setting.stems, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(imported.checkpoint.segment_frames, 3 * 44100);
}

TEST(Import, ConfigurationsAreReadByTheDialectTheyAreIn) {
  const auto program = [](const char* text) {
    return std::string(DialectOf(Config::Parse(text, "x.yaml")).program);
  };
  EXPECT_EQ(program("{model: {name: unet}, training: {segment: 3}}"), "stemsmith");
  EXPECT_EQ(program("{model: htdemucs, training: {instruments: [a]}}"), "MSST");
  EXPECT_EQ(program("{model: htdemucs, dset: {sources: [a]}}"), "Demucs");

  const TemporaryFolder folder;
  std::ofstream(folder / "demucs.yaml")
      << "model: demucs\ndemucs: {channels: 8, gelu: True, dconv_mode: ~}\n"
         "dset: {sources: [a, b], samplerate: 8000, channels: 1, segment: 2}\n";
  const ModelPlan plan = PlanFromConfig(Config::Load(folder / "demucs.yaml"), {});
  EXPECT_EQ(plan.model.dump(), R"({"name":"demucs","channels":8,"gelu":true})");
  EXPECT_EQ(plan.setting.stems, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(plan.setting.sample_rate_hz, 8000);
  EXPECT_EQ(plan.setting.channels, 1);
  EXPECT_EQ(plan.segment_frames, 4 * 2 * 8000);
  EXPECT_EQ(plan.song_normalization, SongNormalization::kMeanStd);
  EXPECT_EQ(plan.tail, Tail::kContext);
}

TEST(Import, BagsBecomeOneModel) {
  const TemporaryFolder folder;
  const Checkpoint first = TinyCheckpoint(2, 1), second = TinyCheckpoint(2, 2);
  WritePackage(first, "x", {folder.path(), "one", "th"});
  WritePackage(second, "x", {folder.path(), "two", "safetensors"});
  std::ofstream(folder / "bag.yaml")
      << "models: ['one', 'two', 'one']\nweights: [\n [1., 0.],\n [1., 3.],\n [1., 0.],\n]\n";
  const ImportedModel imported = ImportWeights(folder / "bag.yaml", {});
  const auto bag = ModelFromCheckpoint(imported.checkpoint);
  const auto a = ModelFromCheckpoint(first), b = ModelFromCheckpoint(second);
  torch::NoGradGuard no_grad;
  const torch::Tensor mix = torch::randn({2, 2, 5000});
  const torch::Tensor estimates = bag->forward(mix), x = a->forward(mix), y = b->forward(mix);
  EXPECT_TRUE(torch::allclose(estimates.select(1, 0), (2 * x.select(1, 0) + y.select(1, 0)) / 3,
                              1e-5, 1e-7));
  EXPECT_TRUE(torch::allclose(estimates.select(1, 1), y.select(1, 1), 1e-5, 1e-7));

  // And back: packages with a bag beside them.
  const auto files = WritePackage(imported.checkpoint, "x", {folder / "out", "both", "th"});
  ASSERT_EQ(files.size(), 3u);
  ExpectSameWeights(ImportWeights(files[0], {}).checkpoint.weights, imported.checkpoint.weights);

  // Of kinds that Python shows other surroundings of a segment.
  Checkpoint waves = TinyCheckpoint(2, 3);
  waves.model_config = "{name: demucs, channels: 4, depth: 2, norm_groups: 2}";
  waves.weights = MakeModel(Config::Parse(waves.model_config, "x"), waves.setting)->StateDict();
  WritePackage(waves, "x", {folder.path(), "waves", "th"});
  std::ofstream(folder / "mixed.yaml") << "models: [one, waves]\n";
  EXPECT_THAT(ImportWeights(folder / "mixed.yaml", {}).notes,
              ::testing::Contains(::testing::HasSubstr("silence around each segment")));
  EXPECT_THAT(imported.notes, ::testing::Each(::testing::Not(
                                  ::testing::HasSubstr("silence around each segment"))));

  WritePackage(TinyCheckpoint(3), "x", {folder.path(), "three", "th"});
  std::ofstream(folder / "bad.yaml") << "models: [one, three]\n";
  EXPECT_NE(
      Problem(folder / "bad.yaml")
          .find("disagree: one and three have stems [stem0, stem1] and [stem0, stem1, stem2]"),
      std::string::npos);
  std::ofstream(folder / "bad.yaml") << "models: [one, four]\n";
  EXPECT_NE(Problem(folder / "bad.yaml").find("'four'"), std::string::npos);
  std::ofstream(folder / "bad.yaml") << "models: [one]\nweights: [[1.]]\n";
  EXPECT_NE(Problem(folder / "bad.yaml").find("1 weights for a model of 2 stems"),
            std::string::npos);
}

TEST(Import, RefusesQuantisedWeights) {
  const TemporaryFolder folder;
  PickleWriter writer;
  writer.EmptyDict();
  writer.Mark();
  writer.String("klass");
  writer.Class("demucs.hdemucs", "HDemucs");
  writer.String("args");
  writer.Mark();
  writer.Tuple();
  writer.String("kwargs");
  writer.Json({{"sources", {"a"}}});
  writer.String("state");
  writer.Json({{"quantized", {1, 2}}, {"__quantized", true}});
  writer.SetItems();
  WriteZip(folder / "q.th", {{"data.pkl", writer.Finish()}, {"version", "3\n"}});
  EXPECT_NE(Problem(folder / "q.th").find("DiffQ"), std::string::npos);
  SaveSafetensors(folder / "q.safetensors", {{"t", torch::zeros({2})}},
                  {{"klass", "demucs.hdemucs.HDemucs"},
                   {"args", "[]"},
                   {"kwargs", "{}"},
                   {"structure", R"({"_dict":[["a",{"_tensor":"t"}],["__quantized",true]]})"}});
  EXPECT_NE(Problem(folder / "q.safetensors").find("DiffQ"), std::string::npos);
}

TEST(TorchFile, ReadsArchivesAndRefusesUnsoundOnes) {
  const TemporaryFolder folder;
  const std::string pickle = StatePickle({2, 3});
  std::string numbers(24, '\0');
  for (int i = 0; i < 6; ++i) {
    const float value = static_cast<float>(i);
    std::memcpy(numbers.data() + 4 * i, &value, 4);
  }
  WriteZip(folder / "good.pt", {{"data.pkl", pickle}, {"data/0", numbers}});
  TorchFile file(folder / "good.pt");
  EXPECT_TRUE(torch::equal(file.Tensor(*file.root().Find("a"), "a"),
                           torch::arange(6, torch::kFloat32).view({2, 3})));

  const auto refused = [&](const fs::path& path) {
    try {
      TorchFile bad(path);
      bad.Tensor(*bad.root().Find("a"), "a");
    } catch (const Error&) {
      return true;
    }
    return false;
  };
  WriteZip(folder / "bad.pt", {{"data.pkl", pickle}, {"data/0", numbers.substr(4)}});
  EXPECT_TRUE(refused(folder / "bad.pt")) << "too few numbers";
  WriteZip(folder / "bad.pt", {{"data.pkl", pickle}});
  EXPECT_TRUE(refused(folder / "bad.pt")) << "no numbers";
  WriteZip(folder / "bad.pt", {{"other", pickle}});
  EXPECT_TRUE(refused(folder / "bad.pt")) << "no pickle";
  const std::int64_t million = 1 << 20;
  WriteZip(folder / "bomb.pt",
           {{"data.pkl", StatePickle({16 * million})}, {"data/0", std::string(64 * million, '\0')}},
           /*deflate=*/true);
  EXPECT_LT(fs::file_size(folder / "bomb.pt"), 1000000u);
  EXPECT_TRUE(refused(folder / "bomb.pt")) << "a zip bomb";
  WriteZip(folder / "bad.pt",
           {{"data.pkl", StatePickle({std::int64_t{1} << 60})}, {"data/0", numbers}});
  EXPECT_TRUE(refused(folder / "bad.pt")) << "a claim of 2^60 elements";
  WriteZip(folder / "bad.pt", {{"data.pkl", pickle}, {"data/0", numbers}, {"byteorder", "big"}});
  EXPECT_TRUE(refused(folder / "bad.pt")) << "another byte order";

  // Cut off anywhere, or with any bit of the numbers turned.
  const std::string whole = ReadFile(folder / "good.pt");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    std::ofstream(folder / "bad.pt", std::ios::binary) << whole.substr(0, length);
    EXPECT_TRUE(refused(folder / "bad.pt")) << length;
  }
  std::string turned = whole;
  turned[whole.find(numbers) + 5] ^= 1;
  std::ofstream(folder / "bad.pt", std::ios::binary) << turned;
  EXPECT_TRUE(refused(folder / "bad.pt")) << "a wrong checksum";
  // With torch.serialization.set_crc32_options(False) all are zero, and nothing is compared.
  const auto without_checksums = [](std::string bytes) {
    for (std::size_t at = 0; (at = bytes.find("PK\x01\x02", at)) != bytes.npos; at += 4)
      bytes.replace(at + 16, 4, 4, '\0');
    return bytes;
  };
  for (const std::string& bytes : {whole, turned}) {
    std::ofstream(folder / "bad.pt", std::ios::binary) << without_checksums(bytes);
    EXPECT_FALSE(refused(folder / "bad.pt"));
  }
  // One zero among others is a wrong one.
  std::ofstream(folder / "bad.pt", std::ios::binary)
      << whole.substr(0, whole.rfind("PK\x01\x02")) +
             without_checksums(whole.substr(whole.rfind("PK\x01\x02")));
  EXPECT_TRUE(refused(folder / "bad.pt")) << "a checksum set to zero";
  RandomStream random({9});
  for (int i = 0; i < 1500; ++i) {
    std::string bytes = whole;
    for (std::uint64_t e = 0; e < 1 + random.Below(3); ++e)
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Bits());
    std::ofstream(folder / "bad.pt", std::ios::binary) << bytes;
    refused(folder / "bad.pt");  // or read: both are fine, nothing else is
  }
}

TEST(Import, NamesWhatItDoesNotKnow) {
  const TemporaryFolder folder;
  std::ofstream(folder / "text.pt") << "a text";
  EXPECT_NE(Problem(folder / "text.pt").find("not a file that torch.save wrote"),
            std::string::npos);
  EXPECT_NE(Problem(folder / "absent.pt").find("no such file"), std::string::npos);
  PickleWriter writer;
  writer.EmptyDict();
  WriteZip(folder / "empty.pt", {{"data.pkl", writer.Finish()}});
  EXPECT_NE(Problem(folder / "empty.pt").find("no weights"), std::string::npos);
  SaveSafetensors(folder / "other.safetensors", {{"t", torch::zeros({2})}},
                  {{"klass", "demucs.tasnet.ConvTasNet"}, {"args", "[]"}, {"kwargs", "{}"}});
  EXPECT_NE(Problem(folder / "other.safetensors").find("ConvTasNet"), std::string::npos);
}

TEST(Packages, AreNotDescribedFarBeyondTheirWeights) {
  const TemporaryFolder folder;
  Checkpoint checkpoint = TinyCheckpoint();
  checkpoint.model_config = "{name: demucs_v2, channels: 4096, depth: 3}";
  EXPECT_THROW(WritePackage(checkpoint, "x", {folder.path(), "a", "th"}), Error);
}

TEST(Packages, RefuseWhatPythonDoesNotTake) {
  const TemporaryFolder folder;
  const Checkpoint checkpoint = TinyCheckpoint();
  EXPECT_THROW(WritePackage(checkpoint, "x", {folder.path(), "a-b", "th"}), Error);
  WritePackage(checkpoint, "x", {folder.path(), "a", "th"});
  WritePackage(checkpoint, "x", {folder.path(), "a", "th"});  // the same again
  EXPECT_THROW(WritePackage(TinyCheckpoint(3, 5), "x", {folder.path(), "a", "th"}), Error);
  Checkpoint other = checkpoint;
  other.model_config = "name: unet";
  EXPECT_THROW(WritePackage(other, "x", {folder.path(), "b", "th"}), Error);
}

}  // namespace import_test
}  // namespace stemsmith::testing
