// The last words of a process that crashes.
#ifndef SOCKHOST_SERVER_CRASH_REPORT_H_
#define SOCKHOST_SERVER_CRASH_REPORT_H_

namespace sockhost {

// From now on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT write what the log still has, then
// one line in the form of the log to standard error: the signal, the thread, the handler that
// it was in, and the frames. Then the signal ends the process as it would have, with its
// status and its core file. Nothing is said of an abort that the log has told the reason of,
// and in a process that was forked.
//
// Does nothing where a sanitizer reports such signals itself. Main's, once, after StartLogging.
void ReportCrashes();

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CRASH_REPORT_H_
