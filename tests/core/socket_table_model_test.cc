// Random programs against a small model of what the socket table must do.
//
// Everything happens on the service thread, so a seed repeats a run: at the end of
// each turn a few random steps are taken, and each handler takes some more. The
// model says what each call must return, who may be called, and who must be.
//
//   SOCKHOST_MODEL_SEED, SOCKHOST_MODEL_STEPS: another run, a longer run.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "tests/core/log_lines.h"
#include "tests/core/loop_fixture.h"
#include "tests/core/sockets.h"
#include "tests/core/test_numbers.h"

namespace sockhost {
namespace {

constexpr size_t kServices = 4;
constexpr int kCapacity = 6;
constexpr size_t kFiles = 20;
constexpr int kStepsPerTurn = 16;

uint64_t InodeOf(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

class SocketTableModelTest : public LoopFixture {
 protected:
  // ---- The world: files that the program has open ---------------------------------

  struct File {
    UniqueFd fd;
    // The other end, if it is a socket; else it is an eventfd.
    UniqueFd peer;
    uint64_t inode = 0;
    bool ready = false;
    // Changes with `ready`.
    uint64_t version = 0;
  };

  File* FileOf(int number) {
    for (File& file : files_) {
      if (file.fd.get() == number) return &file;
    }
    return nullptr;
  }

  void SetReady(File& file, bool ready) {
    if (file.ready == ready) return;
    file.ready = ready;
    file.version = ++versions_;
    if (!ready) {
      TakeAll(file.fd.get());
    } else if (file.peer.valid()) {
      SendText(file.peer.get(), "x");
    } else {
      eventfd_write(file.fd.get(), 1);
    }
  }

  // ---- The model: what is registered -----------------------------------------------

  struct Entry {
    size_t service = 0;
    short events = 0;
    void* user_data = nullptr;
    // Changes when the socket is another one, or is polled otherwise.
    uint64_t version = 0;
    // The same as long as it is the same socket.
    uint64_t socket = 0;
    // Its file was closed without being unregistered, and when.
    bool orphan = false;
    uint64_t orphan_since = 0;
  };

  Entry* EntryOf(int number) {
    const auto found = entries_.find(number);
    return found == entries_.end() ? nullptr : &found->second;
  }

  void Erase(int number) {
    if (EntryOf(number)->orphan) ++closed_behind_;
    entries_.erase(number);
  }

  int CountOf(size_t service) const {
    return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [=](const auto& entry) {
      return entry.second.service == service;
    }));
  }

  bool IsOpenNumber(int number) {
    return number == file_that_cannot_be_polled_.get() || FileOf(number);
  }

  // What Take makes of one fd: an error, or 0 and the socket that stands for it.
  int Take(size_t service, int number, std::set<int>& taken) {
    if (!IsOpenNumber(number)) return -EBADF;
    if (taken.count(number) > 0) return -EEXIST;
    const Entry* entry = EntryOf(number);
    if (entry && !entry->orphan) {
      if (entry->service != service) return -EEXIST;
      taken.insert(number);
      return 0;
    }
    if (number == file_that_cannot_be_polled_.get()) return -EPERM;
    if (entry) Erase(number);
    entries_[number] = {service, 0, nullptr, 0, ++versions_, false, 0};
    taken.insert(number);
    return 0;
  }

  int ModelReplace(size_t service, const std::vector<pollfd>& set, void* user_data) {
    if (set.size() > kCapacity) return -ENOMEM;
    for (const pollfd& wanted : set) {
      if (wanted.fd < -1 || (wanted.fd >= 0 && wanted.events == kUnknownEvent)) return -EINVAL;
    }
    std::set<int> before;
    for (const auto& [number, entry] : entries_) before.insert(number);
    std::set<int> taken;
    for (const pollfd& wanted : set) {
      if (wanted.fd < 0) continue;
      const std::map<int, Entry> entries = entries_;
      const int result = Take(service, wanted.fd, taken);
      if (result == 0) {
        const auto old = entries.find(wanted.fd);
        const bool is_new =
            old == entries.end() || old->second.socket != EntryOf(wanted.fd)->socket;
        if (is_new) before.erase(wanted.fd);
        continue;
      }
      for (const int number : taken) {
        if (before.count(number) == 0) entries_.erase(number);
      }
      return result;
    }
    std::vector<int> gone;
    for (const auto& [number, entry] : entries_) {
      if (entry.service == service && taken.count(number) == 0) gone.push_back(number);
    }
    for (const int number : gone) Erase(number);
    for (const pollfd& wanted : set) {
      if (wanted.fd >= 0) Poll(*EntryOf(wanted.fd), wanted.events, user_data);
    }
    return 0;
  }

