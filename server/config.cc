#include "config.h"

#include <sys/stat.h>
#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "config_file.h"
#include "config_table.h"
#include "nearest_word.h"
#include "passed_sockets.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int kUsageError = 2;
constexpr char kFileVariable[] = "SOCKHOST_CONFIG";
constexpr char kFooter[] =
    "\nEach flag is also a variable and, without the dashes, a key of the configuration file:\n"
    "  flag --max-sockets 100, variable SOCKHOST_MAX_SOCKETS=100, key max-sockets: 100\n"
    "A flag wins over its variable, a variable over the file. In a variable, commas separate\n"
    "the elements of a list.\n"
    "\nSignals: SIGTERM and SIGINT drain and stop; a second one, or one before the daemon serves,\n"
    "stops at once. SIGHUP reads the configuration file again; log-level takes effect at once, "
    "the\n"
    "rest at the next start.\n"
    "\nExit codes: 0 stopped in order, 1 could not start or not stop in time, 2 wrong usage or\n"
    "configuration, 143 ended at once by a signal.\n";

// Where a value comes from.
struct Origin {
  // "flag", "variable", "file", "default".
  std::string kind = "default";
  // As the user wrote it: "--admin", "SOCKHOST_ADMIN", "FILE:3:1".
  std::string name;
};
using Origins = std::map<const Setting*, Origin>;

// ---- The command line --------------------------------------------------------

struct CommandLine {
  // Those that were given.
  std::map<const Setting*, std::vector<std::string>> flags;
  std::string file;
  bool print = false;
};

// "N=5 (Env:SOCKHOST_NAME)".
std::string HelpOf(const Setting& setting) {
  static const Config kDefaults;
  std::string out = IsSwitch(setting) ? "" : setting.value;
  const std::string value = absl::StrJoin(ValueOf(setting, kDefaults), ",");
  if (!IsSwitch(setting) && !value.empty()) absl::StrAppend(&out, "=", value);
  if (const auto* list = std::get_if<WordList>(&setting.limits)) {
    absl::StrAppend(&out, " {", absl::StrJoin(list->words, ","), "}");
  }
  return absl::StrCat(out, out.empty() ? "" : " ", "(Env:", VariableOf(setting), ")");
}

// "; did you mean --max-sockets?" for the first flag that is none; empty where nothing is near.
std::string Suggestion(int argc, const char* const* argv) {
  std::vector<std::string> names{"--config", "--print-config", "--version", "--help"};
  for (const Setting& setting : Settings()) names.push_back(absl::StrCat("--", setting.name));
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    const absl::string_view flag = argument.substr(0, argument.find('='));
    if (!absl::StartsWith(flag, "--") || absl::c_linear_search(names, flag)) continue;
    const std::string nearest = NearestWord(flag, names);
    return nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?");
  }
  return "";
}

// CLI11 reads and explains the flags; what they mean is the table's business, for
// flags, variables and file alike.
class Flags {
 public:
  explicit Flags(const std::string& version) {
    app_.set_version_flag("--version", absl::StrCat("sockhostd ", version));
    app_.get_formatter()->column_width(36);
    app_.add_option("--config", line_.file, "Configuration file: YAML or JSON")
        ->option_text(absl::StrCat("FILE (Env:", kFileVariable, ")"));
    app_.add_flag("--print-config", line_.print,
                  "Print the configuration in effect as a configuration file, with where each "
                  "value comes from, and exit");
    for (const Setting& setting : Settings()) Add(setting);
    app_.footer(kFooter);
  }

  // Without a value: line() has all of it.
  std::optional<EarlyExit> Parse(int argc, const char* const* argv) {
    std::optional<EarlyExit> exit;
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      std::ostringstream out;
      std::ostringstream problem;
      const bool is_asked_for = app_.exit(error, out, problem) == 0;
      const bool is_unknown = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
      exit = is_asked_for
                 ? EarlyExit{out.str(), 0}
                 : EarlyExit{absl::StrCat(error.what(), is_unknown ? Suggestion(argc, argv) : ""),
                             kUsageError};
    }
    for (const auto& [setting, option] : options_) {
      if (option->count() > 0) line_.flags[setting] = option->results();
    }
    return exit;
  }

  // What was understood.
  const CommandLine& line() const { return line_; }

 private:
  void Add(const Setting& setting) {
    const std::string name = absl::StrCat("--", setting.name);
    CLI::Option* option = nullptr;
    if (IsSwitch(setting)) {
      option = app_.add_flag(name, setting.help);
    } else if (IsList(setting)) {
      option = app_.add_option(name, list_, setting.help)->delimiter(',');
    } else {
      option = app_.add_option(name, text_, setting.help);
    }
    option->option_text(HelpOf(setting))->group(setting.group);
    options_[&setting] = option;
  }

  CLI::App app_{"Hosts many network services on one thread, driven over a gRPC admin API.",
                "sockhostd"};
  CommandLine line_;
  std::map<const Setting*, CLI::Option*> options_;
  // What CLI11 wants to write to; the results are read from the options.
  std::string text_;
  std::vector<std::string> list_;
};

