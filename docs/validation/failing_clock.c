/* A clock that fails once: preloaded, the next clock_gettime of the main thread after SIGUSR1 ends
 * with EINVAL. Rust's standard library takes that for impossible and panics. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t armed;

static void arm(int signal) {
    (void)signal;
    armed = 1;
}

__attribute__((constructor)) static void listen(void) {
    struct sigaction action = {.sa_handler = arm, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (armed && getpid() == (pid_t)syscall(SYS_gettid)) {
        armed = 0;
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, time);
}
