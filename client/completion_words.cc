#include "client/completion_words.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/forward_flags.h"
#include "client/resource_name.h"
#include "client/tls_files.h"
#include "client/verb_table.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

using google::protobuf::EnumDescriptor;
using Stub = v1::AdminService::Stub;

// Somebody waits with a finger on the key.
constexpr absl::Duration kPatience = absl::Seconds(1);
// More names than anybody reads through.
constexpr int kMostNames = 1000;
constexpr int kMostWords = 10'000;

// `FIELD=VALUE` for each value: filters that need no quotes.
void AddFilters(absl::string_view field, const EnumDescriptor& values,
                std::vector<std::string>& out) {
  for (int i = 0; i < values.value_count(); ++i) {
    // 0 is UNSPECIFIED.
    if (values.value(i)->number() == 0) continue;
    out.push_back(absl::StrCat(field, "=", values.value(i)->name()));
  }
}

std::vector<std::string> FiltersOf(absl::string_view path) {
  std::vector<std::string> out;
  if (path == "listener list") AddFilters("state", *v1::Listener::State_descriptor(), out);
  if (path == "service list") AddFilters("kind", *v1::Service::Kind_descriptor(), out);
  if (path == "events") AddFilters("kind", *v1::Event::Kind_descriptor(), out);
  if (path == "socket list" || path == "watch") {
    AddFilters("role", *v1::Socket::Role_descriptor(), out);
    AddFilters("family", *v1::Socket::Family_descriptor(), out);
    AddFilters("protocol", *v1::Socket::Protocol_descriptor(), out);
  }
  if (path == "socket list") AddFilters("state", *v1::Socket::State_descriptor(), out);
  if (path == "socket list" || path == "events") {
    AddFilters("close_reason", *v1::Socket::CloseReason_descriptor(), out);
  }
  return out;
}

// A flag by one of its names, e.g. "-o"; null if neither the verb nor the root has it.
const CLI::Option* FlagOf(const CLI::App& command, const CLI::App& root, absl::string_view name) {
  for (const CLI::App* app : {&command, &root}) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& text : option->get_lnames()) {
        if (name == "--" + text) return option;
      }
      for (const std::string& text : option->get_snames()) {
        if (name == "-" + text) return option;
      }
    }
  }
  return nullptr;
}

// Its value may only stand behind "=".
bool IsSwitch(const CLI::Option& option) { return option.get_items_expected_min() == 0; }

void AddFlags(const CLI::App& command, std::vector<std::string>& out) {
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  }
}

void AddVerbs(const CLI::App& command, std::vector<std::string>& out) {
  for (const CLI::App* sub : command.get_subcommands({})) out.push_back(sub->get_name());
}

// How far a command line has been understood.
class TypedLine {
 public:
  TypedLine(const CommandLine& command_line, absl::Span<const std::string> words)
      : command_line_(command_line), root_(command_line.Command("")), command_(&root_) {
    for (const std::string& word : words) Take(word);
  }

  Completion Next(const std::string& current) const {
    if (waiting_) return ValuesOf(*waiting_);
    const size_t equals = current.find('=');
    if (absl::StartsWith(current, "-") && equals != std::string::npos) {
      Completion out;
      const CLI::Option* flag = FlagOf(*command_, root_, current.substr(0, equals));
      if (flag) out = ValuesOf(*flag);
      out.prefix = current.substr(0, equals + 1);
      return out;
    }
    if (!absl::StartsWith(current, "-")) return WordsOrNames();
    Completion out;
    AddFlags(*command_, out.words);
    if (command_ != &root_) AddFlags(root_, out.words);
    return out;
  }

  // The global flags with their values; without one whose value is still missing.
  std::vector<std::string> global() const {
    std::vector<std::string> out = global_;
    if (waiting_ && IsGlobal(*waiting_)) out.pop_back();
    return out;
  }

 private:
  bool IsGlobal(const CLI::Option& flag) const {
    return absl::c_linear_search(root_.get_options(), &flag);
  }

  void Take(const std::string& word) {
    if (waiting_) {
      if (IsGlobal(*waiting_)) global_.push_back(word);
      waiting_ = nullptr;
    } else if (absl::StartsWith(word, "-")) {
      const size_t equals = word.find('=');
      const CLI::Option* flag = FlagOf(*command_, root_, word.substr(0, equals));
      if (!flag || IsSwitch(*flag)) return;
      if (IsGlobal(*flag)) global_.push_back(word);
      if (equals == std::string::npos) waiting_ = flag;
    } else {
      TakeWord(word);
    }
  }

  void TakeWord(const std::string& word) {
    const std::string path = path_.empty() ? word : absl::StrCat(path_, " ", word);
    const bool is_verb = FindVerb(path) != nullptr;
    // Of an argument of `help` too: it is a verb itself.
    if (!is_verb) return arguments_.push_back(word);
    path_ = path;
    command_ = &command_line_.Command(path);
  }

