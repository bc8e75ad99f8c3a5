// Services in C++: an object for each socket, and registrations that end with
// their owner. Templates over the C API, for modules and for programs that embed
// the core; a module links absl::statusor itself.
//
//   class Ticker {
//    public:
//     explicit Ticker(int timer_fd);  // owns it
//     Next OnReady(const net_socket_service_event& event);
//   };
//
//   auto tickers = SocketService<&Ticker::OnReady>::Define("ticker", /*capacity=*/8);
//   if (!tickers.ok()) return tickers.status();
//   absl::StatusOr<Registration> tick = tickers->Register(timer_fd, POLLIN, timer_fd);
//
// Thread rule. The service thread calls an object's method, and destroys the object
// there, between two handler calls, when its socket is no longer polled. So an object
// needs no lock of its own and may close its fd in its destructor. Everything else
// here is for any thread, never waits for a handler, and may be called inside one.
// Objects that are registered when the service thread has stopped are never destroyed.
//
// An event costs one indirect call more than a handler in C: nothing is allocated,
// locked or looked up.
//
// An exception that leaves a method ends the connection, if it is a listener's; a
// registered socket stays registered.
#ifndef SOCKHOST_REGISTRATION_H_
#define SOCKHOST_REGISTRATION_H_

#include <poll.h>

#include <cerrno>
#include <concepts>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {

// What a method says about its socket. A method that returns void always keeps it.
enum class Next {
  kKeep,  // go on polling
  kEnd,   // poll no more and destroy the object; a connection is closed
};

// Where a service is defined. std::source_location is not there for clang 14.
struct SourceLine {
  const char* file;
  int line;

  // As a default argument: of the call that leaves it out.
  static constexpr SourceLine Current(const char* file = __builtin_FILE(),
                                      int line = __builtin_LINE()) {
    return {file, line};
  }
};

namespace registration_internal {

// What the C API returned.
inline absl::Status StatusOf(int result, absl::string_view what) {
  if (result == 0) return absl::OkStatus();
  if (result != -EIO) return absl::ErrnoToStatus(-result, what);
  return absl::UnavailableError(
      absl::StrCat(what, ": the service thread could not start or has stopped"));
}

// What a template argument &T::Method is; no such class is ever made.
template <typename T, typename R>
struct MethodOf {
  using Object = T;
  static constexpr bool kIsMethod = true;
  static constexpr bool kReturnsNext = std::same_as<R, Next>;
  static constexpr bool kHasGoodResult = kReturnsNext || std::is_void_v<R>;
};
struct NoMethod {
  using Object = NoMethod;
  static constexpr bool kIsMethod = false;
  static constexpr bool kHasGoodResult = true;
};

template <typename T, typename R>
MethodOf<T, R> Inspect(R (T::*method)(const net_socket_service_event&));
template <typename T, typename R>
MethodOf<T, R> Inspect(R (T::*method)(const net_socket_service_event&) const);
NoMethod Inspect(...);

template <auto kMethod>
struct CheckedMethod : decltype(Inspect(kMethod)) {
  static_assert(CheckedMethod::kIsMethod,
                "write &T::Method, with Next Method(const net_socket_service_event& event)");
  static_assert(CheckedMethod::kHasGoodResult,
                "the method of a service returns sockhost::Next or void; anything else would be "
                "thrown away");
};

template <auto kMethod, typename T>
Next Call(T& object, const net_socket_service_event& event) {
  if constexpr (CheckedMethod<kMethod>::kReturnsNext) {
    return (object.*kMethod)(event);
  } else {
    (object.*kMethod)(event);
    return Next::kKeep;
  }
}

// One registered socket. The host holds it through user_data, a Registration beside
// that: so neither its address nor its fd number can stand for another one while
// somebody might remove it.
struct PolledSocket {
  std::mutex mutex;
  // Guarded by mutex.
  bool registered = false;
  // Constant while registered.
  const net_socket_service_desc* service = nullptr;
  int fd = -1;
  // What the host holds.
  std::shared_ptr<PolledSocket> of_host;

  void Remove() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!registered) return;
    registered = false;
    // Later the host calls FreePolledSocket on the service thread. It refuses when that
    // thread has stopped: then nobody polls.
    sockhost_service_remove(service, fd);
  }
};

