// The program `stemsmith-torch`, which has all commands. `stemsmith` becomes it when one of them
// needs LibTorch.
#include <vector>

#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/program.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  std::vector<CommandRow> all(LightCommands().begin(), LightCommands().end());
  all.insert(all.end(), {{"train", AddTrainCommand},
                         {"import", AddImportCommand},
                         {"export", AddExportCommand},
                         {"evaluate", AddEvaluateCommand},
                         {"compare", AddCompareCommand},
                         {"run", AddRunCommand},
                         {"inspect", AddInspectCommand},
                         {"models", AddModelsCommand},
                         {"download", AddDownloadCommand},
                         {"register", AddRegisterCommand}});
  return RunProgram(argc, argv, all);
}
