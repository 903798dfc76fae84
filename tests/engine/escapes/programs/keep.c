/* keep KIND MIB [twice]: has the kernel keep so much memory for sockets of one kind, tells how much, in MiB, and holds it;
   with a third word there is a second process that has the same descriptors. */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK (1 << 18)
#define SENDS 8
#define ENOUGH 170000 /* what a socket takes before anybody widens it */

static char data[60000];

static void widen(int fd) {
  int size = 64 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static long kept(int fd) {
  unsigned int numbers[16] = {0};
  socklen_t length = sizeof numbers;
  getsockopt(fd, SOL_SOCKET, 55 /* SO_MEMINFO */, numbers, &length);
  return numbers[0] + numbers[2]; /* received, to be sent */
}

static struct sockaddr_in here(int number) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK + number)};
}

static long ring(int which) {
  struct tpacket_req wish = {.tp_block_size = BLOCK, .tp_block_nr = 32, .tp_frame_size = BLOCK, .tp_frame_nr = 32};
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  return setsockopt(fd, SOL_PACKET, which, &wish, sizeof wish) ? 0 : BLOCK * 32L;
}
static long receiving(int number) { (void)number; return ring(PACKET_RX_RING); }
static long sending(int number) { (void)number; return ring(PACKET_TX_RING); }

static long answers(int number) {
  struct {
    struct nlmsghdr header;
    struct ifinfomsg interface;
  } question = {{sizeof question, RTM_GETLINK, NLM_F_REQUEST, 1, 0}, {.ifi_index = 1}};
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  (void)number;
  widen(fd);
  while (kept(fd) < ENOUGH && send(fd, &question, sizeof question, MSG_DONTWAIT) > 0)
    ;
  return kept(fd);
}

static long raw(int number) {
  struct sockaddr_in address = here(number + 1);
  int fd = socket(AF_INET, SOCK_RAW, 253), sender = socket(AF_INET, SOCK_RAW, 253);
  widen(fd);
  bind(fd, (struct sockaddr *)&address, sizeof address);
  for (int count = 0; count < SENDS; count++)
    sendto(sender, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address);
  close(sender);
  return kept(fd);
}

static long packet(int number) {
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(0x9000 + number), .sll_ifindex = if_nametoindex("lo"), .sll_halen = 6};
  int fd = socket(AF_PACKET, SOCK_RAW, 0), sender = socket(AF_PACKET, SOCK_DGRAM, 0);
  widen(fd);
  bind(fd, (struct sockaddr *)&address, sizeof address);
  for (int count = 0; count < SENDS; count++)
    sendto(sender, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address);
  close(sender);
  return kept(fd);
}

static long corked(int number) {
  struct sockaddr_in address = here(0);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  (void)number;
  sendto(fd, data, sizeof data, MSG_DONTWAIT | MSG_MORE, (struct sockaddr *)&address, sizeof address);
  return kept(fd);
}

static const struct {
  const char *name;
  long (*one)(int);
} kinds[] = {
    {"receiving", receiving}, {"sending", sending}, {"answers", answers}, {"raw", raw}, {"packet", packet}, {"corked", corked},
};

int main(int count, char **texts) {
  struct rlimit limit;
  long sum = 0, most = count > 2 ? atol(texts[2]) << 20 : 0;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  for (unsigned i = 0; most && i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kinds[i].name, texts[1])) {
      if (count > 3 && !syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0)) /* holds all of it as well */
        for (;;) pause();
      for (int number = 0; sum < most && number < 8000; number++) sum += kinds[i].one(number);
      printf("took %ld\n", sum >> 20);
      fflush(stdout);
      for (;;) pause();
    }
  return 2;
}
