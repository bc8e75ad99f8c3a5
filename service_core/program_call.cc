#include "program_call.h"

#include <exception>

#include "log.h"

namespace sockhost {

void CallProgram(Service& service, absl::string_view name, absl::FunctionRef<void()> call) {
  const auto note = [&](absl::string_view what) {
    thread_local LimitedLog log;
    service.counters.Add(Counter::handler_exceptions);
    // Escaped: the text can hold what came from the network.
    log.Log(LogLevel::kError, "a service threw an exception outside of its handler",
            {{"service", *service.name},
             {"owner", service.owner},
             {"call", name},
             {"exception", what}});
  };
  try {
    call();
  } catch (const std::exception& exception) {
    note(exception.what());
  } catch (...) {
    note("not a std::exception");
  }
}

}  // namespace sockhost
