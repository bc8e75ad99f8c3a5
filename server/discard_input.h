// Input that nobody wants.
#ifndef SOCKHOST_SERVER_DISCARD_INPUT_H_
#define SOCKHOST_SERVER_DISCARD_INPUT_H_

namespace sockhost {

// Receives what waits on a stream, at most 64 KiB, counts it and forgets it. Thread
// rule: the service thread.
void DiscardInput(int fd);

// Closes a connection that was sent all it gets. What the peer has sent is taken
// first: closing with unread data would reset the connection, and the peer could
// lose what is on its way to it. Taken once: a peer that goes on sending has no
// claim to a polite end. Thread rule: the service thread, in a handler.
void CloseAfterLastWord(int fd);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_DISCARD_INPUT_H_
