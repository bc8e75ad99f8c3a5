#include "config_file.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "json_string.h"
#include "nearest_word.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
// Longer texts are cut in messages.
constexpr size_t kMaxShownBytes = 64;
constexpr size_t kMaxErrorBytes = 256;

std::string Place(const std::string& path, const YAML::Mark& mark) {
  return absl::StrCat(path, ":", mark.line + 1, ":", mark.column + 1);
}

absl::Status Wrong(const std::string& place, absl::string_view why) {
  return Error(Reason::kFIELD_INVALID, absl::StrCat(place, ": ", why));
}

std::string Shown(const YAML::Node& node) {
  if (node.IsNull()) return "nothing";
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return absl::StrCat("\"", absl::CHexEscape(node.Scalar().substr(0, kMaxShownBytes)), "\"");
}

const Setting* Find(const std::string& name) {
  for (const Setting& setting : Settings()) {
    if (name == setting.name) return &setting;
  }
  return nullptr;
}

absl::Status UnknownKey(const std::string& place, const YAML::Node& key) {
  std::vector<std::string> names;
  for (const Setting& setting : Settings()) names.emplace_back(setting.name);
  const std::string nearest = key.IsScalar() ? NearestWord(key.Scalar(), names) : "";
  return Wrong(place,
               absl::StrCat("unknown key ", Shown(key),
                            nearest.empty() ? "; see sockhostd --help for all"
                                            : absl::StrCat("; did you mean ", nearest, "?")));
}

// A text in quotes is no number and no switch, as YAML has it.
bool IsPlain(const YAML::Node& node) { return node.Tag() != "!"; }

// And what looks like one of them without quotes is no text.
bool IsText(const YAML::Node& node) {
  bool is_switch = false;
  double number = 0;
  return !IsPlain(node) || (!YAML::convert<bool>::decode(node, is_switch) &&
                            !YAML::convert<double>::decode(node, number));
}

bool HasTypeOf(const Setting& setting, const YAML::Node& node) {
  if (!node.IsScalar()) return false;
  if (IsSwitch(setting)) {
    return IsPlain(node) && (node.Scalar() == "true" || node.Scalar() == "false");
  }
  if (IsCount(setting)) {
    const std::string& text = node.Scalar();
    return IsPlain(node) && !text.empty() &&
           text.find_first_not_of("0123456789", text[0] == '-' ? 1 : 0) == std::string::npos;
  }
  // 0 is one; what is wrong with other numbers is told with the units that there are.
  if (std::holds_alternative<DurationRange>(setting.limits)) return true;
  return IsText(node);
}

absl::string_view TypeOf(const Setting& setting) {
  if (IsSwitch(setting)) return "true or false";
  if (IsCount(setting)) return "a number";
  return IsList(setting) ? "a text or a list of texts" : "a text";
}

absl::Status Take(const std::string& path, const YAML::Node& node, FileEntry& entry) {
  std::string place = Place(path, node.Mark());
  if (!HasTypeOf(*entry.setting, node)) {
    return Wrong(place, absl::StrCat(entry.setting->name, ": expected ", TypeOf(*entry.setting),
                                     ", found ", Shown(node)));
  }
  entry.texts.push_back(node.Scalar());
  entry.places.push_back(std::move(place));
  return absl::OkStatus();
}

absl::Status TakeAll(const std::string& path, const YAML::Node& node, FileEntry& entry) {
  if (!node.IsSequence() || !IsList(*entry.setting)) return Take(path, node, entry);
  for (const YAML::Node& element : node) {
    if (absl::Status status = Take(path, element, entry); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FileEntry>> TakeMapping(const std::string& path,
                                                   const YAML::Node& mapping) {
  std::vector<FileEntry> out;
  std::set<const Setting*> seen;
  for (const auto& pair : mapping) {
    const YAML::Node& key = pair.first;
    const std::string place = Place(path, key.Mark());
    FileEntry entry{key.IsScalar() ? Find(key.Scalar()) : nullptr, {}, {}};
    if (!entry.setting) return UnknownKey(place, key);
    if (!seen.insert(entry.setting).second) {
      return Wrong(place, absl::StrCat("key \"", entry.setting->name, "\" is given twice"));
    }
    if (absl::Status status = TakeAll(path, pair.second, entry); !status.ok()) return status;
    out.push_back(std::move(entry));
  }
  return out;
}

absl::Status Unreadable(const std::string& path, absl::string_view why) {
  return Error(Reason::kFIELD_INVALID,
               absl::StrCat("configuration file ", path, ": cannot read it: ", why));
}

// Sees where a document begins, and what is in it, if it is not empty.
class DocumentMarks final : public YAML::EventHandler {
 public:
  const YAML::Mark& start() const { return start_; }
  const std::optional<YAML::Mark>& content() const { return content_; }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { See(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string&) override {
    See(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    See(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    See(mark);
  }
  void OnMapEnd() override {}

 private:
  void See(const YAML::Mark& mark) {
    if (!content_) content_ = mark;
  }

  YAML::Mark start_;
  std::optional<YAML::Mark> content_;
};

// Not by YAML::LoadAll, which goes on for ever where the parser does not come forward, as
// yaml-cpp 0.7 does not at a comma outside of a list.
absl::Status CheckDocuments(const std::string& path, const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentMarks first;
  DocumentMarks second;
  if (!parser.HandleNextDocument(first) || !parser.HandleNextDocument(second)) {
    return absl::OkStatus();
  }
  if (second.start().pos == first.start().pos) {
    return Wrong(Place(path, second.start()), "expected lines of the form \"key: value\"");
  }
  if (!second.content()) return absl::OkStatus();
  return Wrong(Place(path, *second.content()), "a second document; use one");
}

}  // namespace

absl::StatusOr<std::vector<FileEntry>> ReadConfigFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A folder opens, and cannot be read.
  if (!file.eof() && file.gcount() == 0) return Unreadable(path, DescribeErrno(errno));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) return Unreadable(path, "it is larger than 1 MiB");
  return ParseConfigFile(path, text);
}

absl::StatusOr<std::vector<FileEntry>> ParseConfigFile(const std::string& path,
                                                       const std::string& text) {
  // yaml-cpp would put U+FFFD in its place.
  if (const size_t good = Utf8Prefix(text); good < text.size()) {
    const std::string before = text.substr(0, good);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t column = good - (before.rfind('\n') + 1) + 1;
    return Wrong(absl::StrCat(path, ":", line, ":", column), "a byte that is no UTF-8");
  }
  try {
    if (absl::Status status = CheckDocuments(path, text); !status.ok()) return status;
    const YAML::Node document = YAML::Load(text);
    if (document.IsNull()) return std::vector<FileEntry>();
    if (!document.IsMap()) {
      return Wrong(
          Place(path, document.Mark()),
          absl::StrCat("expected lines of the form \"key: value\", found ", Shown(document)));
    }
    return TakeMapping(path, document);
  } catch (const YAML::Exception& error) {
    // It can hold what the file has, of any length.
    return Wrong(Place(path, error.mark),
                 absl::CHexEscape(absl::string_view(error.msg).substr(0, kMaxErrorBytes)));
  }
}

}  // namespace sockhost
