// Stems of a song: separate_cpp MODEL SONG FOLDER.
#include <stemsmith/core/error.h>
#include <stemsmith/separate/separator.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 4) throw stemsmith::Error::Usage("three arguments are needed", "MODEL SONG FOLDER");
  const auto model = stemsmith::Runtime::Open(argv[1]);
  stemsmith::Separator separator(*model, {});
  for (const auto& file : separator.SeparateFile(argv[2], argv[3]).files) std::cout << file << "\n";
} catch (const stemsmith::Error& error) {
  std::cerr << "error: " << error.what() << "\n";
  return error.exit_status();
}
