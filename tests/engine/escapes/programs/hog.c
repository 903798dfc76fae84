/* hog KIND: takes all it can get of one thing, prints how much, and holds it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

static int one_inotify(int n) { (void)n; return inotify_init1(IN_CLOEXEC); }
static int one_watch(int n) {
  static int instance = -1;
  char name[32];
  if (instance < 0) instance = inotify_init1(IN_CLOEXEC);
  snprintf(name, sizeof name, "/tmp/%d", n);
  close(open(name, O_CREAT | O_WRONLY, 0600));
  return inotify_add_watch(instance, name, IN_ALL_EVENTS);
}
static int one_pty(int n) { (void)n; return open("/dev/ptmx", O_RDWR | O_NOCTTY); }
static int one_file(int n) { (void)n; return open("/dev/null", O_RDONLY); }
static int one_pipe(int n) {
  int ends[2];
  (void)n;
  if (pipe2(ends, O_NONBLOCK)) return -1;
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  return 0;
}
static int one_timer(int n) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
  (void)n;
  return timer_create(CLOCK_MONOTONIC, &event, &timer);
}
static int one_queue(int n) {
  char name[32];
  struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = 8192};
  snprintf(name, sizeof name, "/hog%d", n);
  return mq_open(name, O_CREAT | O_RDWR, 0600, &attributes) < 0 ? -1 : 0;
}
static int one_lock(int n) {
  int segment = shmget(IPC_PRIVATE, 1 << 16, IPC_CREAT | 0600);
  (void)n;
  return segment < 0 ? -1 : shmctl(segment, SHM_LOCK, 0);
}

static const struct { const char *name; int (*one)(int); } kinds[] = {
  {"inotify", one_inotify}, {"watch", one_watch}, {"pty", one_pty}, {"file", one_file}, {"pipe", one_pipe},
  {"timer", one_timer}, {"queue", one_queue}, {"lock", one_lock},
};

int main(int count, char **texts) {
  struct rlimit limit;
  if (count < 2) return 2;
  long most = count > 2 ? atol(texts[2]) : strcmp(texts[1], "watch") ? 200000 : 20000;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kinds[i].name, texts[1])) {
      int taken = 0;
      while (taken < most && kinds[i].one(taken) >= 0) taken++;
      printf("took %d %s\n", taken, strerrorname_np(errno) ? strerrorname_np(errno) : "0");
      fflush(stdout);
      for (;;) pause();
    }
  return 2;
}
