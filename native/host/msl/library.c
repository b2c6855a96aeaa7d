#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "loader.h"
#include "msl.h"
#include "program.h"

/*
 * How far a kernel is. A kernel that the compiler refuses stays FAILED, because the compiler would refuse it again.
 * After another failure it is NEW again.
 */
enum kernel_state {
    KERNEL_NEW,
    KERNEL_COMPILING, /* by one thread, for which the others wait */
    KERNEL_READY,
    KERNEL_FAILED,
};

struct argument {
    const char *name;
    struct mlxshim_argument argument;
};

/* Belongs to its library, and lives as long: references to a kernel are references to its library. */
struct msl_kernel {
    struct msl_kernel *next;
    struct msl_library *library;
    const struct kernel_entry *entry;
    char *constants; /* their values as a text, to compare */
    enum kernel_state state;
    char *log; /* of a FAILED kernel */
    struct loaded_kernel loaded;
    struct kernel_info info;
    struct argument *arguments;
    char **names; /* of the arguments */
    size_t argument_count;
};

struct msl_library {
    atomic_size_t references;
    char *source;
    struct compiler compiler;
    struct program program;
    pthread_mutex_t lock; /* guards `kernels` and the state of each */
    pthread_cond_t changed;
    struct msl_kernel *kernels;
};

static pthread_mutex_t configuration_lock = PTHREAD_MUTEX_INITIALIZER; /* guards `configuration` */
static struct compiler_configuration configuration;

/* ---- configuration ---- */

static char *copy_or_null(const char *text, bool *failed) {
    if (text == NULL || text[0] == '\0') {
        return NULL;
    }
    char *copy = slice_copy(slice_of(text));
    *failed |= copy == NULL;
    return copy;
}

static void configuration_free(struct compiler_configuration *old) {
    free(old->program);
    free(old->options);
    free(old->cache);
}

int32_t msl_configure(const char *compiler, const char *options, const char *cache) {
    bool failed = false;
    struct compiler_configuration made = {
        copy_or_null(compiler, &failed), copy_or_null(options, &failed), copy_or_null(cache, &failed)};
    if (failed) {
        configuration_free(&made);
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&configuration_lock);
    struct compiler_configuration old = configuration;
    configuration = made;
    pthread_mutex_unlock(&configuration_lock);
    configuration_free(&old);
    return MLXSHIM_OK;
}

static int32_t open_compiler(bool fast_math, struct compiler *out_compiler, struct text *out_log) {
    pthread_mutex_lock(&configuration_lock);
    int32_t status = compiler_open(&configuration, fast_math, out_compiler, out_log);
    pthread_mutex_unlock(&configuration_lock);
    return status;
}

/* ---- libraries ---- */

/* Hands a log to the caller, without the newline at its end. */
static void give_log(struct text *log, char **out_log) {
    while (log->length > 0 && log->bytes[log->length - 1] == '\n') {
        log->bytes[--log->length] = '\0';
    }
    if (log->length > 0 && !log->failed) {
        *out_log = text_take(log);
    }
    text_free(log);
}

static void kernel_free(struct msl_kernel *kernel) {
    for (size_t i = 0; i < kernel->argument_count; i++) {
        free(kernel->names[i]);
    }
    loader_unload(&kernel->loaded);
    free(kernel->names);
    free(kernel->arguments);
    free(kernel->constants);
    free(kernel->log);
    free(kernel);
}

static void library_free(struct msl_library *library) {
    while (library->kernels != NULL) {
        struct msl_kernel *kernel = library->kernels;
        library->kernels = kernel->next;
        kernel_free(kernel);
    }
    program_free(&library->program);
    compiler_close(&library->compiler);
    pthread_cond_destroy(&library->changed);
    pthread_mutex_destroy(&library->lock);
    free(library->source);
    free(library);
}

