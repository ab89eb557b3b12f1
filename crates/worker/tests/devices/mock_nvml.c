/* A libnvidia-ml.so of our own. What it tells stands in the file `state` beside the library, which
 * is read anew at every call: a test that rewrites the file has changed the machine.
 *
 *   driver 550.54.15        the driver's version
 *   cuda 12040              the newest CUDA that it runs
 *   fail FUNCTION CODE      this call fails; below a `gpu` or an `instance`, only for that one
 *   event GPU TYPE DATA     an event, by the GPU's index; each is told once, in order
 *   gpu                     begins a GPU; `instance` begins a MIG instance of the GPU before it
 *     uuid, name, bus       texts
 *     process PID BYTES     also `graphics` and `mps`; BYTES -1 is "not available"
 *     KEY NUMBER            anything else that is a number: see the calls below
 *
 * A number that is not there makes its call say "not supported". */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int Return;
typedef struct Thing *Handle;
enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, TIMEOUT = 10 };
enum { MOST = 64, LINES = 64, TEXT = 256 };

struct Thing {
    char kind; /* 'g' or 'i' */
    int index, parent, lines;
    char line[LINES][TEXT];
};

static struct Thing things[MOST];
static int count;
static char top[LINES][TEXT];
static int tops, told;

static void load(void) {
    Dl_info info;
    char path[4096], line[TEXT];
    dladdr((void *)load, &info);
    snprintf(path, sizeof path, "%s", info.dli_fname);
    strcpy(strrchr(path, '/') + 1, "state");
    FILE *file = fopen(path, "r");
    count = tops = 0;
    int gpus = 0, instances = 0;
    struct Thing *now = NULL;
    while (file && fgets(line, sizeof line, file)) {
        char *text = line + strspn(line, " ");
        text[strcspn(text, "\n")] = 0;
        if (!strcmp(text, "gpu") || !strcmp(text, "instance")) {
            int parent = -1;
            for (int i = 0; i < count; i++)
                if (things[i].kind == 'g') parent = i;
            now = &things[count++];
            now->kind = *text;
            now->lines = 0;
            now->parent = parent;
            now->index = *text == 'g' ? gpus++ : instances++;
            if (*text == 'g') instances = 0;
        } else if (*text && now && strncmp(text, "event ", 6)) {
            strcpy(now->line[now->lines++], text);
        } else if (*text) {
            strcpy(top[tops++], text);
        }
    }
    if (file) fclose(file);
}

static const char *find(char lines[][TEXT], int many, const char *key) {
    size_t length = strlen(key);
    for (int i = 0; i < many; i++)
        if (!strncmp(lines[i], key, length) && lines[i][length] == ' ')
            return lines[i] + length + 1;
    return NULL;
}

static Return failing(char lines[][TEXT], int many, const char *function) {
    char key[TEXT];
    snprintf(key, sizeof key, "fail %s", function);
    const char *code = find(lines, many, key);
    return code ? atoi(code) : OK;
}

/* Reads the state; the call's failure, if one is asked for. */
static Return begin(const char *function, Handle thing) {
    load();
    Return code = failing(top, tops, function);
    if (code == OK && thing) code = failing(thing->line, thing->lines, function);
    return code;
}

#define BEGIN(thing)                                                                               \
    do {                                                                                           \
        Return code_ = begin(__func__, thing);                                                     \
        if (code_ != OK) return code_;                                                             \
    } while (0)

static Return number(Handle thing, const char *key, unsigned *out) {
    const char *text = find(thing->line, thing->lines, key);
    if (!text) return NOT_SUPPORTED;
    *out = strtoul(text, NULL, 0);
    return OK;
}

static unsigned long long bytes(Handle thing, const char *key) {
    const char *text = find(thing->line, thing->lines, key);
    return text ? strtoull(text, NULL, 0) : 0;
}

static Return words(Handle thing, const char *key, char *out, unsigned length) {
    const char *text = find(thing->line, thing->lines, key);
    if (!text) return NOT_SUPPORTED;
    snprintf(out, length, "%s", text);
    return OK;
}

#define NUMBER(function, key)                                                                      \
    Return function(Handle thing, unsigned *out) {                                                 \
        BEGIN(thing);                                                                              \
        return number(thing, key, out);                                                            \
    }

Return nvmlInit_v2(void) { BEGIN(NULL); return OK; }
Return nvmlShutdown(void) { return OK; }

