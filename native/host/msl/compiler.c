#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "compiler.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "folder.h"
#include "mlxshim.h"
#include "sha256.h"

#define OLDEST_CLANG 16
#define INSTALL "install clang 16 or later and lld (Debian and Ubuntu: apt install clang lld)"

/* ---- finding ---- */

static char *find_program(const char *configured) {
    static const char *const names[] = {"clang-22", "clang-19", "clang-16", "clang"};
    if (configured != NULL) {
        return process_find(configured);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = process_find(names[i]);
        if (path != NULL) {
            return path;
        }
    }
    return NULL;
}

/*
 * The path of the program itself, behind links, with its size and its time. Asking the program for its version would
 * take longer than reading a kernel from the cache.
 */
static char *identify(const char *program) {
    char *real = realpath(program, NULL);
    struct stat status = {0};
    char *identity = NULL;
    if (real != NULL && file_status(real, &status)) {
        if (asprintf(&identity, "%s %lld %lld.%09ld", real, (long long)status.st_size, (long long)status.st_mtime,
                     (long)status.st_mtim.tv_nsec) < 0) {
            identity = NULL;
        }
    }
    free(real);
    return identity;
}

/* A copy of a text that may be NULL. */
static bool copy(const char *text, char **out_copy) {
    *out_copy = text != NULL ? slice_copy(slice_of(text)) : NULL;
    return text == NULL || *out_copy != NULL;
}

