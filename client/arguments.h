// What the user typed after `sockctl`.
#ifndef SOCKHOST_CLIENT_ARGUMENTS_H_
#define SOCKHOST_CLIENT_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/admin_address.h"
#include "client/tls_files.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost::client {

enum class OutputFormat { kTable, kJson, kName };

// Plain data. Flags that end up in a request are written into it directly.
struct Arguments {
  // Global flags.
  AdminAddress host;
  TlsFiles tls;
  absl::Duration timeout = absl::Seconds(10);
  OutputFormat output = OutputFormat::kTable;
  bool no_headers = false;

  // Arguments without a flag: names, or the words of `help`.
  std::vector<std::string> names;

  // Flags of verbs.
  v1::CreateListenerRequest create_listener;
  v1::UpdateListenerRequest update_listener;
  v1::PauseListenerRequest pause_listener;
  v1::ResumeListenerRequest resume_listener;
  v1::DrainListenerRequest drain_listener;
  v1::DeleteListenerRequest delete_listener;
  v1::ListListenersRequest list_listeners;
  v1::ListSocketsRequest list_sockets;
  v1::GetSocketRequest get_socket;
  v1::ListServicesRequest list_services;
  v1::WatchSocketsRequest watch_sockets;
  int64_t sample_count = 0;  // samples after which a watch ends; 0: never
  v1::WatchEventsRequest watch_events;
  int64_t event_count = 0;  // events after which they end; 0: never
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_ARGUMENTS_H_
