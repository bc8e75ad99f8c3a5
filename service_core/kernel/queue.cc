#include <zephyr/kernel.h>

#include <cerrno>
#include <cstring>

#include "kernel/wait.h"

using sockhost::kernel::Guard;
using sockhost::kernel::IsNoWait;
using sockhost::kernel::Wait;
using sockhost::kernel::Wake;
using sockhost::kernel::WakeAll;

namespace {

// ---- FIFO and LIFO

// The first word of an item links it to the next one.
void*& NextOf(void* item) { return *static_cast<void**>(item); }

// Gives `item` to the first thread that waits, if there is one.
bool HandOver(k_queue& queue, void* item) {
  sockhost_waiter* const waiter = queue.wait_q.first;
  if (!waiter) return false;
  waiter->item = item;
  Wake(queue.wait_q, *waiter, 0);
  return true;
}

// ---- Message queue

void CopyIn(k_msgq& msgq, const void* data) {
  const size_t slot = (size_t{msgq.first} + msgq.used_msgs) % msgq.max_msgs;
  std::memcpy(msgq.buffer + slot * msgq.msg_size, data, msgq.msg_size);
  ++msgq.used_msgs;
}

void CopyOut(k_msgq& msgq, void* data) {
  std::memcpy(data, msgq.buffer + size_t{msgq.first} * msgq.msg_size, msgq.msg_size);
  msgq.first = (msgq.first + 1) % msgq.max_msgs;
  --msgq.used_msgs;
}

}  // namespace

extern "C" {

void k_queue_init(struct k_queue* queue) { *queue = SOCKHOST_QUEUE_INITIALIZER; }

void k_queue_append(struct k_queue* queue, void* data) {
  Guard guard(queue->wait_q);
  if (HandOver(*queue, data)) return;
  NextOf(data) = nullptr;
  (queue->tail ? NextOf(queue->tail) : queue->head) = data;
  queue->tail = data;
}

void k_queue_prepend(struct k_queue* queue, void* data) {
  Guard guard(queue->wait_q);
  if (HandOver(*queue, data)) return;
  NextOf(data) = queue->head;
  queue->head = data;
  if (!queue->tail) queue->tail = data;
}

void* k_queue_get(struct k_queue* queue, k_timeout_t timeout) {
  Guard guard(queue->wait_q);
  if (void* const item = queue->head) {
    queue->head = NextOf(item);
    if (!queue->head) queue->tail = nullptr;
    return item;
  }
  if (IsNoWait(timeout)) return nullptr;
  sockhost_waiter waiter;
  Wait(guard, queue->wait_q, waiter, timeout);
  return waiter.item;
}

void k_queue_cancel_wait(struct k_queue* queue) {
  Guard guard(queue->wait_q);
  HandOver(*queue, nullptr);
}

bool k_queue_remove(struct k_queue* queue, void* data) {
  Guard guard(queue->wait_q);
  void* previous = nullptr;
  void* at = queue->head;
  for (; at && at != data; at = NextOf(at)) previous = at;
  if (!at) return false;
  (previous ? NextOf(previous) : queue->head) = NextOf(data);
  if (queue->tail == data) queue->tail = previous;
  return true;
}

void* k_queue_peek_head(struct k_queue* queue) {
  Guard guard(queue->wait_q);
  return queue->head;
}

void* k_queue_peek_tail(struct k_queue* queue) {
  Guard guard(queue->wait_q);
  return queue->tail;
}

void k_msgq_init(struct k_msgq* msgq, char* buffer, size_t msg_size, uint32_t max_msgs) {
  *msgq = {SOCKHOST_WAIT_QUEUE_INITIALIZER,
           SOCKHOST_WAIT_QUEUE_INITIALIZER,
           msg_size,
           max_msgs,
           0,
           0,
           buffer,
           false};
}

int k_msgq_alloc_init(struct k_msgq* msgq, size_t msg_size, uint32_t max_msgs) {
  char* const buffer = static_cast<char*>(k_calloc(max_msgs, msg_size));
  if (!buffer) return -ENOMEM;
  k_msgq_init(msgq, buffer, msg_size, max_msgs);
  msgq->owns_buffer = true;
  return 0;
}

int k_msgq_cleanup(struct k_msgq* msgq) {
  Guard guard(msgq->readers);
  if (msgq->readers.first || msgq->writers.first) return -EBUSY;
  if (msgq->owns_buffer) k_free(msgq->buffer);
  msgq->buffer = nullptr;
  msgq->owns_buffer = false;
  return 0;
}

int k_msgq_put(struct k_msgq* msgq, const void* data, k_timeout_t timeout) {
  Guard guard(msgq->readers);
  if (sockhost_waiter* const reader = msgq->readers.first) {
    std::memcpy(reader->item, data, msgq->msg_size);
    Wake(msgq->readers, *reader, 0);
    return 0;
  }
  if (msgq->used_msgs < msgq->max_msgs) {
    CopyIn(*msgq, data);
    return 0;
  }
  if (IsNoWait(timeout)) return -ENOMSG;
  sockhost_waiter waiter;
  waiter.item = const_cast<void*>(data);
  return Wait(guard, msgq->writers, waiter, timeout);
}

int k_msgq_get(struct k_msgq* msgq, void* data, k_timeout_t timeout) {
  Guard guard(msgq->readers);
  if (msgq->used_msgs > 0) {
    CopyOut(*msgq, data);
    if (sockhost_waiter* const writer = msgq->writers.first) {
      CopyIn(*msgq, writer->item);
      Wake(msgq->writers, *writer, 0);
    }
    return 0;
  }
  if (IsNoWait(timeout)) return -ENOMSG;
  sockhost_waiter waiter;
  waiter.item = data;
  return Wait(guard, msgq->readers, waiter, timeout);
}

int k_msgq_peek(struct k_msgq* msgq, void* data) {
  Guard guard(msgq->readers);
  if (msgq->used_msgs == 0) return -ENOMSG;
  std::memcpy(data, msgq->buffer + size_t{msgq->first} * msgq->msg_size, msgq->msg_size);
  return 0;
}

void k_msgq_purge(struct k_msgq* msgq) {
  Guard guard(msgq->readers);
  msgq->used_msgs = 0;
  msgq->first = 0;
  WakeAll(msgq->writers, -ENOMSG);
}

uint32_t k_msgq_num_used_get(struct k_msgq* msgq) {
  Guard guard(msgq->readers);
  return msgq->used_msgs;
}

uint32_t k_msgq_num_free_get(struct k_msgq* msgq) {
  Guard guard(msgq->readers);
  return msgq->max_msgs - msgq->used_msgs;
}

}  // extern "C"
