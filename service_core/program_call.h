// Calls of a program's code outside of its handlers.
#ifndef SOCKHOST_SERVICE_CORE_PROGRAM_CALL_H_
#define SOCKHOST_SERVICE_CORE_PROGRAM_CALL_H_

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "service_registry.h"

namespace sockhost {

// Runs `call`, which is named `name` for people. What it throws is logged, at most once a second
// by each thread, and counted as a handler_exceptions of `service`: what the host is about to do
// is done all the same. Thread rule: that of CounterBlock::Add.
void CallProgram(Service& service, absl::string_view name, absl::FunctionRef<void()> call);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_PROGRAM_CALL_H_
