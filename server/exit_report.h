// The last words of a process that hosted code ends by exit(3).
#ifndef SOCKHOST_SERVER_EXIT_REPORT_H_
#define SOCKHOST_SERVER_EXIT_REPORT_H_

namespace sockhost {

// While it lives, main() has not returned: whoever calls exit(3) is named in the log, with
// the code, and what the log has is written. In a process that was forked, exit(3) flushes
// stdio and ends it at once: the threads that the rest would wait for are not there.
//
// Thread rule: main's, one in a process, after StartLogging.
class ExitReport {
 public:
  ExitReport();
  ~ExitReport();
  ExitReport(const ExitReport&) = delete;
  ExitReport& operator=(const ExitReport&) = delete;

  // What exit(3) has been given so far, destructors of modules for example, comes after this
  // from now on: in a process that was forked, not at all.
  void GoFirst();
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_EXIT_REPORT_H_