int32_t compiler_open(const struct compiler_configuration *configuration, bool fast_math, struct compiler *out_compiler,
                      struct text *out_log) {
    struct compiler compiler = {.fast_math = fast_math};
    compiler.program = find_program(configuration->program);
    if (compiler.program == NULL && configuration->program != NULL) {
        text_append_format(out_log, "there is no compiler '%s': " INSTALL ", or name another compiler",
                           configuration->program);
        return MLXSHIM_ERROR_UNSUPPORTED;
    }
    if (compiler.program == NULL) {
        text_append_string(out_log, "kernels on the CPU are compiled by clang, and there is no clang-22, clang-19, "
                                    "clang-16 or clang on the PATH: " INSTALL);
        return MLXSHIM_ERROR_UNSUPPORTED;
    }
    compiler.identity = identify(compiler.program);
    if (!copy(configuration->options, &compiler.options) || !copy(configuration->cache, &compiler.cache) ||
        compiler.identity == NULL) {
        compiler_close(&compiler);
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    *out_compiler = compiler;
    return MLXSHIM_OK;
}

void compiler_close(struct compiler *compiler) {
    free(compiler->program);
    free(compiler->identity);
    free(compiler->options);
    free(compiler->cache);
    *compiler = (struct compiler){0};
}

/* ---- its version ---- */

static pthread_mutex_t version_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the variables below */
static char *known_identity;
static int known_version;

/* Asks the program for its version. 0 if it is no clang. */
static int ask_version(const struct compiler *compiler) {
    struct arguments arguments = {0};
    struct text output = {0};
    arguments_add(&arguments, compiler->program);
    arguments_add(&arguments, "--version");
    int version = 0;
    if (process_run(&arguments, &output) == 0 && output.bytes != NULL) {
        const char *found = strstr(output.bytes, "clang version ");
        version = found != NULL ? atoi(found + strlen("clang version ")) : 0;
    }
    arguments_free(&arguments);
    text_free(&output);
    return version;
}

static int32_t check_version(const struct compiler *compiler, struct text *out_log) {
    pthread_mutex_lock(&version_lock);
    if (known_identity == NULL || strcmp(known_identity, compiler->identity) != 0) {
        known_version = ask_version(compiler);
        free(known_identity);
        known_identity = slice_copy(slice_of(compiler->identity));
    }
    int version = known_version;
    pthread_mutex_unlock(&version_lock);
    if (version >= OLDEST_CLANG) {
        return MLXSHIM_OK;
    }
    if (version == 0) {
        text_append_format(out_log, "%s is no clang: " INSTALL, compiler->program);
    } else {
        text_append_format(out_log, "%s is clang %d: " INSTALL, compiler->program, version);
    }
    return MLXSHIM_ERROR_UNSUPPORTED;
}

/* The path of a linker: one beside the compiler, or one on the PATH. NULL if there is none. */
static char *find_linker(const struct compiler *compiler) {
    static const char *const names[] = {"ld.lld", "ld.lld-22", "ld.lld-19", "ld.lld-16", "ld.bfd", "ld"};
    char *real = realpath(compiler->program, NULL);
    char *slash = real != NULL ? strrchr(real, '/') : NULL;
    char *found = NULL;
    if (slash != NULL) {
        char *beside = NULL;
        if (asprintf(&beside, "%.*s/ld.lld", (int)(slash - real), real) >= 0) {
            found = process_find(beside);
            free(beside);
        }
    }
    free(real);
    for (size_t i = 0; i < sizeof names / sizeof *names && found == NULL; i++) {
        found = process_find(names[i]);
    }
    return found;
}

/* ---- options ---- */

bool compiler_has_include_folders(const struct compiler *compiler) {
    const char *options = compiler->options;
    return options != NULL && (strstr(options, "-I") != NULL || strstr(options, "-i") != NULL);
}

/* Whether an option is for the preprocessor: a macro would change the headers of units too. */
static bool is_for_preprocessor(const char *option) {
    return option[0] == '-' && option[1] != '\0' && strchr("DUIi", option[1]) != NULL;
}

/* Whether an option for the preprocessor has its argument in the next word: `-I folder`, but not `-Ifolder`. */
static bool has_next_word(const char *option, size_t length) {
    return length == 2 || (option[1] == 'i' && memchr(option, '/', length) == NULL);
}

/* Adds the user's options, without those for the preprocessor if `unit` is true. */
static void add_user_options(struct arguments *arguments, const char *options, bool unit) {
    bool skip_next = false;
    while (options != NULL && *options != '\0') {
        size_t length = strcspn(options, " ");
        bool preprocessor = length > 0 && is_for_preprocessor(options);
        if (length > 0 && !(unit && (preprocessor || skip_next))) {
            arguments_add_format(arguments, "%.*s", (int)length, options);
        }
        if (length > 0) {
            skip_next = preprocessor && has_next_word(options, length);
        }
        options += length + (options[length] == ' ' ? 1 : 0);
    }
}

static void add_options(struct arguments *arguments, const struct compiler *compiler, const char *const *options) {
    arguments_add(arguments, compiler->program);
    for (; *options != NULL; options++) {
        arguments_add(arguments, *options);
    }
}

/* Options for every run: none of the machine's files is used, and errors are one line each. */
#define COMMON_OPTIONS                                                                                            \
    "--no-default-config", "-std=gnu++17", "-nostdinc", "-nostdinc++", "-fno-caret-diagnostics",                  \
        "-fno-color-diagnostics", "-fno-diagnostics-show-option", "-fno-crash-diagnostics", "-ferror-limit=20"

/*
 * Options for units. Convergent functions keep LLVM from duplicating or merging calls of functions that wait for other
 * threads. C++ 20 would change which structs are aggregates. char is signed in Metal on every processor. A float that
 * is too large for an integer becomes some number, as on a GPU. Stack probes make a kernel with too large variables run
 * into the guard page. Kernels write vectors at addresses that only suit their elements, which GPUs allow; a maximum
 * below 8 would make calls of atomic operations.
 */
static const char *const unit_options[] = {
    COMMON_OPTIONS,
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-fsigned-char",
    "-fdeclspec",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-strict-aliasing",
    "-fno-math-errno",
    "-fno-strict-float-cast-overflow",
    "-fmax-type-align=8",
    "-fconvergent-functions",
    "-ftemplate-backtrace-limit=3",
    "-Xclang",
    "-ffloat16-excess-precision=none",
#if defined(__x86_64__)
    "-fstack-clash-protection",
#endif
    "-Wno-everything",
    NULL,
};

/* What Apple's compiler warns of by default, and what the rewritten source is as exact about. */
static const char *const warnings[] = {
    "-Wunused-variable",        "-Wno-unused-const-variable", "-Wunused-value", "-Wuninitialized",
    "-Wsometimes-uninitialized",
    "-Wreturn-type",            "-Wparentheses",      "-Wdivision-by-zero", "-Wshift-count-overflow",
    "-Wshift-count-negative",   "-Wtautological-compare", "-Warray-bounds", "-Wdangling-else",
    "-Wempty-body",             "-Wdeprecated-declarations", "-Wswitch",   "-Wlogical-op-parentheses",
};

/* Kernels use infinities as start values, so fast math does not exclude them. */
static const char *const fast_math_options[] = {
    "-fassociative-math", "-freciprocal-math", "-fno-signed-zeros", "-fno-trapping-math", "-ffp-contract=fast",
};

static void add_unit_options(struct arguments *arguments, const struct compiler *compiler, const char *folder) {
    add_options(arguments, compiler, unit_options);
    for (size_t i = 0; i < sizeof fast_math_options / sizeof *fast_math_options && compiler->fast_math; i++) {
        arguments_add(arguments, fast_math_options[i]);
    }
    if (!compiler->fast_math) {
        arguments_add(arguments, "-ffp-contract=on");
    }
    arguments_add_format(arguments, "-isystem%s/include", folder);
    add_user_options(arguments, compiler->options, true);
}

char *compiler_key(const struct compiler *compiler, const char *kind, struct slice bytes) {
    struct sha256 sha;
    sha256_begin(&sha);
    const char *parts[] = {kind, compiler->identity, folder_headers_digest(),
                           compiler->options != NULL ? compiler->options : "",
                           compiler->fast_math ? "fast" : "safe"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sha256_add(&sha, parts[i], strlen(parts[i]) + 1);
    }
    for (size_t i = 0; unit_options[i] != NULL; i++) {
        sha256_add(&sha, unit_options[i], strlen(unit_options[i]) + 1);
    }
    sha256_add(&sha, bytes.start, bytes.length);
    char hex[65];
    sha256_end_hex(&sha, hex);
    char *key = NULL;
    return asprintf(&key, "%s-%s", hex, kind) < 0 ? NULL : key;
}

char *compiler_include_folder(const struct compiler *compiler) {
    char *folder = folder_headers(compiler->cache);
    char *include = NULL;
    if (folder != NULL && asprintf(&include, "%s/include/", folder) < 0) {
        include = NULL;
    }
    free(folder);
    return include;
}

/* ---- running ---- */

/* Appends why a program could not be run, or why a file could not be written. */
static int32_t refuse(const char *what, const char *path, struct text *out_log) {
    int error = errno;
    if (error == ENOMEM) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    text_append_format(out_log, "cannot %s %s: %s", what, path, strerror(error));
    return MLXSHIM_ERROR_UNSUPPORTED;
}

static int32_t run(const struct compiler *compiler, struct arguments *arguments, struct text *out_log) {
    int status = process_run(arguments, out_log);
    if (status == 0) {
        return MLXSHIM_OK;
    }
    if (status < 0) {
        return refuse("run", compiler->program, out_log);
    }
    if (status > 128) {
        text_append_format(out_log, "%s was ended by signal %d\n", compiler->program, status - 128);
    }
    return MLXSHIM_ERROR_COMPILATION;
}

static void add_language(struct arguments *arguments, const struct compiler *compiler,
                         const struct compiler_language *language) {
    int32_t version = language->version != 0 ? language->version : 3 << 16 | 2;
    arguments_add_format(arguments, "-D__METAL_VERSION__=%d", (version >> 16) * 100 + (version & 0xFFFF) * 10);
    arguments_add_format(arguments, "-D__METAL_FAST_MATH__=%d", compiler->fast_math);
    arguments_add_format(arguments, "-D__FAST_MATH__=%d", compiler->fast_math);
    for (const char *line = language->macros; line != NULL && *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (length > 0) {
            arguments_add_format(arguments, "-D%.*s", (int)length, line);
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
}

int32_t compiler_preprocess(const struct compiler *compiler, const struct compiler_language *language,
                            const char *source, const char *output, struct text *out_log) {
    static const char *const options[] = {"-E", "-x", "c++", COMMON_OPTIONS, NULL};
    int32_t status = check_version(compiler, out_log);
    if (status != MLXSHIM_OK) {
        return status;
    }
    char *folder = folder_headers(compiler->cache);
    if (folder == NULL) {
        return refuse("write", compiler->cache != NULL ? compiler->cache : "a temporary folder", out_log);
    }
    struct arguments arguments = {0};
    add_options(&arguments, compiler, options);
    arguments_add_format(&arguments, "-isystem%s/stub", folder);
    arguments_add(&arguments, "-include");
    arguments_add_format(&arguments, "%s/include/macros.h", folder);
    add_language(&arguments, compiler, language);
    add_user_options(&arguments, compiler->options, false);
    arguments_add(&arguments, source);
    arguments_add(&arguments, "-o");
    arguments_add(&arguments, output);
    status = run(compiler, &arguments, out_log);
    arguments_free(&arguments);
    free(folder);
    return status;
}

/* ---- the precompiled header ---- */

static pthread_mutex_t header_lock = PTHREAD_MUTEX_INITIALIZER; /* held while a header is precompiled */

static int32_t precompile(const struct compiler *compiler, const char *folder, const char *path, struct text *out_log) {
    char *temporary = folder_new_name(".pch");
    if (temporary == NULL) {
        return refuse("write", "a temporary folder", out_log);
    }
    struct arguments arguments = {0};
    add_unit_options(&arguments, compiler, folder);
    arguments_add(&arguments, "-x");
    arguments_add(&arguments, "c++-header");
    arguments_add(&arguments, "-Xclang");
    arguments_add(&arguments, "-fno-pch-timestamp");
    arguments_add_format(&arguments, "%s/include/entry.h", folder);
    arguments_add(&arguments, "-o");
    arguments_add(&arguments, temporary);
    int32_t status = run(compiler, &arguments, out_log);
    arguments_free(&arguments);
    struct text bytes = {0};
    if (status == MLXSHIM_OK && (!file_read(temporary, &bytes) || !folder_publish(path, bytes.bytes, bytes.length))) {
        status = refuse("write", path, out_log);
    }
    text_free(&bytes);
    unlink(temporary);
    free(temporary);
    return status;
}

/* Makes the header ready in `*out_path`, which the caller frees. */
static int32_t precompiled_header(const struct compiler *compiler, const char *folder, char **out_path,
                                  struct text *out_log) {
    char *key = compiler_key(compiler, "header", (struct slice){"", 0});
    char *path = NULL;
    if (key == NULL || asprintf(&path, "%s/%s.pch", folder, key) < 0) {
        free(key);
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    free(key);
    int32_t status = MLXSHIM_OK;
    pthread_mutex_lock(&header_lock);
    if (access(path, R_OK) != 0) {
        status = precompile(compiler, folder, path, out_log);
    } else {
        cache_use(path);
    }
    pthread_mutex_unlock(&header_lock);
    *out_path = path;
    return status;
}

/* Whether an error is that of a precompiled header, and not of a source. */
static bool blames_header(const struct text *log, const char *path) {
    return log->bytes != NULL && strstr(log->bytes, path) != NULL;
}

/* Runs the compiler on a unit, once more without a precompiled header that is damaged. */
static int32_t run_on_unit(const struct compiler *compiler, const char *const *options, const char *unit,
                           const char *output, struct text *out_log) {
    char *folder = folder_headers(compiler->cache);
    if (folder == NULL) {
        return refuse("write", compiler->cache != NULL ? compiler->cache : "a temporary folder", out_log);
    }
    int32_t status = MLXSHIM_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        char *header = NULL;
        struct text log = {0};
        status = precompiled_header(compiler, folder, &header, &log);
        bool damaged = false;
        if (status == MLXSHIM_OK) {
            struct arguments arguments = {0};
            add_unit_options(&arguments, compiler, folder);
            arguments_add(&arguments, "-include-pch");
            arguments_add(&arguments, header);
            for (size_t i = 0; options[i] != NULL; i++) {
                arguments_add(&arguments, options[i]);
            }
            arguments_add(&arguments, unit);
            if (output != NULL) {
                arguments_add(&arguments, "-o");
                arguments_add(&arguments, output);
            }
            status = run(compiler, &arguments, &log);
            arguments_free(&arguments);
            damaged = status == MLXSHIM_ERROR_COMPILATION && blames_header(&log, header);
            if (damaged) {
                unlink(header);
            }
        }
        free(header);
        if (!damaged || attempt == 1) {
            text_append_slice(out_log, text_slice(&log));
            text_free(&log);
            break;
        }
        text_free(&log);
    }
    free(folder);
    return status;
}

int32_t compiler_check(const struct compiler *compiler, const char *unit, struct text *out_log) {
    const char *options[sizeof warnings / sizeof *warnings + 4];
    size_t count = 0;
    for (; count < sizeof warnings / sizeof *warnings; count++) {
        options[count] = warnings[count];
    }
    options[count++] = "-fsyntax-only";
    options[count++] = "-x";
    options[count++] = "c++";
    options[count] = NULL;
    int32_t status = check_version(compiler, out_log);
    return status == MLXSHIM_OK ? run_on_unit(compiler, options, unit, NULL, out_log) : status;
}

int32_t compiler_build(const struct compiler *compiler, const char *unit, const char *output, struct text *out_log) {
    int32_t status = check_version(compiler, out_log);
    if (status != MLXSHIM_OK) {
        return status;
    }
    char *linker = find_linker(compiler);
    char *path = NULL;
    if (linker == NULL) {
        text_append_string(out_log, "kernels on the CPU need a linker, and there is no ld.lld, ld.bfd or ld on the "
                                    "PATH: " INSTALL);
        return MLXSHIM_ERROR_UNSUPPORTED;
    }
    if (asprintf(&path, "--ld-path=%s", linker) < 0) {
        free(linker);
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    const char *const options[] = {"-shared", "-nostdlib", path, "-Wl,--gc-sections", "-Wl,-Bsymbolic",
                                   "-Wl,-z,noexecstack", "-ffunction-sections", "-x", "c++", NULL};
    status = run_on_unit(compiler, options, unit, output, out_log);
    free(path);
    free(linker);
    return status;
}

#endif
