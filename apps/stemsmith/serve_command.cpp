// stemsmith serve: the web app.
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>

#include "apps/checked_options.h"
#include "apps/engine_options.h"
#include "apps/output.h"
#include "apps/separate/model_choice.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/program.h"
#include "apps/terminal.h"
#include "catalogue/local_copies.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "core/text.h"
#include "separate/file_names.h"
#include "serve/data_folder.h"
#include "serve/serve.h"
#include "serve/stem_files.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr double kGibibyte = 1 << 30;

struct Arguments {
  std::vector<std::string> models;
  ServeOptions serve;
  std::string data, token;
  std::string file_order;  // of a child process that makes one file
  bool worker = false;
  double upload_gib = 2, keep_gib = 50, memory_gib = 8;
  double song_minutes = 60, job_minutes = 240;
  int patience_s = 20;
  RuntimeOptions runtime;
  std::optional<int> threads;
  OutputMode mode = OutputMode::kAuto;
};

// "NAME=FILE", or a word that `separate --model` knows.
ServedModels::Choice ModelOf(const std::string& text) {
  std::error_code code;
  const std::size_t equals = text.find('=');
  const bool named = equals != std::string::npos && equals > 0 && !fs::exists(text, code);
  const std::string word = named ? text.substr(equals + 1) : text;
  const ChosenModel model = ChooseModel(word);
  if (!model.missing.empty())
    throw Error::Input("the model '" + model.missing + "' is not here yet", "",
                       "download it: stemsmith download " + model.missing);
  return {named ? text.substr(0, equals) : ModelNameOf(model.file), model.file};
}

void SetAccess(Arguments& arguments) {
  AccessOptions& access = arguments.serve.access;
  const HttpServerOptions& http = arguments.serve.http;
  if (http.tls_certificate.empty() != http.tls_key.empty())
    throw Error::Usage("a certificate and its key belong together",
                       Option("tls-cert") + " and " + Option("tls-key"), "give both");
  unsetenv("STEMSMITH_TOKEN");  // no business of the programs that songs are given to
  access.token = arguments.token;
  if (!access.token.empty() && access.token.size() < 16)
    throw Error::Usage("the token is shorter than 16 letters", Option("token"),
                       "leave it out: then one is made");
  if (access.token.find_first_not_of(
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") !=
      std::string::npos)
    throw Error::Usage("the token has letters that no header can hold", Option("token"),
                       "use letters, digits and -._~+/=");
  if (access.token.empty() && !IsLoopback(access.host)) access.token = NewId();
}

int Run(Arguments& arguments) {
  if (!arguments.file_order.empty()) {
    umask(077);
    StemFileOrder::FromText(arguments.file_order).Make();
    PrintResult(arguments.mode, "", nlohmann::json::object());
    return 0;
  }
  CatchInterrupts();
  signal(SIGPIPE, SIG_IGN);  // connections that break are no reason to end
  umask(077);
  ServeOptions& serve = arguments.serve;
  if (arguments.models.empty())
    throw Error::Usage("there is no model to serve", Option("model"),
                       "give one: stemsmith serve --model model.onnx");
  for (const std::string& model : arguments.models) serve.models.push_back(ModelOf(model));
  serve.programs = ProgramFolder();
  serve.data = arguments.data;
  if (serve.data.empty()) {
    const fs::path folder = UserFolder("XDG_DATA_HOME", ".local/share");
    if (folder.empty())
      throw Error::Usage("there is no folder for songs and stems", Option("data"),
                         "give one, or set HOME");
    serve.data = folder / "stemsmith/serve";
  }
  JobLimits& limits = serve.limits;
  limits.upload_bytes = static_cast<std::int64_t>(arguments.upload_gib * kGibibyte);
  limits.keep_bytes = static_cast<std::int64_t>(arguments.keep_gib * kGibibyte);
  limits.job_bytes = static_cast<std::int64_t>(arguments.memory_gib * kGibibyte);
  limits.song_seconds = arguments.song_minutes * 60;
  limits.job_seconds = arguments.job_minutes * 60;
  serve.patience = std::chrono::seconds(arguments.patience_s);
  const RuntimeOptions& runtime = arguments.runtime;
  if (runtime.device != Device())
    serve.separate_options.push_back("--device=" + runtime.device.Name());
  if (arguments.threads)
    serve.separate_options.push_back("--threads=" + std::to_string(*arguments.threads));
  if (runtime.engine != Engine::kAuto)
    serve.separate_options.push_back(std::string("--engine=") + NameOf(runtime.engine));
  if (runtime.precision != Precision::kFloat32)
    serve.separate_options.push_back(std::string("--precision=") + NameOf(runtime.precision));

  const Host host = TerminalHost(arguments.mode);
  // A signal is how servers are told to end: that is no failure.
  if (arguments.worker) {
    ServeWorkers(serve, host, [&](const std::string& store) {
      if (arguments.mode == OutputMode::kAuto)
        WriteOutput("working on the jobs in " + store + "\n");
      PrintEvent(arguments.mode, "working", {{"store", store}});
    });
  } else {
    SetAccess(arguments);
    Serve(serve, host, [&](const std::string& url) {
      const std::string token = arguments.token.empty() ? serve.access.token : "";  // if made
      if (arguments.mode == OutputMode::kAuto)
        WriteOutput("listening on " + url + (token.empty() ? "" : "\ntoken: " + token) + "\n");
      nlohmann::json fields = {{"url", url}};
      if (!token.empty()) fields["token"] = token;
      PrintEvent(arguments.mode, "listening", fields);
    });
  }
  return 0;
}

}  // namespace

void AddServeCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  ServeOptions& serve = arguments->serve;
  JobLimits& limits = serve.limits;
  CLI::App* command = app.add_subcommand(
      "serve", "The web app: drop a song into a browser, hear its stems (Ctrl-C ends)");
  command
      ->add_option("-m,--model", arguments->models,
                   "A model, as `separate` takes it, or NAME=MODEL; several, each with this option")
      ->check(IsNotEmpty)
      ->allow_extra_args(false)
      ->type_name("MODEL");
  command
      ->add_option("--host", serve.access.host,
                   "The address to listen on; any other than of this machine itself demands a token")
      ->check(IsNotEmpty)
      ->capture_default_str();
  AddNumber(*command, "--port", serve.http.port, {0, 65535}, "The port; 0: any that is free")
      ->capture_default_str();
  command
      ->add_option("--data", arguments->data,
                   "The folder for songs and stems (default: ~/.local/share/stemsmith/serve)")
      ->check(IsNotEmpty)
      ->type_name("DIR");
  command
      ->add_option("--database", serve.database,
                   "postgresql://… where several machines share one queue (default: an SQLite file "
                   "in the data folder)")
      ->check(IsNotEmpty)
      ->type_name("URL");
  auto* worker = command->add_flag(
      "--worker", arguments->worker,
      "Serve nothing, only work on jobs; with --database postgresql://… and the server's --data");
  AddNumber(*command, "--workers", serve.workers, {0, 64},
            "Songs that are separated side by side; 0: other processes do it")
      ->capture_default_str();
  command
      ->add_option("--runs", serve.runs,
                   "A folder with training runs and comparisons to show, too")
      ->check(IsNotEmpty)
      ->type_name("DIR")
      ->excludes(worker);
  command
      ->add_option("--token", arguments->token,
                   "What users must know (default: none on this machine itself, else one is made "
                   "and printed); better in the environment, as STEMSMITH_TOKEN")
      ->envname("STEMSMITH_TOKEN");
  command
      ->add_option("--allow-host", serve.access.other_hosts,
                   "Another name under which the server is reached, as behind a proxy; several, "
                   "each with this option")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command->add_option("--tls-cert", serve.http.tls_certificate, "A certificate (PEM): serve https")
      ->type_name("FILE");
  command->add_option("--tls-key", serve.http.tls_key, "Its key (PEM)")->type_name("FILE");
  AddNumber(*command, "--most-upload", arguments->upload_gib, {0.001, 1000},
            "GiB of a song's file")
      ->capture_default_str();
  AddNumber(*command, "--most-minutes", arguments->song_minutes, {0.1, 1440},
            "Minutes of a song")
      ->capture_default_str();
  AddNumber(*command, "--queue", limits.queue, {1, 1'000'000}, "Jobs that may wait")
      ->capture_default_str();
  AddNumber(*command, "--job-minutes", arguments->job_minutes, {0.01, 10'000},
            "Minutes that the work on a song may take")
      ->capture_default_str();
  AddNumber(*command, "--job-memory", arguments->memory_gib, {0.05, 10'000},
            "GiB of memory that it may take")
      ->capture_default_str();
  AddNumber(*command, "--keep-days", limits.keep_days, {0.001, 36'500},
            "Days of service after which songs and stems are removed")
      ->capture_default_str();
  AddNumber(*command, "--keep-size", arguments->keep_gib, {0.01, 1e6},
            "GiB of songs and stems; above it the oldest are removed")
      ->capture_default_str();
  AddNumber(*command, "--patience", arguments->patience_s, {1, 3600},
            "Seconds after which a worker that shows no sign of life loses its job")
      ->capture_default_str();
  AddDevice(*command, arguments->runtime.device, "Where to compute");
  AddNumber(*command, "--threads", arguments->threads, {0, 1024},
            "Compute threads of each worker (0, the default: one per core)");
  AddEngine(*command, arguments->runtime);
  command->add_option("--make-file", arguments->file_order)->group("");  // for itself
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { throw CLI::RuntimeError(Run(*arguments)); });
}

}  // namespace stemsmith