int32_t msl_library_new(const char *source, const struct msl_options *options, struct msl_library **out_library,
                        char **out_log) {
    *out_log = NULL;
    struct msl_library *library = calloc(1, sizeof *library);
    if (library == NULL) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    atomic_init(&library->references, 1);
    pthread_mutex_init(&library->lock, NULL);
    pthread_cond_init(&library->changed, NULL);
    struct text log = {0};
    struct compiler_language language = {options->macros, options->language_version};
    library->source = slice_copy(slice_of(source));
    library->program.source = library->source;
    int32_t status = library->source == NULL ? MLXSHIM_ERROR_OUT_OF_MEMORY
                                             : open_compiler(options->fast_math, &library->compiler, &log);
    status = status == MLXSHIM_OK ? program_read(&library->program, &library->compiler, &language, &log) : status;
    if (log.failed) {
        status = MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    give_log(&log, out_log);
    if (status != MLXSHIM_OK) {
        library_free(library);
        return status;
    }
    *out_library = library;
    return MLXSHIM_OK;
}

void msl_library_retain(struct msl_library *library) {
    atomic_fetch_add(&library->references, 1);
}

void msl_library_release(struct msl_library *library) {
    if (library != NULL && atomic_fetch_sub(&library->references, 1) == 1) {
        library_free(library);
    }
}

size_t msl_library_kernel_count(const struct msl_library *library) {
    return library->program.declarations.entry_count;
}

const char *msl_library_kernel_name(const struct msl_library *library, size_t position) {
    return library->program.declarations.entries[position].name;
}

/* ---- kernels ---- */

static const struct kernel_entry *find_entry(const struct msl_library *library, const char *name) {
    const struct declarations *declarations = &library->program.declarations;
    for (size_t i = 0; i < declarations->entry_count; i++) {
        if (strcmp(declarations->entries[i].name, name) == 0) {
            return &declarations->entries[i];
        }
    }
    return NULL;
}

/* The values of constants as a text. Names have no spaces. */
static char *constants_text(const struct mlxshim_function_constant *constants, size_t count) {
    struct text text = {0};
    for (size_t i = 0; i < count; i++) {
        text_append_format(&text, "%s %llu %llu %llx\n", constants[i].name != NULL ? constants[i].name : "",
                           constants[i].name != NULL ? 0 : (unsigned long long)constants[i].index,
                           (unsigned long long)constants[i].type, (unsigned long long)constants[i].bits);
    }
    return text_take(&text);
}

/* Finds or adds a kernel, and takes over `constants`. Caller holds the lock. NULL if memory runs out. */
static struct msl_kernel *kernel_locked(struct msl_library *library, const struct kernel_entry *entry,
                                        char *constants) {
    for (struct msl_kernel *kernel = library->kernels; kernel != NULL; kernel = kernel->next) {
        if (kernel->entry == entry && strcmp(kernel->constants, constants) == 0) {
            free(constants);
            return kernel;
        }
    }
    struct msl_kernel *kernel = calloc(1, sizeof *kernel);
    if (kernel == NULL) {
        free(constants);
        return NULL;
    }
    kernel->library = library;
    kernel->entry = entry;
    kernel->constants = constants;
    kernel->next = library->kernels;
    library->kernels = kernel;
    return kernel;
}

static bool add_argument(struct msl_kernel *kernel, const struct parameter *parameter,
                         const struct kernel_parameter *loaded) {
    char *name = slice_copy(parameter->name);
    if (name == NULL) {
        return false;
    }
    bool threadgroup = parameter->kind == PARAMETER_THREADGROUP;
    int32_t kind = threadgroup             ? MLXSHIM_ARGUMENT_THREADGROUP
                   : parameter->constant   ? MLXSHIM_ARGUMENT_CONSTANT
                                           : MLXSHIM_ARGUMENT_BUFFER;
    kernel->names[kernel->argument_count] = name;
    kernel->arguments[kernel->argument_count] =
        (struct argument){.name = name,
                          .argument = {.kind = kind,
                                       .index = loaded->index,
                                       .written = kind == MLXSHIM_ARGUMENT_BUFFER && loaded->written,
                                       .unused = !parameter->used,
                                       .byte_size = loaded->bytes}};
    if (kernel->argument_count < sizeof kernel->info.argument_bytes / sizeof *kernel->info.argument_bytes) {
        kernel->info.argument_bytes[kernel->argument_count] = loaded->bytes;
    }
    kernel->argument_count++;
    return true;
}

/* Joins what the source and the compiled kernel say about the parameters. */
static bool add_arguments(struct msl_kernel *kernel) {
    const struct declarations *declarations = &kernel->library->program.declarations;
    const struct loaded_kernel *loaded = &kernel->loaded;
    if (kernel->entry->function == SIZE_MAX) {
        return true;
    }
    const struct kernel_function *function = &declarations->functions[kernel->entry->function];
    kernel->arguments = calloc(function->parameter_count + 1, sizeof *kernel->arguments);
    kernel->names = calloc(function->parameter_count + 1, sizeof *kernel->names);
    if (kernel->arguments == NULL || kernel->names == NULL) {
        return false;
    }
    for (size_t i = 0; i < function->parameter_count && i < loaded->parameter_count; i++) {
        if (loaded->parameters[i].index >= 0 &&
            !add_argument(kernel, &function->parameters[i], &loaded->parameters[i])) {
            return false;
        }
    }
    kernel->info.max_threads = loaded->max_threads;
    kernel->info.static_threadgroup_bytes = loaded->threadgroup_bytes;
    kernel->info.argument_count = (uint32_t)kernel->argument_count;
    return true;
}

static int32_t compile_kernel(struct msl_kernel *kernel, const struct mlxshim_function_constant *constants,
                              size_t constant_count, struct text *out_log) {
    struct msl_library *library = kernel->library;
    struct text bytes = {0};
    int32_t status = program_build(&library->program, &library->compiler, kernel->entry, constants, constant_count,
                                   &bytes, out_log);
    if (status == MLXSHIM_OK && !loader_load(text_slice(&bytes), &kernel->loaded, out_log)) {
        status = MLXSHIM_ERROR_UNSUPPORTED;
    }
    if (status == MLXSHIM_OK && !add_arguments(kernel)) {
        loader_unload(&kernel->loaded);
        status = MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    text_free(&bytes);
    return status;
}

/* Makes a kernel ready, or waits for the thread that does. Caller holds the lock, which is released meanwhile. */
static int32_t make_ready_locked(struct msl_kernel *kernel, const struct mlxshim_function_constant *constants,
                                 size_t constant_count, struct text *out_log) {
    struct msl_library *library = kernel->library;
    while (kernel->state == KERNEL_COMPILING) {
        pthread_cond_wait(&library->changed, &library->lock);
    }
    if (kernel->state == KERNEL_READY) {
        return MLXSHIM_OK;
    }
    if (kernel->state == KERNEL_FAILED) {
        text_append_string(out_log, kernel->log != NULL ? kernel->log : "");
        return MLXSHIM_ERROR_COMPILATION;
    }
    kernel->state = KERNEL_COMPILING;
    pthread_mutex_unlock(&library->lock);
    int32_t status = compile_kernel(kernel, constants, constant_count, out_log);
    pthread_mutex_lock(&library->lock);
    kernel->state = status == MLXSHIM_OK                  ? KERNEL_READY
                    : status == MLXSHIM_ERROR_COMPILATION ? KERNEL_FAILED
                                                          : KERNEL_NEW;
    if (kernel->state == KERNEL_FAILED) {
        kernel->log = slice_copy(text_slice(out_log));
    }
    pthread_cond_broadcast(&library->changed);
    return status;
}

static int32_t find_kernel(struct msl_library *library, const char *name,
                           const struct mlxshim_function_constant *constants, size_t constant_count,
                           struct msl_kernel **out_kernel, struct text *out_log) {
    const struct kernel_entry *entry = find_entry(library, name);
    if (entry == NULL) {
        program_append_nearest(&library->program, name, out_log);
        return MLXSHIM_ERROR_NO_KERNEL;
    }
    for (size_t i = 0; i < constant_count; i++) {
        if (!unit_knows_type(constants[i].type)) {
            text_append_format(out_log, "a function constant has the type %llu, which is no MLXSHIM_TYPE",
                               (unsigned long long)constants[i].type);
            return MLXSHIM_ERROR_COMPILATION;
        }
    }
    char *text = constants_text(constants, constant_count);
    if (text == NULL) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&library->lock);
    struct msl_kernel *kernel = kernel_locked(library, entry, text);
    int32_t status = kernel == NULL ? MLXSHIM_ERROR_OUT_OF_MEMORY
                                    : make_ready_locked(kernel, constants, constant_count, out_log);
    pthread_mutex_unlock(&library->lock);
    *out_kernel = kernel;
    return status;
}

int32_t msl_kernel_new(struct msl_library *library, const char *name,
                       const struct mlxshim_function_constant *constants, size_t constant_count,
                       struct msl_kernel **out_kernel, char **out_log) {
    struct text log = {0};
    struct msl_kernel *kernel = NULL;
    *out_log = NULL;
    int32_t status = find_kernel(library, name, constants, constant_count, &kernel, &log);
    give_log(&log, out_log);
    if (status == MLXSHIM_OK) {
        msl_library_retain(library);
        *out_kernel = kernel;
    }
    return status;
}

void msl_kernel_retain(struct msl_kernel *kernel) {
    msl_library_retain(kernel->library);
}

void msl_kernel_release(struct msl_kernel *kernel) {
    if (kernel != NULL) {
        msl_library_release(kernel->library);
    }
}

const char *msl_kernel_name(const struct msl_kernel *kernel) {
    return kernel->entry->name;
}

const struct kernel_info *msl_kernel_info(const struct msl_kernel *kernel) {
    return &kernel->info;
}

size_t msl_kernel_argument_count(const struct msl_kernel *kernel) {
    return kernel->argument_count;
}

struct mlxshim_argument msl_kernel_argument(const struct msl_kernel *kernel, size_t position, const char **out_name) {
    *out_name = kernel->arguments[position].name;
    return kernel->arguments[position].argument;
}

void msl_kernel_set_runtime(struct msl_kernel *kernel, const struct kernel_runtime *runtime) {
    if (kernel->loaded.runtime != NULL) {
        __atomic_store_n(kernel->loaded.runtime, runtime, __ATOMIC_RELEASE);
    }
}

bool msl_kernel_waits(const struct msl_kernel *kernel) {
    return kernel->loaded.waits;
}

kernel_thread_function *msl_kernel_thread_function(const struct msl_kernel *kernel) {
    return kernel->loaded.thread;
}

kernel_group_function *msl_kernel_group_function(const struct msl_kernel *kernel) {
    return kernel->loaded.group;
}

#endif
