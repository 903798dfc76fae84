/* Fills the receive buffers of many UDP sockets with packets that nobody reads, then tells what they take, in MiB. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS 60
#define PACKETS 100

static char data[60000];

static void fill(int sender) {
  int size = 64 << 20, receiver = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  bind(receiver, (struct sockaddr *)&address, sizeof address);
  getsockname(receiver, (struct sockaddr *)&address, &length);
  for (int count = 0; count < PACKETS; count++)
    sendto(sender, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address);
}

int main(void) {
  int sender = socket(AF_INET, SOCK_DGRAM, 0);
  char line[256];
  FILE *file;
  for (int count = 0; count < SOCKETS; count++) fill(sender);
  file = fopen("/proc/net/sockstat", "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, "UDP:", 4)) printf("took %ld\n", atol(strstr(line, "mem ") + 4) * sysconf(_SC_PAGESIZE) >> 20);
  fflush(stdout);
  pause();
  return 0;
}
