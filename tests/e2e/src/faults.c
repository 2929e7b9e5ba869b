/* Preloaded into a coordinator under test: moves its wall clock and makes its syncs fail, as files in the folder
   STEPFLEET_FAULTS say: `clock` holds seconds to add; while `sync` exists, fsync and fdatasync give EIO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *path_of(const char *name, char *path, size_t size) {
    const char *folder = getenv("STEPFLEET_FAULTS");
    if (folder == NULL) return NULL;
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static long clock_offset(void) {
    char path[4096];
    long seconds = 0;
    if (path_of("clock", path, sizeof path) == NULL) return 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
    fclose(file);
    return seconds;
}

static int syncs_fail(void) {
    char path[4096];
    return path_of("sync", path, sizeof path) != NULL && access(path, F_OK) == 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, at);
    if (result == 0 && clock == CLOCK_REALTIME) at->tv_sec += clock_offset();
    return result;
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (real == NULL) real = dlsym(RTLD_NEXT, "fdatasync");
    if (syncs_fail()) { errno = EIO; return -1; }
    return real(fd);
}

int fsync(int fd) {
    static int (*real)(int);
    if (real == NULL) real = dlsym(RTLD_NEXT, "fsync");
    if (syncs_fail()) { errno = EIO; return -1; }
    return real(fd);
}
