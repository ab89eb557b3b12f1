/* A libcuda.so of our own, to try the suite itself where no GPU is: one GPU whose memory is a
 * number. Each process writes what it holds into `held/PID` beside the library; stand_in.py tells
 * the mock of NVML of it. After a stray write every call fails, as in a real context. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long Address;
enum { OUT_OF_MEMORY = 2, NO_DEVICE = 100, ILLEGAL_ADDRESS = 700 };
static const Address ALL = 16ull << 30, CONTEXT = 300ull << 20;
static Address mine;
static int broken, has_context;
static struct { Address at, size; } taken[256];

static void folder(char *path) {
    Dl_info info;
    dladdr((void *)folder, &info);
    snprintf(path, 4000, "%s", info.dli_fname);
    *strrchr(path, '/') = 0;
}

static void tell(const char *what, Address value) {
    char path[4096], aside[4200];
    folder(path);
    snprintf(path + strlen(path), 90, "/%s/%d", what, getpid());
    snprintf(aside, sizeof aside, "%s.new", path);
    FILE *file = fopen(aside, "w");
    if (!file) return;
    fprintf(file, "%llu", value);
    fclose(file);
    rename(aside, path);
}

/* What all processes hold, as stand_in.py has summed it. */
static Address used(void) {
    char path[4096];
    Address sum = 0;
    folder(path);
    strcat(path, "/used");
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%llu", &sum) != 1) sum = 0;
        fclose(file);
    }
    return sum;
}

int cuInit(unsigned flags) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    (void)flags;
    return visible && !*visible ? NO_DEVICE : 0;
}

int cuDeviceGetCount(int *out) { *out = 1; return 0; }
int cuDeviceGet(int *out, int place) { *out = place; return 0; }
int cuDeviceGetUuid(unsigned char *out, int device) {
    memset(out, 0x11 + device, 16);
    return broken;
}

int cuCtxSetCurrent(void *context) { (void)context; return broken; }
int cuCtxSynchronize(void) { return broken; }

int cuDevicePrimaryCtxRetain(void **out, int device) {
    (void)device;
    *out = &mine;
    if (!has_context) mine += CONTEXT;
    has_context = 1;
    tell("held", mine);
    return broken;
}

int cuMemGetInfo_v2(size_t *left, size_t *all) {
    *all = ALL;
    *left = ALL - used();
    return broken;
}

int cuMemAlloc_v2(Address *out, size_t size) {
    if (broken) return broken;
    if (mine + size > ALL) return OUT_OF_MEMORY;
    for (int i = 0; i < 256; i++)
        if (!taken[i].size) {
            taken[i].size = size;
            *out = taken[i].at = (i + 1ull) << 40;
            break;
        }
    mine += size;
    tell("held", mine);
    return 0;
}

int cuMemFree_v2(Address at) {
    for (int i = 0; i < 256; i++)
        if (taken[i].at == at) {
            mine -= taken[i].size;
            taken[i].size = 0;
        }
    tell("held", mine);
    return broken;
}

int cuMemsetD32_v2(Address at, unsigned value, size_t many) {
    struct timespec moment = {0, 2000000};
    (void)at, (void)value, (void)many;
    nanosleep(&moment, NULL);
    tell("busy", time(NULL));
    return broken;
}

int cuModuleLoadData(void **out, const void *image) { *out = &mine; (void)image; return broken; }

int cuModuleGetFunction(void **out, void *module, const char *name) {
    (void)module, (void)name;
    *out = &mine;
    return broken;
}

int cuLaunchKernel(void *function, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e,
                   unsigned f, unsigned shared, void *stream, void **arguments, void **extra) {
    (void)function, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    (void)shared, (void)stream, (void)arguments, (void)extra;
    broken = ILLEGAL_ADDRESS;
    return 0;
}

int cuGetErrorName(int code, const char **out) {
    *out = code == OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
           : code == NO_DEVICE       ? "CUDA_ERROR_NO_DEVICE"
           : code == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                                     : "CUDA_ERROR_UNKNOWN";
    return 0;
}