  int ModelAdd(size_t service, int number, short events, void* user_data) {
    if (number < 0 || events == kUnknownEvent) return -EINVAL;
    if (!IsOpenNumber(number)) return -EBADF;
    if (const Entry* entry = EntryOf(number); entry && entry->service == service) {
      if (!entry->orphan) return -EEXIST;
      Erase(number);
    }
    if (CountOf(service) == kCapacity) return -ENOMEM;
    std::set<int> taken;
    const int result = Take(service, number, taken);
    if (result == 0) Poll(*EntryOf(number), events, user_data);
    return result;
  }

  int ModelModify(size_t service, int number, short events) {
    if (events == kUnknownEvent) return -EINVAL;
    Entry* entry = EntryOf(number);
    if (!entry || entry->service != service) return -ENOENT;
    if (entry->orphan) return FileOf(number) ? -ENOENT : -EBADF;
    Poll(*entry, events, entry->user_data);
    return 0;
  }

  void Poll(Entry& entry, short events, void* user_data) {
    entry.events = events;
    entry.user_data = user_data;
    entry.version = ++versions_;
  }

  // ---- Steps -------------------------------------------------------------------------

  template <typename... Choices>
  auto Pick(Choices... choices) {
    const std::common_type_t<Choices...> all[] = {choices...};
    return all[Below(sizeof...(choices))];
  }
  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  bool Chance(int percent) { return Below(100) < static_cast<size_t>(percent); }

  File* PickFile(bool open) {
    File& file = files_[Below(kFiles)];
    return file.fd.valid() == open ? &file : nullptr;
  }
  // Preferably one whose event is in the same batch.
  File* PickOpenFile() {
    if (!due_.empty() && Chance(50)) {
      if (File* file = FileOf(due_[Below(due_.size())].number)) return file;
    }
    return PickFile(true);
  }
  // A number to call the table with: mostly a sound one.
  int PickNumber() {
    if (Chance(3)) return Pick(-1, -2, ClosedFd(), file_that_cannot_be_polled_.get());
    if (Chance(5) && !entries_.empty()) {
      return std::next(entries_.begin(), static_cast<long>(Below(entries_.size())))->first;
    }
    const File* file = PickOpenFile();
    return file ? file->fd.get() : -1;
  }
  short PickEvents() {
    const short some[] = {POLLIN, POLLIN, POLLIN, POLLIN, POLLPRI, 0};
    return Chance(1) ? kUnknownEvent : some[Below(std::size(some))];
  }
  void* NewUserData() { return reinterpret_cast<void*>(++versions_); }

  void Step() {
    ++steps_;
    const size_t service = Below(kServices);
    switch (Below(20)) {
      case 0:
      case 1:
      case 2:
        return OpenFile();
      case 3:
        return CloseAfterRemoving();
      case 4:
        if (Chance(40)) CloseSilently();
        return;
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        if (File* file = PickFile(true)) SetReady(*file, Chance(85));
        return;
      case 11:
        return Replace(service);
      case 12:
      case 13:
      case 14:
      case 15:
      case 16:
        return AddOne(service);
      case 17:
        return ModifyOne(service);
      case 18:
        return RemoveOne(service);
      default:
        // Rarely: the sets shall have time to fill.
        if (Chance(10)) RemoveSet(service, Pick(Fate::kLeaveOpen, Fate::kClose));
        return;
    }
  }

  void AddOne(size_t service) {
    const int number = PickNumber();
    const short events = PickEvents();
    void* user_data = NewUserData();
    const int result = ModelAdd(service, number, events, user_data);
    Expect("add", table_.AddOne(*services_[service], number, events, user_data), result);
  }

  void ModifyOne(size_t service) {
    const int number = PickNumber();
    const short events = PickEvents();
    const int result = ModelModify(service, number, events);
    Expect("modify", table_.ModifyOne(*services_[service], number, events), result);
  }

  void OpenFile() {
    File* file = PickFile(false);
    if (!file) return;
    *file = {};
    if (Chance(50)) {
      file->fd = EventFd(false);
    } else {
      SocketPair pair = UnixPair();
      file->fd = std::move(pair.ours);
      // Out of the way: numbers of closed files go to files of the program only.
      file->peer.reset(fcntl(pair.peer.get(), F_DUPFD_CLOEXEC, 1000));
      file->inode = InodeOf(file->fd.get());
    }
  }

