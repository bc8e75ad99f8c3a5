#include "client/duration_flag.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sockhost::client {

CLI::Option* AddDurationFlag(CLI::App& app, const std::string& flag, const std::string& description,
                             std::function<void(absl::Duration)> set, LeastDuration least) {
  return app
      .add_option_function<std::string>(
          flag,
          [flag, least, set = std::move(set)](const std::string& text) {
            absl::Duration duration;
            const bool may_be_zero = least == LeastDuration::kZero;
            if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
                (duration == absl::ZeroDuration() && !may_be_zero) ||
                duration == absl::InfiniteDuration()) {
              throw CLI::ValidationError(flag, absl::StrCat("\"", text, "\" is no duration",
                                                            may_be_zero ? "" : " above zero",
                                                            ": write e.g. 100ms, 1s, 1m30s"));
            }
            set(duration);
          },
          description)
      ->type_name("DURATION");
}

void SetDuration(absl::Duration duration, google::protobuf::Duration& out) {
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
}

}  // namespace sockhost::client