// ---- Variables and file ------------------------------------------------------

// An empty variable is as good as none.
std::string Variable(const std::string& name) {
  const char* text = std::getenv(name.c_str());
  return text ? text : "";
}

// "WHERE: why", with the words of the status.
absl::Status At(absl::string_view where, const absl::Status& status) {
  return Error(Reason::kFIELD_INVALID, absl::StrCat(where, status.message()));
}

// ENOENT is told by whoever opens it.
absl::Status CheckKind(const std::string& path, ConfigFileKind kind) {
  struct stat status;
  if (kind == ConfigFileKind::kAny || stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode)) {
    return absl::OkStatus();
  }
  return Error(Reason::kFIELD_INVALID,
               absl::StrCat("configuration file ", path,
                            ": it is no regular file, and only that is read again"));
}

absl::Status ApplyFile(const std::string& path, ConfigFileKind kind, Config& config,
                       Origins& origins) {
  if (path.empty()) return absl::OkStatus();
  if (absl::Status status = CheckKind(path, kind); !status.ok()) return status;
  const absl::StatusOr<std::vector<FileEntry>> entries = ReadConfigFile(path);
  if (!entries.ok()) return entries.status();
  for (const FileEntry& entry : *entries) {
    // One by one, so that the error says where.
    for (size_t i = 0; i < entry.texts.size(); ++i) {
      const absl::Status status = SetValue(*entry.setting, {entry.texts[i]}, config);
      if (!status.ok()) {
        return At(absl::StrCat(entry.places[i], ": ", entry.setting->name, ": "), status);
      }
    }
    if (absl::Status status = SetValue(*entry.setting, entry.texts, config); !status.ok()) {
      return status;
    }
    origins[entry.setting] = {"file", entry.places.empty() ? path : entry.places[0]};
  }
  return absl::OkStatus();
}

absl::Status ApplyVariables(Config& config, Origins& origins) {
  for (const Setting& setting : Settings()) {
    const std::string name = VariableOf(setting);
    const std::string text = Variable(name);
    if (text.empty()) continue;
    std::vector<std::string> texts{text};
    if (IsList(setting)) texts = absl::StrSplit(text, ',', absl::SkipEmpty());
    const absl::Status status = SetValue(setting, texts, config);
    if (!status.ok()) return At(absl::StrCat(name, "="), status);
    origins[&setting] = {"variable", name};
  }
  return absl::OkStatus();
}

absl::Status ApplyFlags(const CommandLine& line, Config& config, Origins& origins) {
  for (const auto& [setting, texts] : line.flags) {
    const std::string name = absl::StrCat("--", setting->name);
    const absl::Status status = SetValue(*setting, texts, config);
    if (!status.ok()) return At(absl::StrCat(name, " "), status);
    origins[setting] = {"flag", name};
  }
  return absl::OkStatus();
}

// ---- The whole ---------------------------------------------------------------

// A TCP admin address without TLS is open to whoever reaches it: it must be asked
// for in so many words.
absl::Status CheckPlaintext(const Config& config, const AdminAddress& address) {
  if (!config.insecure_tcp && !config.insecure_tcp_any_address) {
    return Error(Reason::kADDRESS_INVALID,
                 absl::StrCat("--admin ", address.ToString(),
                              ": TCP without TLS knows nobody; use tls://HOST:PORT with "
                              "certificates, or unix:/path, or add --insecure-tcp to open it all "
                              "the same"));
  }
  if (!IsLoopback(address.tcp) && !config.insecure_tcp_any_address) {
    return Error(Reason::kADDRESS_INVALID,
                 absl::StrCat("--admin ", address.ToString(),
                              ": --insecure-tcp is for loopback addresses only; to let every "
                              "host that reaches the address drive the daemon, add "
                              "--insecure-tcp-any-address"));
  }
  return absl::OkStatus();
}

