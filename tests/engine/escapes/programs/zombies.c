/* zombies COUNT: traces its children, lets them die and never looks at them again. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>

int main(int count, char **texts) {
  int made = 0;
  for (int most = count > 1 ? atoi(texts[1]) : 50; made < most; made++) {
    pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      if (fork() == 0) {
        usleep(200000);
        _exit(0);
      }
      _exit(0);
    }
    ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT);
  }
  for (int pid = 2; pid < 1000; pid++) ptrace(PTRACE_SEIZE, pid, 0, 0);
  printf("took %d\n", made);
  fflush(stdout);
  for (;;) {
    for (int pid = 2; pid < 2000; pid++) ptrace(PTRACE_SEIZE, pid, 0, 0); /* whoever enters later, too */
    usleep(1000);
  }
}
