#include "catalogue/catalogue_file.h"

#include <set>

#include "core/config.h"
#include "core/error.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

void CheckAddress(const std::string& address, const std::string& where) {
  if (address.starts_with("https://") || address.starts_with("http://")) return;
  throw Error::Usage("'" + address + "' is no address of a file", where, "write https://HOST/PATH");
}

CatalogueFile ReadEntry(const Config& entry) {
  CatalogueFile file;
  file.name = entry.RequiredString("name");
  CheckFileName(file.name, entry.Where("name"));
  file.addresses = entry.Strings("addresses");
  if (file.addresses.empty())
    throw Error::Usage("the file '" + file.name + "' has no addresses", entry.Where(),
                       "addresses: [https://…]");
  for (const std::string& address : file.addresses) CheckAddress(address, entry.Where("addresses"));
  file.sha256 = entry.String("sha256", "");
  if (file.sha256.size() > 64 ||
      file.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Error::Usage("'" + file.sha256 + "' is no SHA-256", entry.Where("sha256"),
                       "give its hexadecimal digits in small letters, all 64 or the first ones");
  file.bytes = static_cast<std::uint64_t>(entry.IntegerIn("bytes", 0, 0, std::int64_t{1} << 40));
  return file;
}

CatalogueSource ReadSource(const Config& config) {
  CatalogueSource source;
  std::set<std::string> names;
  for (const Config& entry : config.List("files")) {
    source.files.push_back(ReadEntry(entry));
    if (!names.insert(source.files.back().name).second)
      throw Error::Usage("two files are called '" + source.files.back().name + "'", entry.Where(),
                         "name each differently");
  }
  if (source.files.empty())
    throw Error::Usage("a source without files", config.Where(), "files: [{name, addresses}]");
  const Config texts = config.Child("texts");
  for (const std::string& name : texts.Keys()) {
    CheckFileName(name, texts.Where(name));
    if (!names.insert(name).second)
      throw Error::Usage("two files are called '" + name + "'", texts.Where(name),
                         "name each differently");
    source.texts.emplace_back(name, texts.RequiredString(name));
  }
  source.import = config.String("import", "");
  if (!source.import.empty() && names.count(source.import) == 0)
    throw Error::Usage("import is none of the files and texts", config.Where("import"),
                       "name one of them, or leave it out to import their folder");
  return source;
}

CatalogueRow ReadRow(const std::string& name, const Config& config, const std::string& where) {
  CheckModelName(name, where);
  CatalogueRow row;
  row.name = name;
  row.summary = config.RequiredString("summary");
  row.stems = config.Strings("stems");
  row.architecture = config.String("architecture", "");
  row.licence = config.RequiredString("licence");
  row.licence_source = config.String("licence_source", "");
  if (config.Has("sdr")) {
    const Config sdr = config.Child("sdr");
    row.sdr_db = sdr.NumberIn("value", 0, -100, 100);
    row.sdr_metric = sdr.RequiredString("metric");
    row.sdr_source = sdr.String("source", "");
  }
  row.unsupported = config.String("unsupported", "");
  row.instead = config.String("instead", "");
  for (const Config& source : config.List("sources")) row.sources.push_back(ReadSource(source));
  if (row.sources.empty() && row.unsupported.empty())
    throw Error::Usage("'" + name + "' has no sources", config.Where(),
                       "sources: [{files: [{name, addresses}]}]");
  return row;
}

Catalogue Read(const fs::path& file) {
  const Config config = Config::Load(file);
  Catalogue catalogue;
  const Config models = config.Child("models");
  for (const std::string& name : models.Keys())
    catalogue.push_back(ReadRow(name, models.Child(name), models.Where(name)));
  config.CheckAllRead();
  if (catalogue.empty())
    throw Error::Usage("the catalogue names no models", file.string(),
                       "models: {NAME: {summary, stems, licence, sources}}");
  return catalogue;
}

}  // namespace

Catalogue ReadCatalogue(const fs::path& file) {
  try {
    return Read(file);
  } catch (const Error& error) {  // a configuration is a part of the command line, a catalogue not
    throw Error::Input(error.problem(), error.where(), error.advice());
  }
}

}  // namespace stemsmith