absl::Status CheckTls(const Config& config, bool has_tls_address) {
  const bool all =
      !config.tls_cert.empty() && !config.tls_key.empty() && !config.tls_client_ca.empty();
  const bool any = !config.tls_cert.empty() || !config.tls_key.empty() ||
                   !config.tls_client_ca.empty() || !config.tls_crl.empty();
  if (has_tls_address && !all) {
    return Error(Reason::kFIELD_INVALID,
                 "tls:// addresses need --tls-cert, --tls-key and --tls-client-ca");
  }
  // Whoever names certificates expects that they protect something.
  if (any && !has_tls_address) {
    return Error(Reason::kFIELD_INVALID,
                 "certificates are for tls:// addresses: add --admin tls://HOST:PORT");
  }
  if (config.audit_fail_closed && config.audit_log.empty()) {
    return Error(Reason::kFIELD_INVALID, "--audit-fail-closed needs --audit-log FILE");
  }
  return absl::OkStatus();
}

absl::Status CheckAdmin(const Config& config) {
  if (!config.admin.empty()) return absl::OkStatus();
  return Error(Reason::kFIELD_INVALID,
               "admin: the list is empty, nobody could drive the daemon; name an address, or leave "
               "the setting out for the default");
}

absl::Status CheckExposure(const Config& config) {
  bool has_tls_address = false;
  for (const AdminAddress& address : config.admin) {
    has_tls_address = has_tls_address || address.tls;
    if (address.is_unix() || address.tls) continue;
    if (absl::Status status = CheckPlaintext(config, address); !status.ok()) return status;
  }
  return CheckTls(config, has_tls_address);
}

// Texts in quotes, so that none of them is read as another type.
void EmitValue(const Setting& setting, const Config& config, YAML::Emitter& out) {
  const std::vector<std::string> texts = ValueOf(setting, config);
  const bool is_text = !IsSwitch(setting) && !IsCount(setting);
  if (IsList(setting)) out << YAML::Flow << YAML::BeginSeq;
  for (const std::string& text : texts) {
    if (is_text) out << YAML::DoubleQuoted;
    out << text;
  }
  if (IsList(setting)) out << YAML::EndSeq;
}

std::string Print(const Config& config, const Origins& origins, const std::string& version) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  for (const Setting& setting : Settings()) {
    out << YAML::Key << setting.name << YAML::Value;
    EmitValue(setting, config, out);
    const auto origin = origins.find(&setting);
    out << YAML::Comment(origin == origins.end()
                             ? "default"
                             : absl::StrCat(origin->second.kind, " ", origin->second.name));
  }
  out << YAML::EndMap;
  return absl::StrCat("# The configuration of sockhostd ", version, ".\n", out.c_str(), "\n");
}

// The last of them that is a format. `config` has what was taken over before something turned
// out to be wrong.
std::string KnownLogFormat(const CommandLine& line, const Config& config) {
  std::string out = Config().log_format;
  for (const Setting& setting : Settings()) {
    if (setting.name != absl::string_view("log-format")) continue;
    std::vector<std::string> texts{config.log_format, Variable(VariableOf(setting))};
    const auto flag = line.flags.find(&setting);
    if (flag != line.flags.end()) texts.push_back(flag->second.back());
    for (const std::string& text : texts) {
      Config tried;
      if (SetValue(setting, {text}, tried).ok()) out = text;
    }
  }
  return out;
}

}  // namespace

std::variant<Config, EarlyExit> ParseConfig(int argc, const char* const* argv,
                                            const std::string& version, ConfigFileKind kind) {
  Config config;
  Origins origins;
  Flags flags(version);
  std::optional<EarlyExit> exit = flags.Parse(argc, argv);
  const CommandLine& line = flags.line();
  if (exit) {
    exit->log_format = KnownLogFormat(line, config);
    return *std::move(exit);
  }
  absl::Status status =
      ApplyFile(line.file.empty() ? Variable(kFileVariable) : line.file, kind, config, origins);
  if (status.ok()) status = ApplyVariables(config, origins);
  if (status.ok()) status = ApplyFlags(line, config, origins);
  if (status.ok()) status = CheckAdmin(config);
  if (status.ok()) status = CheckExposure(config);
  if (status.ok()) status = CheckAdoptRules(config.adopt);
  if (!status.ok()) {
    return EarlyExit{std::string(status.message()), kUsageError, KnownLogFormat(line, config)};
  }
  if (line.print) return EarlyExit{Print(config, origins, version), 0};
  return config;
}

}  // namespace sockhost