template <typename T>
struct PolledSocketOf : PolledSocket {
  std::optional<T> object;
};

// The socket is gone, for whatever reason.
template <typename T>
void FreePolledSocket(void* user_data) {
  auto* socket = static_cast<PolledSocketOf<T>*>(user_data);
  const std::shared_ptr<PolledSocket> last = std::move(socket->of_host);
  {
    const std::lock_guard<std::mutex> lock(socket->mutex);
    socket->registered = false;
  }
  socket->object.reset();
}

}  // namespace registration_internal

// Keeps one fd registered for as long as it lives. Movable; an empty one holds none.
class Registration {
 public:
  Registration() = default;
  Registration(Registration&& other) noexcept = default;
  Registration& operator=(Registration&& other) noexcept {
    if (this == &other) return *this;
    Remove();
    socket_ = std::move(other.socket_);
    return *this;
  }
  ~Registration() { Remove(); }

  // Ends it. Every handler call that begins after the return is for another socket; a
  // call in progress finishes. The service thread destroys the object.
  void Remove() {
    if (socket_) socket_->Remove();
    socket_.reset();
  }

  // Lets go without removing: the socket stays until its method returns Next::kEnd or
  // its service ends.
  void Detach() { socket_.reset(); }

  // False if it is empty, or the socket was removed: by its method, or because its fd
  // was closed or its service ended.
  bool IsRegistered() const {
    if (!socket_) return false;
    const std::lock_guard<std::mutex> lock(socket_->mutex);
    return socket_->registered;
  }

  // Changes what the socket is polled for. FAILED_PRECONDITION if it is not registered
  // any more; otherwise as SocketService::Register().
  absl::Status SetEvents(short events) {
    if (!socket_) return absl::FailedPreconditionError("set events: nothing is registered");
    const std::lock_guard<std::mutex> lock(socket_->mutex);
    const int result = socket_->registered
                           ? sockhost_service_modify(socket_->service, socket_->fd, events)
                           : -EBADF;
    // -ENOENT: it was removed, and its object is destroyed soon.
    return registration_internal::StatusOf(result == -ENOENT ? -EBADF : result,
                                           absl::StrCat("set events of fd ", socket_->fd));
  }

 private:
  template <auto kMethod>
  friend class SocketService;
  using Socket = registration_internal::PolledSocket;

  explicit Registration(std::shared_ptr<Socket> socket) : socket_(std::move(socket)) {}

  std::shared_ptr<Socket> socket_;
};

