#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"

/*
 * Kernels call functions of libm without naming it. A process that uses libm may have loaded it for one of its
 * libraries alone, so it is opened here for all. On systems without it the functions are in the C library.
 */
static void open_math_library(void) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool opened;
    pthread_mutex_lock(&lock);
    if (!opened) {
        opened = true;
        dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
    }
    pthread_mutex_unlock(&lock);
}

/* The bytes of thread-local variables, which threadgroup variables are. */
static uint32_t thread_local_bytes(struct slice library) {
    Elf64_Ehdr header;
    if (library.length < sizeof header) {
        return 0;
    }
    memcpy(&header, library.start, sizeof header);
    for (size_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        size_t offset = header.e_phoff + i * sizeof segment;
        if (offset > library.length - sizeof segment) {
            return 0;
        }
        memcpy(&segment, library.start + offset, sizeof segment);
        if (segment.p_type == PT_TLS) {
            return (uint32_t)segment.p_memsz;
        }
    }
    return 0;
}

static void *open_library(struct slice library, struct text *out_log) {
    char *path = folder_new_name(".so");
    if (path == NULL || !file_write(path, library.start, library.length)) {
        text_append_format(out_log, "cannot write %s: %s", path != NULL ? path : "a temporary folder", strerror(errno));
        free(path);
        return NULL;
    }
    open_math_library();
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        text_append_format(out_log, "cannot load a kernel, from a file in the folder that TMPDIR names or in /tmp: %s",
                           dlerror());
    }
    unlink(path);
    free(path);
    return handle;
}

bool loader_load(struct slice library, struct loaded_kernel *out_kernel, struct text *out_log) {
    void *handle = open_library(library, out_log);
    if (handle == NULL) {
        return false;
    }
    const uint32_t *parameter_count = dlsym(handle, "msl_parameter_count");
    const uint32_t *max_threads = dlsym(handle, "msl_max_threads");
    *out_kernel = (struct loaded_kernel){
        .library = handle,
        .runtime = dlsym(handle, "msl_runtime"),
        .parameters = dlsym(handle, "msl_parameters"),
        .threadgroup_bytes = thread_local_bytes(library),
        .waits = dlsym(handle, "msl_wait_simd") != NULL || dlsym(handle, "msl_wait_barrier") != NULL,
    };
    /* ISO C does not convert a pointer to an object into one to a function. */
    *(void **)&out_kernel->thread = dlsym(handle, "msl_thread");
    *(void **)&out_kernel->group = dlsym(handle, "msl_group");
    if (parameter_count == NULL || max_threads == NULL || out_kernel->parameters == NULL ||
        out_kernel->thread == NULL || out_kernel->group == NULL) {
        text_append_string(out_log, "a compiled kernel lacks a symbol");
        dlclose(handle);
        return false;
    }
    out_kernel->parameter_count = *parameter_count;
    out_kernel->max_threads = *max_threads < KERNEL_MAX_THREADS ? *max_threads : KERNEL_MAX_THREADS;
    return true;
}

void loader_unload(struct loaded_kernel *kernel) {
    if (kernel->library != NULL) {
        dlclose(kernel->library);
        kernel->library = NULL;
    }
}

#endif
