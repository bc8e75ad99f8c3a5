#include "signal_safe_line.h"

#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace sockhost {
namespace {

// What the reader of standard error gets for each part of a text.
constexpr int kReaderMs = 100;

// What Finish, and the end of a text, always find room for.
constexpr std::string_view kEnd = "\"}\n";

bool IsGraphic(char c) { return c > ' ' && c < 0x7f; }

bool NeedsQuotes(std::string_view text) {
  const auto is_plain = [](char c) { return IsGraphic(c) && c != '"' && c != '='; };
  return text.empty() || !std::all_of(text.begin(), text.end(), is_plain);
}

// What stands behind the backslash, as the rest of the log has it; 0: no short form.
char ShortEscape(char c, bool json) {
  if (c == '"' || c == '\\') return c;
  if (json) return 0;
  return c == '\'' ? c : c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : '\0';
}

}  // namespace

SignalSafeLine::SignalSafeLine(LogForm form, std::string_view message) : form_(form) {
  if (form_.journal) Put("<3>");
  if (form_.json) {
    Put("{\"time\":\"");
    PutTime();
    Put("\",\"level\":\"error\",\"message\":\"");
    Put(message);
    Put("\"");
    return;
  }
  if (!form_.journal) {
    PutTime();
    Put(" error ");
  }
  Put(message);
}

void SignalSafeLine::Add(std::string_view key, std::string_view text) {
  // A text may be cut, a key must not be.
  if (size_ + key.size() + 2 * kEnd.size() + 8 > kSize) return;
  PutKey(key);
  const bool is_quoted = form_.json || NeedsQuotes(text);
  if (!is_quoted) return Put(text);
  Put("\"");
  PutEscaped(text);
  // Always fits: Put leaves room for it.
  text_[size_++] = '"';
}

void SignalSafeLine::Add(std::string_view key, int64_t number) {
  if (size_ + key.size() + 2 * kEnd.size() + 32 > kSize) return;
  PutKey(key);
  if (number < 0) Put("-");
  const auto bits = static_cast<uint64_t>(number);
  PutNumber(number < 0 ? 0 - bits : bits);
}

std::string_view SignalSafeLine::Finish() {
  const std::string_view end = form_.json ? "}\n" : "\n";
  std::memcpy(text_ + size_, end.data(), end.size());
  return {text_, size_ + end.size()};
}

void SignalSafeLine::Put(std::string_view text) {
  if (text.size() > kSize - kEnd.size() - std::min(size_, kSize - kEnd.size())) return;
  std::memcpy(text_ + size_, text.data(), text.size());
  size_ += text.size();
}

// gmtime(3) is not async-signal-safe; the calendar of <chrono> only calculates.
void SignalSafeLine::PutTime() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const std::chrono::sys_seconds time{std::chrono::seconds(now.tv_sec)};
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  PutNumber(static_cast<uint64_t>(static_cast<int>(date.year())), 4);
  Put("-");
  PutNumber(static_cast<unsigned>(date.month()), 2);
  Put("-");
  PutNumber(static_cast<unsigned>(date.day()), 2);
  Put("T");
  PutNumber(static_cast<uint64_t>(clock.hours().count()), 2);
  Put(":");
  PutNumber(static_cast<uint64_t>(clock.minutes().count()), 2);
  Put(":");
  PutNumber(static_cast<uint64_t>(clock.seconds().count()), 2);
  Put(".");
  PutNumber(static_cast<uint64_t>(now.tv_nsec / 1000), 6);
  Put("Z");
}

void SignalSafeLine::PutNumber(uint64_t number, size_t digits) {
  char reversed[24];
  size_t count = 0;
  while (number != 0 || count < digits) {
    reversed[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  std::reverse(reversed, reversed + count);
  Put({reversed, count});
}

void SignalSafeLine::PutEscaped(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = byte < ' ' || byte == 0x7f;
    if (const char letter = ShortEscape(c, form_.json)) {
      const char escaped[] = {'\\', letter};
      Put({escaped, sizeof(escaped)});
    } else if (is_control && form_.json) {
      const char escaped[] = {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
      Put({escaped, sizeof(escaped)});
    } else if (is_control) {
      const char escaped[] = {'\\', static_cast<char>('0' + (byte >> 6)),
                              static_cast<char>('0' + (byte >> 3 & 7)),
                              static_cast<char>('0' + (byte & 7))};
      Put({escaped, sizeof(escaped)});
    } else {
      Put({&c, 1});
    }
  }
}

void SignalSafeLine::PutKey(std::string_view key) {
  Put(form_.json ? ",\"" : " ");
  Put(key);
  Put(form_.json ? "\":" : "=");
}

void WriteToStandardError(std::string_view text) {
  pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
  while (!text.empty() && poll(&standard_error, 1, kReaderMs) > 0) {
    const ssize_t written =
        write(STDERR_FILENO, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace sockhost