Return nvmlSystemGetDriverVersion(char *out, unsigned length) {
    BEGIN(NULL);
    const char *text = find(top, tops, "driver");
    snprintf(out, length, "%s", text ? text : "550.54.15");
    return OK;
}

Return nvmlSystemGetCudaDriverVersion_v2(int *out) {
    BEGIN(NULL);
    const char *text = find(top, tops, "cuda");
    *out = text ? atoi(text) : 12040;
    return OK;
}

Return nvmlDeviceGetCount_v2(unsigned *out) {
    BEGIN(NULL);
    *out = 0;
    for (int i = 0; i < count; i++) *out += things[i].kind == 'g';
    return OK;
}

Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Handle *out) {
    BEGIN(NULL);
    for (int i = 0; i < count; i++)
        if (things[i].kind == 'g' && things[i].index == (int)index) {
            *out = &things[i];
            return failing(things[i].line, things[i].lines, __func__);
        }
    return INVALID;
}

Return nvmlDeviceGetHandleByUUID(const char *uuid, Handle *out) {
    BEGIN(NULL);
    for (int i = 0; i < count; i++) {
        const char *text = find(things[i].line, things[i].lines, "uuid");
        if (text && !strcmp(text, uuid)) {
            *out = &things[i];
            return failing(things[i].line, things[i].lines, __func__);
        }
    }
    return NOT_FOUND;
}

Return nvmlDeviceGetUUID(Handle thing, char *out, unsigned length) {
    BEGIN(thing);
    return words(thing, "uuid", out, length);
}

Return nvmlDeviceGetName(Handle thing, char *out, unsigned length) {
    BEGIN(thing);
    return words(thing, "name", out, length);
}

struct Pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char text[32]; };

Return nvmlDeviceGetPciInfo_v3(Handle thing, struct Pci *out) {
    BEGIN(thing);
    Handle whole = thing->kind == 'i' ? &things[thing->parent] : thing;
    memset(out, 0, sizeof *out);
    if (words(whole, "bus", out->text, sizeof out->text) != OK) return NOT_SUPPORTED;
    sscanf(out->text, "%x:%x:%x", &out->domain, &out->bus, &out->device);
    return OK;
}

struct Memory { unsigned version; unsigned long long total, reserved, free, used; };

Return nvmlDeviceGetMemoryInfo_v2(Handle thing, struct Memory *out) {
    BEGIN(thing);
    if (out->version != (sizeof *out | 2u << 24)) return INVALID;
    if (!find(thing->line, thing->lines, "total")) return NOT_SUPPORTED;
    out->total = bytes(thing, "total");
    out->used = bytes(thing, "used");
    out->reserved = bytes(thing, "reserved");
    out->free = out->total - out->used - out->reserved;
    return OK;
}

struct Process { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; };

static Return processes(Handle thing, const char *key, unsigned *many, struct Process *out) {
    unsigned found = 0, room = *many;
    size_t length = strlen(key);
    for (int i = 0; i < thing->lines; i++) {
        if (strncmp(thing->line[i], key, length) || thing->line[i][length] != ' ') continue;
        if (found < room && out) {
            char *rest;
            out[found].pid = strtoul(thing->line[i] + length, &rest, 10);
            out[found].used = strtoll(rest, NULL, 10);
            out[found].gpu_instance = out[found].compute_instance = ~0u;
        }
        found++;
    }
    *many = found;
    return found > room ? SMALL : OK;
}

#define PROCESSES(function, key)                                                                   \
    Return function(Handle thing, unsigned *many, struct Process *out) {                           \
        BEGIN(thing);                                                                              \
        return processes(thing, key, many, out);                                                   \
    }

PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "process")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, "mps")

NUMBER(nvmlDeviceGetIndex, "index")
NUMBER(nvmlDeviceGetMinorNumber, "minor")
NUMBER(nvmlDeviceGetComputeMode, "mode")
NUMBER(nvmlDeviceGetGpuInstanceId, "gi")
NUMBER(nvmlDeviceGetComputeInstanceId, "ci")
NUMBER(nvmlDeviceGetPowerUsage, "power")
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "limit")
NUMBER(nvmlDeviceGetPersistenceMode, "persistence")
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, "generation")
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, "width")

Return nvmlDeviceGetCudaComputeCapability(Handle thing, int *major, int *minor) {
    BEGIN(thing);
    unsigned both;
    if (number(thing, "capability", &both) != OK) return NOT_SUPPORTED;
    *major = both / 10;
    *minor = both % 10;
    return OK;
}

