/* sys [-32] NUMBER ARGUMENT...: one system call, as a program of its own would make it; prints "ok VALUE" or the error's name.
   Arguments: numbers, s:TEXT for a pointer to a text, b:N for one to N bytes of zeros, x:HEX for one to those bytes.
   -32 makes it by the gate of 32-bit programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *room;

static char *take(size_t size) {
  char *found = room;
  room += (size + 15) & ~15UL;
  return found;
}

static long argument(const char *text) {
  if (!strncmp(text, "s:", 2)) return (long)strcpy(take(strlen(text)), text + 2);
  if (!strncmp(text, "b:", 2)) return (long)take(strtoul(text + 2, 0, 0));
  if (!strncmp(text, "x:", 2)) {
    size_t length = strlen(text + 2) / 2;
    char *bytes = take(length);
    for (size_t i = 0; i < length; i++) sscanf(text + 2 + 2 * i, "%2hhx", (unsigned char *)bytes + i);
    return (long)bytes;
  }
  return (long)strtoull(text, 0, 0);
}

int main(int count, char **texts) {
  long a[7] = {0}, result;
  int old = count > 1 && !strcmp(texts[1], "-32");
  room = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  for (int i = 1 + old, n = 0; i < count && n < 7; i++) a[n++] = argument(texts[i]);
  if (old) {
    __asm__ volatile("push %%rbp; mov %7, %%rbp; int $0x80; pop %%rbp"
                     : "=a"(result)
                     : "a"(a[0]), "b"(a[1]), "c"(a[2]), "d"(a[3]), "S"(a[4]), "D"(a[5]), "r"(a[6])
                     : "memory", "r8", "r9", "r10", "r11");
    result = (int)result;
    if (result < 0 && result > -4096) errno = -result, result = -1;
  } else
    result = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
  if (result == -1)
    puts(strerrorname_np(errno));
  else
    printf("ok %ld\n", result);
}
