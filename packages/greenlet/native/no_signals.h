// Threads that take no signals: a handler on one of ours would be a surprise to Node.

#ifndef SWITCHYARD_GREENLET_NO_SIGNALS_H_
#define SWITCHYARD_GREENLET_NO_SIGNALS_H_

#include <csignal>
#include <pthread.h>

namespace switchyard {

/** Blocks every signal for the calling thread, and so for the threads that it starts meanwhile. */
class NoSignals {
 public:
  NoSignals() {
    sigset_t every_signal;
    sigfillset(&every_signal);
    pthread_sigmask(SIG_SETMASK, &every_signal, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_NO_SIGNALS_H_
