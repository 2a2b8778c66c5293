#include "catalogue/catalogue.h"

#include <algorithm>

#include "core/error.h"

namespace stemsmith {

using nlohmann::json;

namespace {

constexpr std::size_t kLongestName = 64;

bool IsPlain(const std::string& name, const char* besides) {
  return !name.empty() && name.size() <= kLongestName && name.front() != '-' &&
         name.front() != '.' && std::all_of(name.begin(), name.end(), [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view(besides).find(c) != std::string_view::npos;
         });
}

json FileToJson(const CatalogueFile& file) {
  return {{"name", file.name},
          {"addresses", file.addresses},
          {"sha256", file.sha256},
          {"bytes", file.bytes}};
}

CatalogueFile FileFromJson(const json& file) {
  return {file.at("name"), file.at("addresses"), file.at("sha256"), file.at("bytes")};
}

json SourceToJson(const CatalogueSource& source) {
  json files = json::array();
  for (const CatalogueFile& file : source.files) files.push_back(FileToJson(file));
  return {{"files", files}, {"texts", source.texts}, {"import", source.import}};
}

CatalogueSource SourceFromJson(const json& source) {
  CatalogueSource read{{}, source.at("texts"), source.at("import")};
  for (const json& file : source.at("files")) read.files.push_back(FileFromJson(file));
  return read;
}

}  // namespace

const CatalogueRow* FindInCatalogue(const Catalogue& catalogue, const std::string& name) {
  const auto found = std::find_if(catalogue.begin(), catalogue.end(),
                                  [&](const CatalogueRow& row) { return row.name == name; });
  return found == catalogue.end() ? nullptr : &*found;
}

json CatalogueToJson(const Catalogue& catalogue) {
  json rows = json::array();
  for (const CatalogueRow& row : catalogue) {
    json sources = json::array();
    for (const CatalogueSource& source : row.sources) sources.push_back(SourceToJson(source));
    rows.push_back({{"name", row.name},
                    {"summary", row.summary},
                    {"architecture", row.architecture},
                    {"stems", row.stems},
                    {"licence", row.licence},
                    {"licence_source", row.licence_source},
                    {"sdr_db", row.sdr_db ? json(*row.sdr_db) : json(nullptr)},
                    {"sdr_metric", row.sdr_metric},
                    {"sdr_source", row.sdr_source},
                    {"unsupported", row.unsupported},
                    {"instead", row.instead},
                    {"sources", sources}});
  }
  return rows;
}

Catalogue CatalogueFromJson(const json& rows) {
  Catalogue catalogue;
  for (const json& row : rows) {
    CatalogueRow& read = catalogue.emplace_back();
    read.name = row.at("name");
    read.summary = row.at("summary");
    read.architecture = row.at("architecture");
    read.stems = row.at("stems");
    read.licence = row.at("licence");
    read.licence_source = row.at("licence_source");
    if (!row.at("sdr_db").is_null()) read.sdr_db = row.at("sdr_db").get<double>();
    read.sdr_metric = row.at("sdr_metric");
    read.sdr_source = row.at("sdr_source");
    read.unsupported = row.at("unsupported");
    read.instead = row.at("instead");
    for (const json& source : row.at("sources")) read.sources.push_back(SourceFromJson(source));
  }
  return catalogue;
}

void CheckModelName(const std::string& name, const std::string& where) {
  if (IsPlain(name, "-_")) return;
  throw Error::Usage("'" + name + "' is no name for a model", where,
                     "take up to " + std::to_string(kLongestName) +
                         " letters, digits, hyphens and underscores: " + "my_drums");
}

void CheckFileName(const std::string& name, const std::string& where) {
  if (IsPlain(name, "-_.")) return;
  throw Error::Usage("'" + name + "' is no plain name of a file", where,
                     "take letters, digits, hyphens, underscores and dots");
}

}  // namespace stemsmith
