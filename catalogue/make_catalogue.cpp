// Of the build: catalogue.yaml → a source that holds it as JSON, for programs that read no YAML.
#include <cstdio>
#include <iostream>

#include "catalogue/catalogue_file.h"
#include "core/current_error.h"
#include "core/error.h"
#include "core/files.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  if (argc != 3) {
    std::cerr << "usage: make_catalogue CATALOGUE.yaml OUT.cpp\n";
    return 2;
  }
  try {
    std::string source =
        "// Made by make_catalogue.\n#include \"catalogue/catalogue.h\"\n"
        "const stemsmith::Catalogue& stemsmith::ShippedCatalogue() {\n"
        "  static const char text[] = {";
    const std::string text = CatalogueToJson(ReadCatalogue(argv[1])).dump(-1, ' ', true);  // ASCII
    for (const char c : text) source += std::to_string(static_cast<int>(c)) + ",";
    source +=
        "0};\n  static const Catalogue rows = CatalogueFromJson(nlohmann::json::parse(text));";
    WriteFileAtomically(argv[2], source + "\n  return rows;\n}\n");
  } catch (...) {
    std::cerr << "error: " << CurrentError().text() << '\n';
    return 1;
  }
  return 0;
}
