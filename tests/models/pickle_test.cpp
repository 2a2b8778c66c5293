#include "models/weights/pickle.h"

#include <cstring>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "core/random.h"
#include "models/weights/pickle_writer.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace pickle_test {

using namespace std::string_literals;

std::string Problem(const std::string& bytes) {
  return MessageOf([&] { ReadPickle(bytes, "file.pt"); }, ExitCode::kInputFailed);
}

// The tuple of a persistent id, and the call that makes a tensor of it.
std::string Storage(std::int64_t elements, const std::string& type = "FloatStorage") {
  PickleWriter writer;
  writer.Mark();
  writer.String("storage");
  writer.Class("torch", type);
  writer.String("0");
  writer.String("cpu");
  writer.Integer(elements);
  writer.Tuple();
  writer.PersistentId();
  std::string bytes = writer.Finish();
  return bytes.substr(2, bytes.size() - 3);
}
std::string Number(std::int64_t value) {
  PickleWriter writer;
  writer.Integer(value);
  const std::string bytes = writer.Finish();
  return bytes.substr(2, bytes.size() - 3);
}
std::string Numbers(const std::vector<std::int64_t>& values) {
  std::string bytes = "(";
  for (const std::int64_t value : values) bytes += Number(value);
  return bytes + "t";
}
std::string TensorPickle(std::int64_t stored, std::int64_t offset, std::vector<std::int64_t> sizes,
                         std::vector<std::int64_t> strides) {
  return "\x80\x02"
         "ctorch._utils\n_rebuild_tensor_v2\n("s +
         Storage(stored) + Number(offset) + Numbers(sizes) + Numbers(strides) + "\x89Nt" + "R.";
}

TEST(Pickle, ReadsPlainValues) {
  PickleWriter writer;
  writer.Json(nlohmann::ordered_json{
      {"none", nullptr},
      {"yes", true},
      {"number", -5},
      {"real", 0.25},
      {"text", "tätä"},
      {"list", {1, 2, {3}}},
      {"segment", {{"_type", "fraction"}, {"numerator", 39}, {"denominator", 5}}}});
  const Pickle pickle = ReadPickle(writer.Finish(), "x");
  const PickleValue root = pickle.root();
  EXPECT_TRUE(root.Find("none")->Is(PickleKind::kNone));
  EXPECT_EQ(root.Find("yes")->node().integer, 1);
  EXPECT_EQ(root.Find("number")->node().integer, -5);
  EXPECT_EQ(root.Find("real")->node().number, 0.25);
  EXPECT_EQ(root.Find("text")->text(), "tätä");
  EXPECT_EQ(root.Find("list")->size(), 3u);
  EXPECT_EQ(root.Find("segment")->node().integer, 39);
  EXPECT_EQ(root.Find("segment")->node().denominator, 5);
  EXPECT_FALSE(root.Find("absent"));
}

// What Python 3.11 writes: pickle.dumps({'a': (1, 300, 70000, -1, 2**40), 'f': 1.5, 'b': b'xy',
// 's': {1}}, protocol=4)
TEST(Pickle, ReadsProtocolFour) {
  const std::string bytes =
      "\x80\x04\x95\x36\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"s + "a\x94(K\x01M,\x01J"s +
      "p\x11\x01\x00J\xff\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01t\x94\x8c\x01"s +
      "f\x94G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x01"s + "b\x94" +
      "C\x02xy\x94\x8c\x01s\x94\x8f\x94(K\x01\x90u."s;
  const Pickle pickle = ReadPickle(bytes, "x");
  const PickleValue numbers = *pickle.root().Find("a");
  EXPECT_EQ(numbers.item(1).node().integer, 300);
  EXPECT_EQ(numbers.item(2).node().integer, 70000);
  EXPECT_EQ(numbers.item(3).node().integer, -1);
  EXPECT_EQ(numbers.item(4).node().integer, std::int64_t{1} << 40);
  EXPECT_EQ(pickle.root().Find("f")->node().number, 1.5);
  EXPECT_EQ(pickle.root().Find("b")->text(), "xy");
  EXPECT_TRUE(pickle.root().Find("s")->Is(PickleKind::kSet));
}

TEST(Pickle, RunsNothing) {
  const TemporaryFolder folder;
  const std::string marker = (folder.path() / "was-here").string();
  const std::string command = "touch " + marker;
  for (const std::string callee : {"cos\nsystem\n", "cposix\nsystem\n", "cbuiltins\neval\n",
                                   "csubprocess\nPopen\n", "cbuiltins\ngetattr\n"}) {
    PickleWriter text;
    text.String(command);
    const std::string argument = text.Finish().substr(2);
    const std::string bytes =
        "\x80\x02" + callee + "(" + argument.substr(0, argument.size() - 1) + "tR.";
    const std::string problem = Problem(bytes);
    EXPECT_NE(problem.find("wants to call"), std::string::npos) << problem;
    EXPECT_NE(problem.find("at byte"), std::string::npos) << problem;
    EXPECT_EQ(problem.find('\n'), std::string::npos) << problem;
  }
  EXPECT_FALSE(std::filesystem::exists(marker));
  // As a name alone it is harmless.
  EXPECT_EQ(ReadPickle("\x80\x02"
                       "cos\nsystem\n.",
                       "x")
                .root()
                .text(),
            "os.system");
}

