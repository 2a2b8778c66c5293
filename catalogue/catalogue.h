// Models that others have published, by name (configs/catalogue.yaml says what each field means).
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

struct CatalogueFile {
  std::string name;
  std::vector<std::string> addresses;  // in the order they are tried
  std::string sha256;                  // hexadecimal digits from the beginning; "": not published
  std::uint64_t bytes = 0;             // 0: not published
};

struct CatalogueSource {
  std::vector<CatalogueFile> files;
  std::vector<std::pair<std::string, std::string>> texts;  // name, content
  std::string import;                                      // "": the folder of them
};

struct CatalogueRow {
  std::string name, summary, architecture;
  std::vector<std::string> stems;
  std::string licence, licence_source;
  std::optional<double> sdr_db;
  std::string sdr_metric, sdr_source;
  std::string unsupported, instead;
  std::vector<CatalogueSource> sources;  // in the order they are tried
};
using Catalogue = std::vector<CatalogueRow>;

// The catalogue that stemsmith was built with.
const Catalogue& ShippedCatalogue();
// The row of that name; null where there is none.
const CatalogueRow* FindInCatalogue(const Catalogue& catalogue, const std::string& name);

nlohmann::json CatalogueToJson(const Catalogue& catalogue);
// Of what CatalogueToJson gave.
Catalogue CatalogueFromJson(const nlohmann::json& rows);

// Names of models and of files in the catalogue become names of files: no paths, no hidden ones.
// Those of models have no dot, so that none is taken for a song. Both throw Error::Usage.
void CheckModelName(const std::string& name, const std::string& where);
void CheckFileName(const std::string& name, const std::string& where);

}  // namespace stemsmith
