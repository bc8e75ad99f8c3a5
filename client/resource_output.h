// Resources as -o table|json|name prints them, and the argument that names one.
#ifndef SOCKHOST_CLIENT_RESOURCE_OUTPUT_H_
#define SOCKHOST_CLIENT_RESOURCE_OUTPUT_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/arguments.h"
#include "client/display_text.h"
#include "client/json_text.h"
#include "client/output.h"
#include "client/resource_sheet.h"
#include "client/resource_tables.h"

namespace sockhost::client {

// Adds the required argument NAME, which goes to `arguments.names`.
CLI::Option* AddName(CLI::App& app, Arguments& arguments, const std::string& description);

// An answer of a List method: a table of `resources`, the answer as one JSON
// object, or the names.
template <class Response, class Resources>
absl::Status PrintList(const Response& response, const Resources& resources,
                       const Arguments& arguments, Output& output) {
  std::string text;
  switch (arguments.output) {
    case OutputFormat::kTable:
      return output.Write(TableOf(resources, absl::Now()).Text(arguments.no_headers));
    case OutputFormat::kJson:
      return WriteJson(response, JsonLayout::kIndented, output);
    case OutputFormat::kName:
      for (const auto& resource : resources) {
        absl::StrAppend(&text, Printable(resource.name()), "\n");
      }
      return output.Write(text);
  }
  return absl::OkStatus();
}

// One resource: as PrintList, with a table of one row.
template <class Resource>
absl::Status PrintRow(const Resource& resource, const Arguments& arguments, Output& output) {
  google::protobuf::RepeatedPtrField<Resource> resources;
  *resources.Add() = resource;
  return PrintList(resource, resources, arguments, output);
}

// One resource: as PrintRow, but with a sheet of its fields instead of a table.
template <class Resource>
absl::Status PrintSheet(const Resource& resource, const Arguments& arguments, Output& output) {
  switch (arguments.output) {
    case OutputFormat::kTable:
      return output.Write(SheetOf(resource, absl::Now()));
    case OutputFormat::kJson:
      return WriteJson(resource, JsonLayout::kIndented, output);
    case OutputFormat::kName:
      return output.Write(absl::StrCat(Printable(resource.name()), "\n"));
  }
  return absl::OkStatus();
}

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_RESOURCE_OUTPUT_H_
