/* Shifts the wall clock of a program by CLOCK_SKEW_MS milliseconds (whole seconds of it); its
   other clocks go on as they are. Loaded before the C library (LD_PRELOAD). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int ask(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *time) {
    ask *real = (ask *)dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    const char *skew = getenv("CLOCK_SKEW_MS");
    if (result == 0 && clock == CLOCK_REALTIME && skew)
        time->tv_sec += atoll(skew) / 1000;
    return result;
}