  void CloseAfterRemoving() {
    File* file = PickOpenFile();
    if (!file) return;
    const Entry* entry = EntryOf(file->fd.get());
    if (entry && !entry->orphan) {
      Expect("remove before close", table_.RemoveOne(*services_[entry->service], file->fd.get()),
             0);
      Erase(file->fd.get());
    }
    *file = {};
  }

  void CloseSilently() {
    File* file = PickOpenFile();
    if (!file) return;
    Entry* entry = EntryOf(file->fd.get());
    if (entry && !entry->orphan) {
      entry->orphan = true;
      entry->orphan_since = ++versions_;
    }
    *file = {};
  }

  void Replace(size_t service) {
    std::vector<pollfd> set(Below(kCapacity + 1));
    if (Chance(2)) set.resize(kCapacity + 1);
    for (pollfd& wanted : set) wanted = {PickNumber(), PickEvents(), 0};
    void* user_data = NewUserData();
    const int result = ModelReplace(service, set, user_data);
    Expect("replace", table_.ReplaceSet(*services_[service], set, user_data), result);
    if (result != 0) return;
    set.resize(kCapacity, {-1, 0, 0});
    for (int i = 0; i < kCapacity; ++i) {
      Expect("place in the descriptor", services_[service]->descriptor->pev[i].event.fd,
             set[static_cast<size_t>(i)].fd);
    }
  }

  void RemoveOne(size_t service) {
    const int number = PickNumber();
    if (const Entry* entry = EntryOf(number); entry && Chance(80)) service = entry->service;
    const Entry* entry = EntryOf(number);
    const bool known = entry && entry->service == service;
    Expect("remove", table_.RemoveOne(*services_[service], number), known ? 0 : -ENOENT);
    if (known) Erase(number);
  }

  void RemoveSet(size_t service, Fate fate) {
    std::vector<int> numbers;
    for (const auto& [number, entry] : entries_) {
      if (entry.service == service) numbers.push_back(number);
    }
    table_.RemoveSet(*services_[service], fate, {});
    for (const int number : numbers) {
      if (fate == Fate::kClose && !EntryOf(number)->orphan) {
        File* file = FileOf(number);
        closing_.emplace_back(file->fd.release(), table_.turn());
        *file = {};
      }
      Erase(number);
    }
  }

  // ---- Checks -------------------------------------------------------------------------

  void Expect(const char* what, int64_t got, int64_t expected) {
    if (got == expected) return;
    failed_ = true;
    ADD_FAILURE() << what << ": got " << got << ", the model says " << expected << ", step "
                  << steps_;
  }

  void CheckTable() {
    Expect("sockets", static_cast<int64_t>(table_.size()), static_cast<int64_t>(entries_.size()));
    Expect("closed behind", table_.closed_behind(), closed_behind_);
    for (size_t service = 0; service < kServices; ++service) {
      Expect("registered", table_.CountSockets(*services_[service]).first, CountOf(service));
      std::set<int> shown;
      for (const int number : DescriptorFds(*services_[service])) {
        if (number != -1) shown.insert(number);
      }
      std::set<int> expected;
      for (const auto& [number, entry] : entries_) {
        if (entry.service == service) expected.insert(number);
      }
      Expect("fds in the descriptor", shown == expected, true);
    }
  }

  void CheckFiles() {
    for (const File& file : files_) {
      if (!file.fd.valid()) continue;
      Expect("file is open", IsOpen(file.fd.get()), true);
      if (file.inode != 0) {
        Expect("inode", static_cast<int64_t>(InodeOf(file.fd.get())),
               static_cast<int64_t>(file.inode));
      }
    }
  }

  // The reaping of earlier turns is over: what was to be closed is.
  void Settle() {
    if (condemned_ != 0) {
      const auto found = std::find_if(entries_.begin(), entries_.end(), [this](const auto& entry) {
        return entry.second.socket == condemned_;
      });
      if (found != entries_.end()) Erase(found->first);
      condemned_ = 0;
    }
    while (!closing_.empty() && closing_.front().second < table_.turn()) {
      const int number = closing_.front().first;
      if (!FileOf(number)) Expect("still open", IsOpen(number), false);
      closing_.erase(closing_.begin());
    }
  }

