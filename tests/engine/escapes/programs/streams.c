/* streams WHAT: tricks with the standard streams.
   steal: reads its own output back while it writes it, for a second
   packets: makes its output a pipe of packets and writes many small ones
   inject: types into its own terminal (TIOCSTI), asks for the console's and another's terminal (TIOCLINUX, TIOCSCTTY) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static char room[1 << 16];

static void *steal(void *unused) {
  int fd = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK);
  (void)unused;
  if (fd < 0) dprintf(2, "closed to readers\n");
  while (fd >= 0)
    if (read(fd, room, sizeof room) == 0) break;
  return 0;
}

static void say(const char *what, int result) {
  dprintf(2, "%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
}

int main(int count, char **texts) {
  const char *what = count > 1 ? texts[1] : "";
  char text[1000];
  memset(text, 'x', sizeof text);
  if (!strcmp(what, "steal")) {
    pthread_t thief;
    fcntl(1, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 3; i++) pthread_create(&thief, 0, steal, 0);
    for (time_t end = time(0) + 2; time(0) < end;) (void)!write(1, text, sizeof text);
  } else if (!strcmp(what, "packets")) {
    say("packets", fcntl(1, F_SETFL, O_DIRECT));
    fcntl(1, F_SETPIPE_SZ, 1 << 20);
    for (int i = 0; i < 200000; i++) (void)!write(1, text, 1 + i % 7);
  } else if (!strcmp(what, "inject")) {
    char subcode = 6;
    for (const char *c = "echo typed\n"; *c; c++)
      if (ioctl(0, TIOCSTI, c) < 0) break;
    say("TIOCSTI", ioctl(0, TIOCSTI, "\n"));
    say("TIOCLINUX", ioctl(0, TIOCLINUX, &subcode));
    say("TIOCSCTTY", ioctl(0, TIOCSCTTY, 1));
    say("TIOCCONS", ioctl(0, TIOCCONS, 0));
    say("KDSKBENT", ioctl(0, 0x4B47, room));
    return 0;
  }
  dprintf(2, "done\n");
  return 0;
}
