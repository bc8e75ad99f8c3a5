// Names that many records share.
#ifndef SOCKHOST_SERVICE_CORE_NAME_TABLE_H_
#define SOCKHOST_SERVICE_CORE_NAME_TABLE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

namespace sockhost {

// Holds each name as long as a record uses it, so that a record has a pointer and no
// reference of its own to count.
//
// Thread rule: none of its own; guarded by the mutex of what the records are in.
class NameTable {
 public:
  struct Name {
    std::shared_ptr<const std::string> text;
    size_t uses = 0;
  };

  // One more use of `text`, which lasts until Release; nullptr for nullptr. `likely`, which is
  // in use or nullptr, is where it is looked for first. Throws std::bad_alloc.
  Name* Use(const std::shared_ptr<const std::string>& text, Name* likely) {
    if (!text) return nullptr;
    if (likely && likely->text == text) {
      ++likely->uses;
      return likely;
    }
    // Not Abseil's map: that one is broken by a bad_alloc while it grows.
    Name& name = names_[text.get()];
    if (name.uses++ == 0) name.text = text;
    return &name;
  }

  void Release(Name* name) {
    if (name && --name->uses == 0) names_.erase(name->text.get());
  }

  static std::shared_ptr<const std::string> TextOf(const Name* name) {
    return name ? name->text : nullptr;
  }

 private:
  // By the address of the text.
  std::unordered_map<const std::string*, Name> names_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_NAME_TABLE_H_
