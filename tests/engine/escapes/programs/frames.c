/* frames send HEX...: puts frames on eth0 as they are.
   frames flood SECONDS TARGET: sends short datagrams to ever new ports of TARGET and tells how many.
   frames listen SECONDS: prints all frames that come in on eth0, as hexadecimal digits, after "ready". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int open_raw(void) {
  struct sockaddr_ll place = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex("eth0")};
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (fd < 0 || bind(fd, (struct sockaddr *)&place, sizeof place)) {
    printf("%s\n", strerrorname_np(errno));
    exit(1);
  }
  return fd;
}

static void send_all(int count, char **texts) {
  int fd = open_raw();
  for (int i = 0; i < count; i++) {
    unsigned char frame[2000] = {0};
    size_t length = strlen(texts[i]) / 2;
    for (size_t at = 0; at < length; at++) sscanf(texts[i] + 2 * at, "%2hhx", frame + at);
    printf("%s\n", send(fd, frame, length < 60 ? 60 : length, 0) < 0 ? strerrorname_np(errno) : "sent");
  }
}

static void flood(int seconds, const char *target) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(target)};
  long sent = 0;
  for (time_t end = time(0) + seconds; time(0) < end;) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (int port = 1; port < 60000 && time(0) < end; port++) {
      to.sin_port = htons(port);
      sent += sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1;
    }
    close(fd);
  }
  printf("sent %ld\n", sent);
}

static void listen_for(int seconds) {
  struct pollfd ready = {.fd = open_raw(), .events = POLLIN};
  unsigned char frame[2000];
  puts("ready");
  fflush(stdout);
  for (time_t end = time(0) + seconds; time(0) < end;) {
    if (poll(&ready, 1, 200) <= 0) continue;
    struct sockaddr_ll from;
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(ready.fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &size);
    if (length <= 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
    for (ssize_t at = 0; at < length && at < 80; at++) printf("%02x", frame[at]);
    puts("");
    fflush(stdout);
  }
}

int main(int count, char **texts) {
  if (count > 2 && !strcmp(texts[1], "send")) send_all(count - 2, texts + 2);
  if (count > 3 && !strcmp(texts[1], "flood")) flood(atoi(texts[2]), texts[3]);
  if (count > 2 && !strcmp(texts[1], "listen")) listen_for(atoi(texts[2]));
  return 0;
}
