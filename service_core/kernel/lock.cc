#include <zephyr/kernel.h>

#include <cerrno>

#include "kernel/wait.h"

using sockhost::kernel::Guard;
using sockhost::kernel::IsNoWait;
using sockhost::kernel::Wait;
using sockhost::kernel::WakeAll;
using sockhost::kernel::WakeFirst;

namespace {

bool IsOwnedByCaller(const k_mutex& mutex) {
  return mutex.lock_count > 0 && pthread_equal(mutex.owner, pthread_self());
}

// Lets go of a mutex that the caller owns; the first waiting thread owns it then.
// That thread enters itself as owner when it runs: until then the count alone says
// that the mutex is taken.
void Release(k_mutex& mutex) {
  if (--mutex.lock_count > 0) return;
  mutex.owner = pthread_t{};
  if (WakeFirst(mutex.wait_q, 0)) mutex.lock_count = 1;
}

// What irq_lock() takes.
pthread_mutex_t interrupts = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

}  // namespace

extern "C" {

int k_mutex_init(struct k_mutex* mutex) {
  *mutex = SOCKHOST_MUTEX_INITIALIZER;
  return 0;
}

int k_mutex_lock(struct k_mutex* mutex, k_timeout_t timeout) {
  Guard guard(mutex->wait_q);
  if (IsOwnedByCaller(*mutex)) {
    ++mutex->lock_count;
    return 0;
  }
  if (mutex->lock_count == 0) {
    mutex->lock_count = 1;
  } else {
    if (IsNoWait(timeout)) return -EBUSY;
    const int result = Wait(guard, mutex->wait_q, timeout);
    if (result != 0) return result;
  }
  mutex->owner = pthread_self();
  return 0;
}

int k_mutex_unlock(struct k_mutex* mutex) {
  Guard guard(mutex->wait_q);
  if (mutex->lock_count == 0) return -EINVAL;
  if (!IsOwnedByCaller(*mutex)) return -EPERM;
  Release(*mutex);
  return 0;
}

unsigned int sockhost_irq_lock(void) {
  pthread_mutex_lock(&interrupts);
  return 0;
}

void sockhost_irq_unlock(unsigned int) { pthread_mutex_unlock(&interrupts); }

int k_sem_init(struct k_sem* sem, unsigned int initial_count, unsigned int limit) {
  if (limit == 0 || initial_count > limit) return -EINVAL;
  *sem = SOCKHOST_SEM_INITIALIZER(initial_count, limit);
  return 0;
}

int k_sem_take(struct k_sem* sem, k_timeout_t timeout) {
  Guard guard(sem->wait_q);
  if (sem->count > 0) {
    --sem->count;
    return 0;
  }
  if (IsNoWait(timeout)) return -EBUSY;
  return Wait(guard, sem->wait_q, timeout);
}

void k_sem_give(struct k_sem* sem) {
  Guard guard(sem->wait_q);
  if (WakeFirst(sem->wait_q, 0)) return;
  if (sem->count < sem->limit) ++sem->count;
}

void k_sem_reset(struct k_sem* sem) {
  Guard guard(sem->wait_q);
  sem->count = 0;
  WakeAll(sem->wait_q, -EAGAIN);
}

unsigned int k_sem_count_get(struct k_sem* sem) {
  Guard guard(sem->wait_q);
  return sem->count;
}

int k_condvar_init(struct k_condvar* condvar) {
  *condvar = {SOCKHOST_WAIT_QUEUE_INITIALIZER};
  return 0;
}

int k_condvar_wait(struct k_condvar* condvar, struct k_mutex* mutex, k_timeout_t timeout) {
  int result;
  {
    // Whoever signals needs this guard: a signal after the unlocking is not missed.
    Guard guard(condvar->wait_q);
    k_mutex_unlock(mutex);
    result = IsNoWait(timeout) ? -EAGAIN : Wait(guard, condvar->wait_q, timeout);
  }
  k_mutex_lock(mutex, K_FOREVER);
  return result;
}

int k_condvar_signal(struct k_condvar* condvar) {
  Guard guard(condvar->wait_q);
  WakeFirst(condvar->wait_q, 0);
  return 0;
}

int k_condvar_broadcast(struct k_condvar* condvar) {
  Guard guard(condvar->wait_q);
  return WakeAll(condvar->wait_q, 0);
}

}  // extern "C"
