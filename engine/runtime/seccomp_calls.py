"""System calls by purpose: what any container may use, and what comes with a capability. Data for seccomp_profile.

Everything not named is refused, above all: kernel modules and kexec, swap and quotas, the keyring, io_uring, userfaultfd, raw
mounting, new namespaces, and old calls that nothing uses. The effect is that of the Docker Engine's default profile.
"""

ALLOWED = " ".join(
    (
        # processes and threads
        "execve execveat exit exit_group fork vfork wait4 waitid waitpid kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo",
        "getpid getppid gettid getpgid getpgrp setpgid getsid setsid set_tid_address set_robust_list get_robust_list rseq",
        "set_thread_area get_thread_area prctl restart_syscall membarrier getcpu pidfd_open pidfd_send_signal uretprobe",
        "futex futex_time64 futex_wait futex_waitv futex_wake futex_requeue process_mrelease riscv_hwprobe",
        "ptrace process_vm_readv process_vm_writev",
        # scheduling and resource limits
        "sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam",
        "sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval",
        "sched_rr_get_interval_time64 getpriority setpriority ioprio_get ioprio_set getrlimit ugetrlimit setrlimit prlimit64",
        "getrusage times sysinfo uname",
        # signals
        "rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64",
        "sigaltstack sigprocmask sigreturn signalfd signalfd4 pause alarm",
        # users and rights, which the capability sets bound
        "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32",
        "getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32",
        "setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset umask",
        "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        # memory
        "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall mseal",
        "remap_file_pages pkey_alloc pkey_free pkey_mprotect map_shadow_stack memfd_create memfd_secret cachestat",
        # opening and walking files
        "open openat openat2 creat close close_range access faccessat faccessat2 chdir fchdir getcwd getdents getdents64",
        "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64",
        "statmount listmount readlink readlinkat name_to_handle_at",
        # changing files
        "chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat link linkat symlink symlinkat",
        "unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir mknod mknodat truncate truncate64 ftruncate ftruncate64",
        "fallocate utime utimes futimesat utimensat utimensat_time64",
        "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat",
        "listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat",
        # reading and writing
        "read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek sendfile sendfile64",
        "splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64 sync syncfs fsync fdatasync sync_file_range",
        "dup dup2 dup3 pipe pipe2 fcntl fcntl64 flock ioctl",
        "io_setup io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64 io_destroy",
        # waiting for events
        "select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old",
        "epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 inotify_init inotify_init1 inotify_add_watch",
        "inotify_rm_watch fanotify_mark",
        # time; setting the clock takes CAP_SYS_TIME, which the kernel itself checks for the adjtime family
        "time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep clock_nanosleep_time64",
        "nanosleep getitimer setitimer adjtimex clock_adjtime clock_adjtime64",
        "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64",
        "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64",
        # sockets; socket itself is allowed by address family
        "accept accept4 bind connect listen shutdown socketpair socketcall getpeername getsockname getsockopt setsockopt",
        "send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64",
        # System V and POSIX inter-process communication, inside the container's own namespace
        "ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget",
        "mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64",
        "getrandom",
    )
).split()

BY_ARCHITECTURE = {
    "x86_64": ["arch_prctl", "modify_ldt"],
    "aarch64": ["arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush", "set_tls"],
}

BY_CAPABILITY = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_ADMIN": (
        "bpf clone clone3 unshare setns mount umount umount2 fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr"
        " fanotify_init lookup_dcookie perf_event_open quotactl quotactl_fd sethostname setdomainname syslog"
        " lsm_get_self_attr lsm_set_self_attr lsm_list_modules"
    ),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "init_module finit_module delete_module",
    "CAP_SYS_NICE": "get_mempolicy set_mempolicy set_mempolicy_home_node mbind",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}

# Numbers of calls that an older libseccomp does not know by name; since 2019 a new call has one number on all architectures.
RECENT_NUMBERS = {
    "process_mrelease": 448,
    "futex_waitv": 449,
    "set_mempolicy_home_node": 450,
    "cachestat": 451,
    "fchmodat2": 452,
    "map_shadow_stack": 453,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "mseal": 462,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
}
