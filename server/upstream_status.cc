#include "upstream_status.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace sockhost {

std::string ProblemText(int problem) {
  switch (problem) {
    case 0:
      return "";
    case kNoAnswer:
      return "timed out";
    case kNoAddress:
      return "no address";
    case kOwnAddress:
      return "own address";
    default:
      break;
  }
  const char* name = strerrorname_np(problem);
  return name ? name : absl::StrCat("errno ", problem);
}

}  // namespace sockhost
