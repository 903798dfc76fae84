/* watch: looks at every process that comes into this pid namespace, for some seconds, through all its files in /proc that a
   stranger might read; prints what a process that is not the container's own has let it read. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char own[1 << 16], seen[1 << 16];
static const char *const open_to_all[] = {"mountinfo", "mounts", "cmdline", "net/unix", "net/dev", "net/route", "net/tcp"};
static const char *const closed[] = {"environ", "maps", "mem", "auxv", "stack", "syscall", "io", "mountstats", "fdinfo/0", "fd/0", "map_files"};
static const char *const links[] = {"exe", "cwd", "root", "fd/0", "fd/1", "fd/2", "fd/3", "ns/mnt", "ns/net", "ns/user"};

static int load(int pid, const char *name, char *into) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int fd = open(path, O_RDONLY | O_NONBLOCK), length = fd < 0 ? -1 : (int)read(fd, into, sizeof own - 1);
  if (fd >= 0) close(fd);
  into[length < 0 ? 0 : length] = 0;
  return length;
}

static int is_ours(int pid) { /* after its exec, dead or alive; before it, nobody may read the link */
  char path[64], program[256];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  return readlink(path, program, sizeof program) >= 0 || errno != EACCES;
}

int main(int count, char **texts) {
  int looks = 0, told = 0;
  puts("ready");
  fflush(stdout);
  for (time_t end = time(0) + (count > 1 ? atoi(texts[1]) : 3); time(0) < end;)
    for (int pid = 1; pid < 1000; pid++) {
      if (pid == getpid() || kill(pid, 0) == 0 || is_ours(pid)) continue;
      char path[64], target[256];
      struct stat status;
      snprintf(path, sizeof path, "/proc/%d", pid);
      if (stat(path, &status)) continue;
      looks++;
      for (unsigned i = 0; i < sizeof open_to_all / sizeof *open_to_all; i++) {
        load(getpid(), open_to_all[i], own);
        if (load(pid, open_to_all[i], seen) > 0 && strcmp(own, seen) && !is_ours(pid) && told++ < 40)
          printf("%s: %.300s\n", open_to_all[i], seen);
      }
      for (unsigned i = 0; i < sizeof closed / sizeof *closed; i++)
        if (load(pid, closed[i], seen) > 0 && !is_ours(pid) && told++ < 40) printf("%s: read\n", closed[i]);
      for (unsigned i = 0; i < sizeof links / sizeof *links; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, links[i]);
        int length = readlink(path, target, sizeof target - 1);
        if (length > 0 && !is_ours(pid) && told++ < 40) printf("%s: %.*s\n", links[i], length, target);
      }
    }
  printf("looked %d\nend\n", looks);
}