Return nvmlDeviceGetUtilizationRates(Handle thing, unsigned *out) {
    BEGIN(thing);
    out[1] = 0;
    number(thing, "controller", &out[1]);
    return number(thing, "utilization", &out[0]);
}

Return nvmlDeviceGetJpgUtilization(Handle thing, unsigned *out, unsigned *period) {
    BEGIN(thing);
    *period = 1000000;
    return number(thing, "jpeg", out);
}

Return nvmlDeviceGetTemperature(Handle thing, int sensor, unsigned *out) {
    BEGIN(thing);
    (void)sensor;
    return number(thing, "temperature", out);
}

Return nvmlDeviceGetClockInfo(Handle thing, int which, unsigned *out) {
    BEGIN(thing);
    return number(thing, which == 1 ? "multiprocessors_clock" : "memory_clock", out);
}

Return nvmlDeviceGetCurrentClocksThrottleReasons(Handle thing, unsigned long long *out) {
    BEGIN(thing);
    if (!find(thing->line, thing->lines, "throttle")) return NOT_SUPPORTED;
    *out = bytes(thing, "throttle");
    return OK;
}

Return nvmlDeviceGetMigMode(Handle thing, unsigned *current, unsigned *pending) {
    BEGIN(thing);
    Return code = number(thing, "mig", current);
    *pending = *current;
    return code;
}

Return nvmlDeviceGetMaxMigDeviceCount(Handle thing, unsigned *out) {
    BEGIN(thing);
    (void)thing;
    *out = 7;
    return OK;
}

Return nvmlDeviceGetMigDeviceHandleByIndex(Handle thing, unsigned index, Handle *out) {
    BEGIN(thing);
    int parent = thing - things;
    for (int i = 0; i < count; i++)
        if (things[i].kind == 'i' && things[i].parent == parent && things[i].index == (int)index) {
            *out = &things[i];
            return OK;
        }
    return NOT_FOUND;
}

struct Attributes {
    unsigned multiprocessors, copies, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
    unsigned long long megabytes;
};

Return nvmlDeviceGetAttributes_v2(Handle thing, struct Attributes *out) {
    BEGIN(thing);
    if (thing->kind != 'i') return NOT_SUPPORTED;
    memset(out, 0, sizeof *out);
    number(thing, "multiprocessors", &out->multiprocessors);
    number(thing, "jpegs", &out->jpegs);
    number(thing, "slices", &out->gpu_slices);
    out->compute_slices = out->gpu_slices;
    return OK;
}

struct Set { int members[MOST], many; };

Return nvmlEventSetCreate(struct Set **out) {
    BEGIN(NULL);
    *out = calloc(1, sizeof **out);
    return OK;
}

Return nvmlEventSetFree(struct Set *set) { free(set); return OK; }

Return nvmlDeviceGetSupportedEventTypes(Handle thing, unsigned long long *out) {
    BEGIN(thing);
    *out = find(thing->line, thing->lines, "events") ? bytes(thing, "events") : 2 | 8;
    return OK;
}

Return nvmlDeviceRegisterEvents(Handle thing, unsigned long long types, struct Set *set) {
    BEGIN(thing);
    (void)types;
    set->members[set->many++] = thing->index;
    return OK;
}

struct Event {
    Handle device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
};

/* Fails where it would for any GPU of the set. */
static Return listening(struct Set *set) {
    for (int i = 0; i < set->many; i++)
        for (int j = 0; j < count; j++)
            if (things[j].kind == 'g' && things[j].index == set->members[i]) {
                Return code = failing(things[j].line, things[j].lines, "nvmlEventSetWait_v2");
                if (code != OK) return code;
            }
    return OK;
}

/* Waits, as the real one does, until there is an event or the time is over. */
Return nvmlEventSetWait_v2(struct Set *set, struct Event *out, unsigned millis) {
    for (unsigned waited = 0;; waited++) {
        BEGIN(NULL);
        Return code = listening(set);
        if (code != OK) return code;
        int seen = 0, index, type;
        unsigned long long data;
        for (int i = 0; i < tops; i++) {
            if (sscanf(top[i], "event %d %d %llu", &index, &type, &data) != 3) continue;
            if (seen++ < told) continue;
            told++;
            memset(out, 0, sizeof *out);
            for (int j = 0; j < count; j++)
                if (things[j].kind == 'g' && things[j].index == index) out->device = &things[j];
            out->type = type;
            out->data = data;
            out->gpu_instance = out->compute_instance = ~0u;
            return OK;
        }
        if (waited >= millis) return TIMEOUT;
        usleep(1000);
    }
}
