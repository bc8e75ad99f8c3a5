#include "client/resource_output.h"

namespace sockhost::client {

CLI::Option* AddName(CLI::App& app, Arguments& arguments, const std::string& description) {
  return app.add_option("NAME", arguments.names, description)
      ->required()
      ->expected(1)
      ->type_name("");
}

}  // namespace sockhost::client