TEST(Pickle, ObjectsOfAnyClassAreInert) {
  // NEWOBJ with a state; copyreg's helper; a class of protocol 4. None of them is a call.
  for (const std::string& bytes :
       {"\x80\x02"s + "cnet\nSeparator\n)\x81}b.",
        "\x80\x02"s + "ccopyreg\n_reconstructor\n(cnet\nSeparator\ncbuiltins\nobject\nNtR}b.",
        "\x80\x04\x8c\x03net\x8c\x09Separator\x93)}\x92}b."s}) {
    const Pickle pickle = ReadPickle(bytes, "x");
    EXPECT_TRUE(pickle.root().Is(PickleKind::kObject));
    EXPECT_EQ(pickle.root().text(), "net.Separator");
    EXPECT_TRUE(pickle.root().state());
  }
  // Where whole modules refer to what is called, the advice fits.
  const std::string problem = Problem("\x80\x02}(X\x0b\x00\x00\x00_parametersNX\x08\x00\x00\x00"s +
                                      "_modulesNucnet\nactivation\n)R.");
  EXPECT_NE(problem.find("wants to call \"net.activation\""), std::string::npos) << problem;
  EXPECT_NE(problem.find("model.state_dict()"), std::string::npos) << problem;
}

TEST(Pickle, TensorsLieInsideOfTheirStorage) {
  EXPECT_NO_THROW(ReadPickle(TensorPickle(6, 0, {2, 3}, {3, 1}), "file.pt"));
  EXPECT_NO_THROW(ReadPickle(TensorPickle(6, 2, {2, 2}, {2, 1}), "file.pt"));
  EXPECT_NO_THROW(ReadPickle(TensorPickle(6, 0, {3, 2}, {1, 3}), "file.pt"));  // transposed
  EXPECT_NO_THROW(ReadPickle(TensorPickle(6, 0, {}, {}), "file.pt"));
  EXPECT_NO_THROW(ReadPickle(TensorPickle(6, 0, {0, 5}, {5, 1}), "file.pt"));
  const std::int64_t huge = std::int64_t{1} << 60;
  for (const std::string& bytes :
       {TensorPickle(6, 1, {2, 3}, {3, 1}), TensorPickle(6, -1, {2}, {1}),
        TensorPickle(6, 0, {-2}, {1}), TensorPickle(6, 0, {2}, {-1}),
        TensorPickle(6, 0, {huge}, {1}), TensorPickle(6, 0, {huge}, {0}),
        TensorPickle(6, 0, {huge, huge}, {0, 0}), TensorPickle(6, 0, {2}, {huge}),
        TensorPickle(6, 0, {0, huge, huge}, {1, 1, 1}), TensorPickle(6, huge, {0}, {1}),
        TensorPickle(6, 0, {2, 3}, {3}), TensorPickle(-6, 0, {2}, {1}),
        TensorPickle(huge, 0, {2}, {1}), TensorPickle(6, 0, {7}, {0})})
    EXPECT_NE(Problem(bytes), "");
}

TEST(Pickle, DeepNestingIsRefusedAndCyclesAreHarmless) {
  std::string lists = "\x80\x02";
  for (int i = 0; i < 10000; ++i) lists += "]";
  for (int i = 0; i < 9999; ++i) lists += "a";
  EXPECT_NE(Problem(lists + ".").find("nested too deeply"), std::string::npos);
  EXPECT_NE(Problem("\x80\x02)"s + std::string(10000, '\x85') + ".").find("nested too deeply"),
            std::string::npos);
  // a = []; a.append(a)
  const Pickle pickle = ReadPickle(
      "\x80\x02]q\x00h\x00"
      "a."s,
      "x");
  ASSERT_EQ(pickle.root().size(), 1u);
  EXPECT_TRUE(pickle.root().item(0).Is(PickleKind::kList));
}

TEST(Pickle, RefusesWhatIsNone) {
  const std::map<std::string, std::string> files = {
      {"empty", ""},
      {"no end", "\x80\x02N"},
      {"empty stack", "\x80\x02."},
      {"text", "Hello, this is text"},
      {"protocol 0", "(lp0\n."},
      {"protocol 9", "\x80\x09N."},
      {"memo without value", "\x80\x02h\x05."},
      {"no mark", "\x80\x02t."},
      {"stack below the mark", "\x80\x02N(a."},
      {"append to a number", "\x80\x02K\x01Na."},
      {"odd dict", "\x80\x02}(Nu."},
      {"text beyond the end",
       "\x80\x02X\xff\xff\xff\xff"
       "abc."},
      {"bytes beyond the end",
       "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"
       "abc."s},
      {"call of a number", "\x80\x02K\x01)R."},
      {"call without a tuple",
       "\x80\x02"
       "ccollections\nOrderedDict\nNR."},
      {"fraction by zero",
       "\x80\x02"
       "cfractions\nFraction\n(K\x01K\x00tR."s},
      {"storage that is none", "\x80\x02NQ."},
      {"unknown storage", "\x80\x02" + Storage(3, "QuantumStorage") + "."},
      {"tensor without storage",
       "\x80\x02"
       "ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR."},
  };
  for (const auto& [what, bytes] : files) {
    const std::string problem = Problem(bytes);
    EXPECT_NE(problem.find("file.pt"), std::string::npos) << what << ": " << problem;
    EXPECT_EQ(problem.find('\n'), std::string::npos) << what << ": " << problem;
  }
  // At every length.
  const std::string sound = TensorPickle(6, 0, {2, 3}, {3, 1});
  for (std::size_t length = 0; length < sound.size(); ++length)
    EXPECT_NE(Problem(sound.substr(0, length)), "") << length;
}

TEST(Pickle, SurvivesDamage) {
  const std::string sound = TensorPickle(6, 0, {2, 3}, {3, 1});
  RandomStream random({5});
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = sound;
    for (std::uint64_t e = 0; e < 1 + random.Below(4); ++e)
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Bits());
    try {
      ReadPickle(bytes, "file.pt");  // some damage is none: a name that nobody asks for
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kInputFailed) << error.what();
    }
  }
}

}  // namespace pickle_test
}  // namespace stemsmith::testing