  Completion ValuesOf(const CLI::Option& flag) const {
    if (IsSwitch(flag)) return {{"true", "false"}, "", ""};
    const std::string type = flag.get_type_name();
    const std::string kind = type.substr(0, type.find(':'));
    if (kind == "FORMAT") return {{"table", "json", "name"}, "", ""};
    if (kind == "VIEW") return {{"basic", "full"}, "", ""};
    if (kind == "POLICY") return {PolicyWords(), "", ""};
    if (kind == "SERVICE") return {{}, "service", ""};
    if (kind == "EXPR") return {FiltersOf(path_), "", ""};
    return {};
  }

  Completion WordsOrNames() const {
    Completion out;
    if (path_ == "completion" && arguments_.empty()) out.words = {"bash", "zsh", "fish"};
    if (path_ == "help") {
      const CLI::App* of = arguments_.empty()             ? &root_
                           : FindVerb(arguments_.front()) ? &command_line_.Command(arguments_[0])
                                                          : nullptr;
      if (of && arguments_.size() < 2) AddVerbs(*of, out.words);
      return out;
    }
    AddVerbs(*command_, out.words);
    const bool takes_names = absl::c_any_of(command_->get_options(), [](const CLI::Option* option) {
      return option->get_positional() && absl::StartsWith(option->get_name(), "NAME");
    });
    if (takes_names && path_ != "listener create") out.names_of = path_.substr(0, path_.find(' '));
    return out;
  }

  const CommandLine& command_line_;
  const CLI::App& root_;
  const CLI::App* command_;
  std::string path_;
  // What belongs to no flag and is no verb.
  std::vector<std::string> arguments_;
  std::vector<std::string> global_;
  // Takes the next word.
  const CLI::Option* waiting_ = nullptr;
};

// True if no shell takes any of it for more than a character. Ids of a real daemon are such; what
// answers may be another.
bool IsPlain(absl::string_view id) {
  return absl::c_all_of(id, [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == ':';
  });
}

template <class Resources>
void AddIds(const Resources& resources, absl::string_view collection,
            std::vector<std::string>& out) {
  for (const auto& resource : resources) {
    const std::string id(BareId(collection, resource.name()));
    if (IsPlain(id)) out.push_back(id);
  }
}

// Asks for one page.
void AddNames(absl::string_view of, const AdminConnection& connection,
              std::vector<std::string>& out) {
  const auto ask = [&connection](auto method, auto request) {
    request.set_page_size(kMostNames);
    return connection.Call(method, request);
  };
  if (of == "listener") {
    const auto page = ask(&Stub::ListListeners, v1::ListListenersRequest());
    if (page.ok()) AddIds(page->listeners(), kListeners, out);
  } else if (of == "socket") {
    const auto page = ask(&Stub::ListSockets, v1::ListSocketsRequest());
    if (page.ok()) AddIds(page->sockets(), kSockets, out);
  } else {
    const auto page = ask(&Stub::ListServices, v1::ListServicesRequest());
    if (page.ok()) AddIds(page->services(), kServices, out);
  }
}

// As AddNames, of the daemon that the `global` flags name; nothing if they make no sense.
void AddNamesWith(const std::vector<std::string>& global, absl::string_view of,
                  std::vector<std::string>& out) {
  std::vector<const char*> words{"sockctl"};
  for (const std::string& word : global) words.push_back(word.c_str());
  words.push_back("host");
  CommandLine command_line;
  if (!command_line.Parse(static_cast<int>(words.size()), words.data()).verb) return;
  const Arguments& arguments = command_line.arguments();
  const auto credentials = CredentialsFor(arguments.host, arguments.tls);
  if (!credentials.ok()) return;
  AddNames(of,
           AdminConnection(arguments.host, std::min(kPatience, arguments.timeout), *credentials,
                           arguments.tls.server_name),
           out);
}

absl::Span<const std::string> AllButLast(absl::Span<const std::string> words) {
  return words.subspan(0, words.empty() ? 0 : words.size() - 1);
}

}  // namespace

Completion CompletionOf(const CommandLine& command_line, absl::Span<const std::string> typed) {
  return TypedLine(command_line, AllButLast(typed)).Next(typed.empty() ? "" : typed.back());
}

void DeclareComplete(CLI::App& app, Arguments& arguments) {
  app.add_option("WORD", arguments.names, "Words behind `sockctl`; the last one is being typed")
      ->required()
      // Not 0: CLI11 would give what stands behind "--" to the root.
      ->expected(1, kMostWords)
      ->type_name("");
}

absl::Status RunComplete(const Arguments& arguments, AdminConnection&, Output& output) {
  const std::string typed = arguments.names.empty() ? "" : arguments.names.back();
  const CommandLine command_line;
  const TypedLine line(command_line, AllButLast(arguments.names));
  Completion found = line.Next(typed);
  if (!found.names_of.empty()) AddNamesWith(line.global(), found.names_of, found.words);
  std::string text;
  for (const std::string& word : found.words) {
    const std::string whole = found.prefix + word;
    if (absl::StartsWith(whole, typed)) absl::StrAppend(&text, whole, "\n");
  }
  return output.Write(text);
}

}  // namespace sockhost::client
