#include "apps/separate/settings.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include "core/file_kind.h"
#include "core/names.h"
#include "core/text.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// --help and --version are answered whatever the file says.
bool AsksForHelp(const CLI::App& app) {
  return app.get_help_ptr()->count() > 0 || app.get_version_ptr()->count() > 0;
}

// Throws Error where the file cannot be read. Only the standard one may be missing.
void CheckFile(const std::string& file, const fs::path& standard) {
  if (file.empty()) throw Error::Usage("no settings file is named", "--settings", "give a file");
  std::error_code code;
  if (file != "/dev/null") {
    if (const std::string kind = KindOfFile(file); !kind.empty())
      throw Error::Usage("the settings file is a " + kind, file,
                         "give a file with lines of NAME = VALUE");
    if (!fs::exists(file, code) && file != standard)
      throw Error::Usage("there is no such settings file", file, "check the path");
  }
  errno = 0;
  if (fs::exists(file, code) && !std::ifstream(file))
    throw Error::System("cannot read the settings file", file, "check its permissions");
}

// A list that goes on in the next line.
bool IsOpenList(const std::string& line) {
  const std::size_t value = line.find('=');
  if (value == std::string::npos || line.find('#') < value) return false;
  const std::size_t begin = line.find_first_not_of(" \t", value + 1);
  return begin != std::string::npos && line[begin] == '[' && !Holds(line, "]");
}

// The names of the options that may stand in the file.
std::vector<std::string> KnownNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    if (option->get_configurable() && !option->get_lnames().empty())
      names.push_back(option->get_lnames().front());
  return names;
}

}  // namespace

// Gives CLI11, which parses a file as a whole and knows no lines in its errors, nothing to apply:
// each line is parsed by it, checked and applied here.
class Settings::Reader : public CLI::ConfigBase {
 public:
  Reader(CLI::App& app, std::map<std::string, std::string>& places) : app_(app), places_(places) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    if (AsksForHelp(app_)) return {};
    const std::string file = app_.get_config_ptr()->as<std::string>();
    int number = 0;
    for (std::string line, more; std::getline(in, line);) {
      const std::string place = file + ", line " + std::to_string(++number);
      while (IsOpenList(line) && std::getline(in, more)) ++number, line += ' ' + more;
      Take(CLI::detail::trim(line), place);
    }
    return {};
  }

 private:
  void Take(const std::string& line, const std::string& place) const {
    if (line.empty() || line[0] == '#' || line[0] == ';' || LowerCase(line) == "[default]") return;
    if (std::any_of(line.begin(), line.end(),
                    [](unsigned char c) { return c < 0x20 && c != '\t'; }))
      throw Error::Usage("this is no text file", place, "give a file with lines of NAME = VALUE");
    std::istringstream one(line);
    const std::vector<CLI::ConfigItem> items = ConfigBase::from_config(one);
    if (items.size() != 1 || !items[0].parents.empty() || line[0] == '[')
      throw Error::Usage("this line is no setting", place, "write NAME = VALUE, without sections");
    const CLI::ConfigItem& item = items[0];
    const std::vector<std::string> known = KnownNames(app_);
    CLI::Option* option =
        item.name.size() == 1 ? app_.get_option_no_throw("-" + item.name) : nullptr;
    if (option == nullptr || !option->get_configurable()) {
      RequireName(item.name, known, "there is no setting '" + item.name + "'", place);
      option = app_.get_option_no_throw("--" + item.name);
    }
    if (!IsForUs(*option, place)) return;
    places_[option->get_lnames().front()] = place;
    Apply(*option, item, Holds(line, "="), place);
  }

  // Those of the command line count for more. Where it chooses files, the file's choice is void.
  bool IsForUs(const CLI::Option& option, const std::string& place) const {
    constexpr const char* kChoices[] = {"--stems", "--mix", "--two-stems", "--preset"};
    const auto is_choice = [&](const CLI::Option& one) {
      return std::any_of(std::begin(kChoices), std::end(kChoices),
                         [&](const char* name) { return one.check_name(name); });
    };
    if (is_choice(option))
      for (const CLI::Option* other : app_.get_options())
        if (other->count() > 0 && is_choice(*other) &&
            !places_.contains(other->get_lnames().front()))
          return false;
    std::vector<const CLI::Option*> rivals;
    for (const CLI::Option* rival : option.get_excludes()) rivals.push_back(rival);
    rivals.push_back(&option);
    for (const CLI::Option* rival : rivals) {
      if (rival->count() == 0) continue;
      const auto other = places_.find(rival->get_lnames().front());
      if (other == places_.end()) return false;
      throw Error::Usage(rival == &option ? "'" + other->first + "' is set twice"
                                          : "'" + option.get_lnames().front() +
                                                "' goes not with '" + other->first + "'",
                         place, "the other is in " + other->second);
    }
    return true;
  }

  void Apply(CLI::Option& option, const CLI::ConfigItem& item, bool has_value,
             const std::string& place) const {
    const bool flag = option.get_expected_min() == 0;
    if (item.inputs.empty() || item.inputs[0].empty() || (!flag && !has_value))
      throw Error::Usage("'" + item.name + "' has no value", place,
                         "write " + item.name + " = " + (flag ? "true" : "VALUE"));
    try {
      if (flag) {
        option.add_result(option.get_flag_value(item.name, to_flag(item)));
      } else {
        option.add_result(item.inputs);
      }
      option.run_callback();
    } catch (const CLI::ConversionError&) {
      const std::string given = JoinNames(item.inputs);
      throw Error::Usage("'" + given + "' is no value of '" + item.name + "'", place,
                         flag ? "give true or false" : "");
    } catch (const CLI::ParseError& error) {
      throw Error::Usage(error.what(), place, "");
    } catch (const Error& error) {
      throw Error::Usage(error.problem(), place, error.advice());
    }
  }

  CLI::App& app_;
  std::map<std::string, std::string>& places_;
};

void Settings::AddTo(CLI::App& app, const fs::path& standard) {
  app.config_formatter(std::make_shared<Reader>(app, places_));
  app.set_config("--settings", standard.string(),
                 "Options as NAME = VALUE; those of the command line count for more")
      ->type_name("FILE")
      ->check([&app, standard](const std::string& file) {
        if (!AsksForHelp(app)) CheckFile(file, standard);
        return std::string();
      });
}

std::string Settings::Where(const std::string& option) const {
  const auto found = places_.find(option);
  return found == places_.end() ? "" : found->second;
}

Error Settings::WithPlace(const Error& error) const {
  const std::string place = Where(error.option());
  if (place.empty()) return error;
  return {error.code(), error.problem(), place + ": " + error.where(), error.advice()};
}

}  // namespace stemsmith