// A service that is known for as long as this lives. When it goes, its registered
// sockets are removed; if a listener is bound to it, it stays to the end of the process.
class DefinedService {
 public:
  DefinedService(DefinedService&& other) noexcept
      : name_(std::move(other.name_)), descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  DefinedService& operator=(DefinedService&& other) noexcept {
    std::swap(name_, other.name_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~DefinedService() {
    if (descriptor_) sockhost_service_undefine(descriptor_);
  }

  const std::string& name() const { return name_; }
  // For the functions of the C API. net_socket_service_close() and its relatives would
  // close fds that the objects own.
  const net_socket_service_desc* descriptor() const { return descriptor_; }

 protected:
  explicit DefinedService(std::string name) : name_(std::move(name)) {}

  // Errors: INVALID_ARGUMENT for a name or capacity that sockhost_service_define()
  // refuses; ALREADY_EXISTS. The log says more.
  absl::Status Define(sockhost_service_definition definition, const SourceLine& where) {
    const std::string owner = absl::StrCat(where.file, ":", where.line);
    definition.name = name_.c_str();
    definition.owner = owner.c_str();
    const int result = sockhost_service_define(&definition, &descriptor_);
    if (result == 0) return absl::OkStatus();
    return absl::ErrnoToStatus(-result, absl::StrCat("define service \"", name_, "\""));
  }

 private:
  std::string name_;
  const net_socket_service_desc* descriptor_ = nullptr;
};

// A service for fds that the program opens itself. `kMethod` is &T::Method, with
//   Next Method(const net_socket_service_event& event);
// or the same with void; the method may be const.
template <auto kMethod>
class SocketService : public DefinedService {
 public:
  using Object = typename registration_internal::CheckedMethod<kMethod>::Object;

  // Makes a service known with room for `capacity` fds. Errors as above.
  static absl::StatusOr<SocketService> Define(std::string name, int capacity,
                                              SourceLine where = SourceLine::Current()) {
    SocketService service(std::move(name));
    sockhost_service_definition definition{};
    definition.handler = Handle;
    definition.capacity = capacity;
    definition.free_user_data = registration_internal::FreePolledSocket<Object>;
    const absl::Status status = service.DefinedService::Define(definition, where);
    if (!status.ok()) return status;
    return service;
  }

  // Polls `fd` and calls the method of an Object made from `arguments`, on the service
  // thread and possibly before the return. The fd must stay open until the object is
  // destroyed, so the object is the one to own it.
  //
  // Errors, with the object destroyed: INVALID_ARGUMENT (fd < 0, or events that poll(2)
  // does not know), FAILED_PRECONDITION (not open), PERMISSION_DENIED (cannot be
  // polled), ALREADY_EXISTS (registered already), RESOURCE_EXHAUSTED (capacity, memory or
  // a limit of the host), UNAVAILABLE (the service thread could not start or has stopped).
  template <typename... Arguments>
  absl::StatusOr<Registration> Register(int fd, short events, Arguments&&... arguments) {
    using registration_internal::PolledSocketOf;
    auto socket = std::make_shared<PolledSocketOf<Object>>();
    socket->object.emplace(std::forward<Arguments>(arguments)...);
    socket->service = descriptor();
    socket->fd = fd;
    socket->of_host = socket;
    int result;
    {
      // The first call of the method may come, and end it, before the return.
      const std::lock_guard<std::mutex> lock(socket->mutex);
      result = sockhost_service_add(descriptor(), fd, events, socket.get());
      socket->registered = result == 0;
    }
    if (result == 0) return Registration(std::move(socket));
    socket->of_host.reset();
    return registration_internal::StatusOf(
        result, absl::StrCat("register fd ", fd, " with service ", name()));
  }

 private:
  explicit SocketService(std::string name) : DefinedService(std::move(name)) {}

  static void Handle(net_socket_service_event* event) {
    auto& socket = *static_cast<registration_internal::PolledSocketOf<Object>*>(event->user_data);
    if (registration_internal::Call<kMethod>(*socket.object, *event) == Next::kEnd) {
      socket.Remove();
    }
  }
};

// A service for listeners: each connection (or the listener's datagram socket) gets an
// object of its own with its first event, made from the fd if Object has such a
// constructor, else without arguments. `kMethod` is as above. The host owns the fd.
template <auto kMethod>
class ConnectionService : public DefinedService {
 public:
  using Object = typename registration_internal::CheckedMethod<kMethod>::Object;

  // Makes a service known. Connections are first polled for `events`: with POLLOUT the
  // service speaks first. Errors as DefinedService::Define().
  static absl::StatusOr<ConnectionService> Define(std::string name, short events = POLLIN,
                                                  SourceLine where = SourceLine::Current()) {
    ConnectionService service(std::move(name));
    sockhost_service_definition definition{};
    definition.handler = Handle;
    definition.connection_events = events;
    definition.free_user_data = [](void* object) { delete static_cast<Object*>(object); };
    const absl::Status status = service.DefinedService::Define(definition, where);
    if (!status.ok()) return status;
    return service;
  }

 private:
  explicit ConnectionService(std::string name) : DefinedService(std::move(name)) {}

  static Object* NewObject(int fd) {
    if constexpr (std::constructible_from<Object, int>) {
      return new Object(fd);
    } else {
      return new Object();
    }
  }

  static void Handle(net_socket_service_event* event) {
    const int fd = event->event.fd;
    auto* object = static_cast<Object*>(event->user_data);
    if (!object) {
      object = NewObject(fd);
      sockhost_socket_set_user_data(fd, object);
    }
    if (registration_internal::Call<kMethod>(*object, *event) == Next::kEnd) {
      sockhost_socket_close(fd);
    }
  }
};

}  // namespace sockhost

#endif  // SOCKHOST_REGISTRATION_H_
