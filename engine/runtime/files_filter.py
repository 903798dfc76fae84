"""The system calls that a worker on a container's files makes: files, memory, its own pipes, and nothing else. Daemon only."""

import json

# No socket, no program, no process, no mount, no namespace, no trace of another; openat2 and its like for files by descriptor.
_ALLOWED = """
    brk mmap munmap mremap mprotect madvise
    read pread64 readv write pwrite64 writev sendfile lseek close close_range dup dup3 fcntl
    open openat openat2 stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2
    getdents getdents64 readlink readlinkat
    mkdir mkdirat unlink unlinkat rmdir symlink symlinkat link linkat mknod mknodat rename renameat renameat2
    truncate ftruncate fallocate chmod fchmod fchmodat chown fchown lchown fchownat utime utimensat futimesat
    getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall
    futex clock_gettime gettimeofday nanosleep clock_nanosleep poll ppoll sched_yield getrandom rseq set_robust_list
    getpid getppid gettid getuid geteuid getgid getegid getrlimit prlimit64 umask ioctl
    exit exit_group
"""


def files_profile() -> str:
    """The profile in Docker's JSON form, as the cache of compiled filters takes it."""
    rule = {"names": _ALLOWED.split(), "action": "SCMP_ACT_ALLOW"}
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})