  void OnCall(const net_socket_service_event& event) {
    Settle();
    ++steps_;
    const int number = event.event.fd;
    const Entry* entry = EntryOf(number);
    if (!entry) return Expect("event of an unregistered fd", number, -1);
    Expect("service", event.svc == services_[entry->service]->descriptor, true);
    Expect("user_data", reinterpret_cast<int64_t>(event.user_data),
           reinterpret_cast<int64_t>(entry->user_data));
    Expect("events", event.event.events, entry->events);
    if (event.event.revents == POLLNVAL) {
      Expect("POLLNVAL for an fd that was closed silently", entry->orphan, true);
      ++found_closed_;
      condemned_ = entry->socket;
    } else {
      ++events_;
      Expect("revents", event.event.revents, POLLIN);
      Expect("asked for POLLIN", entry->events & POLLIN, POLLIN);
      Expect("called for the first time in the turn", called_.insert(entry->version).second, true);
      // Ready when the turn began; another handler of the batch may have taken it, or
      // closed it, which the kernel's report cannot tell any more.
      File* file = entry->orphan ? nullptr : FileOf(number);
      const uint64_t changed = entry->orphan ? entry->orphan_since : file->version;
      Expect("event of an fd that is ready", (file && file->ready) || changed > turn_began_, true);
      if (file && Chance(70)) SetReady(*file, false);
    }
    for (size_t i = Below(4); i > 0 && !failed_; --i) Step();
  }

  // Of everything that is ready now, which entries have to be called in the turn that
  // follows, unless they change before.
  void Foresee() {
    due_.clear();
    called_.clear();
    turn_began_ = versions_;
    for (const auto& [number, entry] : entries_) {
      const File* file = FileOf(number);
      if (!entry.orphan && (entry.events & POLLIN) && file->ready) {
        due_.push_back({number, entry.version, file->version});
      }
    }
  }
  void CheckForeseen() {
    for (const Due& due : due_) {
      const Entry* entry = EntryOf(due.number);
      const File* file = FileOf(due.number);
      const bool changed = !entry || entry->version != due.entry_version || !file ||
                           file->version != due.file_version;
      if (!changed) Expect("ready socket was called", called_.count(due.entry_version), 1);
    }
  }

  void EndOfTurn() {
    Settle();
    CheckForeseen();
    CheckTable();
    if (++turns_ % 16 == 0) CheckFiles();
    for (int i = 0; i < kStepsPerTurn && !failed_; ++i) Step();
    CheckTable();
    Foresee();
    if (steps_ >= last_step_ || failed_) {
      current_ = nullptr;
      return over_.set_value();
    }
    loop_.Post([this] { EndOfTurn(); });
  }

  static void Handle(net_socket_service_event* event) {
    if (current_) current_->OnCall(*event);
  }

  struct Due {
    int number;
    uint64_t entry_version;
    uint64_t file_version;
  };

  static constexpr short kUnknownEvent = 0x1000;
  static inline SocketTableModelTest* current_ = nullptr;

  const UniqueFd file_that_cannot_be_polled_ = RegularFile();
  std::mt19937_64 random_{SeedFromEnvironment("SOCKHOST_MODEL_SEED")};
  const int64_t last_step_ = NumberFromEnvironment("SOCKHOST_MODEL_STEPS", 1'000'000);
  std::vector<std::shared_ptr<Service>> services_;
  std::vector<File> files_ = std::vector<File>(kFiles);
  std::map<int, Entry> entries_;
  std::vector<std::pair<int, uint32_t>> closing_;
  std::vector<Due> due_;
  std::set<uint64_t> called_;
  uint64_t condemned_ = 0;
  uint64_t versions_ = 0;
  uint64_t turn_began_ = 0;
  int64_t steps_ = 0;
  int64_t turns_ = 0;
  int64_t events_ = 0;
  int64_t found_closed_ = 0;
  int64_t closed_behind_ = 0;
  bool failed_ = false;
  std::promise<void> over_;
};

TEST_F(SocketTableModelTest, TableDoesWhatTheModelSays) {
  const LogLines log;  // full of duplicates and silent closes
  const StopOnExit stop(loop_);
  for (size_t i = 0; i < kServices; ++i) services_.push_back(NewServiceWith(Handle, kCapacity));
  current_ = this;
  loop_.Post([this] { EndOfTurn(); });
  over_.get_future().wait();
  // The run has met what it is for.
  EXPECT_GT(events_, steps_ / 20);
  EXPECT_GT(loop_.Statistics().stale_events, steps_ / 2000);
  EXPECT_GT(closed_behind_, steps_ / 1000);
  std::printf(
      "%lld steps, %lld turns, %lld events, %lld stale, %lld closed silently (%lld found)\n",
      static_cast<long long>(steps_), static_cast<long long>(turns_),
      static_cast<long long>(events_), static_cast<long long>(loop_.Statistics().stale_events),
      static_cast<long long>(closed_behind_), static_cast<long long>(found_closed_));
}

}  // namespace
}  // namespace sockhost
