#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "diagnostics.h"
#include "folder.h"

#define NEAREST 3

/* A file in the private folder. */
struct scratch_file {
    char *path;
};

static int32_t scratch_new(struct scratch_file *out_file, const char *ending, struct text *out_log) {
    out_file->path = folder_new_name(ending);
    if (out_file->path != NULL) {
        return MLXSHIM_OK;
    }
    text_append_format(out_log, "cannot make a temporary folder: %s", strerror(errno));
    return MLXSHIM_ERROR_UNSUPPORTED;
}

static int32_t scratch_write(struct scratch_file *out_file, const char *ending, struct slice bytes,
                             struct text *out_log) {
    int32_t status = scratch_new(out_file, ending, out_log);
    if (status == MLXSHIM_OK && !file_write(out_file->path, bytes.start, bytes.length)) {
        text_append_format(out_log, "cannot write %s: %s", out_file->path, strerror(errno));
        status = MLXSHIM_ERROR_UNSUPPORTED;
    }
    return status;
}

static void scratch_remove(struct scratch_file *file) {
    if (file->path != NULL) {
        unlink(file->path);
        free(file->path);
        file->path = NULL;
    }
}

/* ---- preprocessing ---- */

static int32_t preprocess(const struct program *program, const struct compiler *compiler,
                          const struct compiler_language *language, struct text *out_text, struct text *out_log) {
    struct text named = {0};
    struct scratch_file source = {0};
    struct scratch_file output = {0};
    struct text log = {0};
    text_append_string(&named, "#line 1 \"" SOURCE_NAME "\"\n");
    text_append_string(&named, program->source);
    int32_t status = named.failed ? MLXSHIM_ERROR_OUT_OF_MEMORY
                                  : scratch_write(&source, ".metal", text_slice(&named), out_log);
    status = status == MLXSHIM_OK ? scratch_new(&output, ".ii", out_log) : status;
    if (status == MLXSHIM_OK) {
        status = compiler_preprocess(compiler, language, source.path, output.path, &log);
        char *include = compiler_include_folder(compiler);
        struct diagnosed diagnosed = {.program = program, .include_folder = include != NULL ? include : ""};
        diagnostics_append(&diagnosed, text_slice(&log), out_log);
        free(include);
    }
    if (status == MLXSHIM_OK && !file_read(output.path, out_text)) {
        text_append_format(out_log, "cannot read %s: %s", output.path, strerror(errno));
        status = errno == ENOMEM ? MLXSHIM_ERROR_OUT_OF_MEMORY : MLXSHIM_ERROR_UNSUPPORTED;
    }
    scratch_remove(&source);
    scratch_remove(&output);
    text_free(&named);
    text_free(&log);
    return status;
}

/* ---- reading ---- */

/* The name of a file whose text begins behind a line marker, `# 1 "file" 1`. Empty if it marks something else. */
static struct slice entered_file(struct slice marker) {
    const char *end = marker.start + marker.length;
    const char *open = memchr(marker.start, '"', marker.length);
    const char *close = open != NULL ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
    bool enters = close != NULL && end - close >= 3 && close[1] == ' ' && close[2] == '1';
    return enters ? (struct slice){open + 1, (size_t)(close - open - 1)} : (struct slice){"", 0};
}

static bool begins_with(struct slice text, const char *beginning) {
    size_t length = strlen(beginning);
    return text.length >= length && memcmp(text.start, beginning, length) == 0;
}

/* The first file that a source includes and that is none of ours. A library from source has no files of its own. */
static struct slice included_file(const struct program *program, const char *headers) {
    for (size_t at = 0; at < program->tokens.count; at++) {
        if (program->tokens.items[at].kind == TOKEN_DIRECTIVE) {
            struct slice file = entered_file(token_text(&program->tokens, at));
            if (file.length > 0 && file.start[0] != '<' && !begins_with(file, headers)) {
                return file;
            }
        }
    }
    return (struct slice){"", 0};
}

/* Reads the tokens of a preprocessed text, which the program keeps. */
static int32_t read_text(struct program *program, struct slice text, struct text *out_log) {
    if (text.length >= UINT32_MAX) {
        text_append_format(out_log, "the preprocessed source has %zu bytes, and may have less than 4 GiB", text.length);
        return MLXSHIM_ERROR_COMPILATION;
    }
    if (!tokens_read(text, &program->tokens) || !declarations_read(&program->tokens, &program->declarations) ||
        !rewrite(&program->tokens, &program->declarations, &program->rewritten)) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    for (size_t i = 0; i < program->declarations.problem_count; i++) {
        diagnostics_append_problem(program, &program->declarations.problems[i], out_log);
    }
    return program->declarations.problem_count > 0 ? MLXSHIM_ERROR_COMPILATION : MLXSHIM_OK;
}

static int32_t refuse_includes(const struct program *program, const struct compiler *compiler, struct text *out_log) {
    if (compiler_has_include_folders(compiler)) {
        return MLXSHIM_OK;
    }
    char *headers = folder_headers(compiler->cache);
    if (headers == NULL) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    struct slice file = included_file(program, headers);
    free(headers);
    if (file.length == 0) {
        return MLXSHIM_OK;
    }
    text_append_format(out_log, SOURCE_NAME ": error: a library from source cannot include '%.*s'\n", (int)file.length,
                       file.start);
    return MLXSHIM_ERROR_COMPILATION;
}

/* Runs the compiler on a unit, and tells what it says by the source. `output` is NULL for a check. */
static int32_t compile(const struct program *program, const struct compiler *compiler, const struct unit *unit,
                       const char *output, struct text *out_log) {
    struct scratch_file file = {0};
    struct text log = {0};
    int32_t status = scratch_write(&file, ".cc", text_slice(&unit->text), out_log);
    if (status == MLXSHIM_OK) {
        status = output == NULL ? compiler_check(compiler, file.path, &log)
                                : compiler_build(compiler, file.path, output, &log);
        char *include = compiler_include_folder(compiler);
        struct diagnosed diagnosed = {
            .program = program, .unit = unit, .unit_path = file.path, .include_folder = include != NULL ? include : ""};
        diagnostics_append(&diagnosed, text_slice(&log), out_log);
        free(include);
    }
    scratch_remove(&file);
    text_free(&log);
    return status;
}

static int32_t check(const struct program *program, const struct compiler *compiler, struct text *out_log) {
    struct unit unit;
    if (!unit_make(program, NULL, NULL, 0, &unit)) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    int32_t status = compile(program, compiler, &unit, NULL, out_log);
    unit_free(&unit);
    return status;
}

/* ---- the cache of sources that were checked ---- */

/* The name of a source with its language in the cache. NULL if it is not to be cached, or if memory runs out. */
static char *source_key(const struct program *program, const struct compiler *compiler,
                        const struct compiler_language *language) {
    if (compiler->cache == NULL || compiler_has_include_folders(compiler)) {
        return NULL;
    }
    struct text bytes = {0};
    text_append_format(&bytes, "%d\n%s", language->version, language->macros != NULL ? language->macros : "");
    text_append(&bytes, "", 1);
    text_append_string(&bytes, program->source);
    char *key = bytes.failed ? NULL : compiler_key(compiler, "source", text_slice(&bytes));
    text_free(&bytes);
    return key;
}

/* A cached source is its log, a NUL, and the preprocessed text. */
static bool read_cached(const struct compiler *compiler, const char *key, struct text *out_text, struct text *out_log) {
    struct text bytes = {0};
    bool found = key != NULL && cache_get(compiler->cache, key, &bytes) && bytes.length > 0;
    const char *end = found ? memchr(bytes.bytes, '\0', bytes.length) : NULL;
    if (end != NULL) {
        size_t length = (size_t)(end - bytes.bytes);
        text_append(out_log, bytes.bytes, length);
        text_append(out_text, end + 1, bytes.length - length - 1);
    }
    text_free(&bytes);
    return end != NULL;
}

static void keep_cached(const struct compiler *compiler, const char *key, const struct program *program,
                        const struct text *log) {
    struct text bytes = {0};
    text_append_slice(&bytes, text_slice(log));
    text_append(&bytes, "", 1);
    text_append_string(&bytes, program->preprocessed);
    if (key != NULL && !bytes.failed) {
        cache_put(compiler->cache, key, text_slice(&bytes));
    }
    text_free(&bytes);
}

/* Gets the preprocessed text, from the cache if it is there. */
static int32_t get_text(struct program *program, const struct compiler *compiler,
                        const struct compiler_language *language, const char *key, bool *out_cached,
                        struct text *out_log) {
    struct text text = {0};
    *out_cached = read_cached(compiler, key, &text, out_log);
    int32_t status = *out_cached ? MLXSHIM_OK : preprocess(program, compiler, language, &text, out_log);
    if (status != MLXSHIM_OK) {
        text_free(&text);
        return status;
    }
    program->preprocessed = text_take(&text);
    return program->preprocessed == NULL ? MLXSHIM_ERROR_OUT_OF_MEMORY : MLXSHIM_OK;
}

static int32_t read_checked(struct program *program, const struct compiler *compiler,
                            const struct compiler_language *language, const char *key, struct text *out_log) {
    bool cached = false;
    int32_t status = get_text(program, compiler, language, key, &cached, out_log);
    status = status == MLXSHIM_OK ? read_text(program, slice_of(program->preprocessed), out_log) : status;
    if (status == MLXSHIM_OK && !cached) {
        status = refuse_includes(program, compiler, out_log);
        status = status == MLXSHIM_OK ? check(program, compiler, out_log) : status;
        if (status == MLXSHIM_OK) {
            keep_cached(compiler, key, program, out_log);
        }
    }
    return status;
}

int32_t program_read(struct program *program, const struct compiler *compiler,
                     const struct compiler_language *language, struct text *out_log) {
    char *key = source_key(program, compiler, language);
    int32_t status = read_checked(program, compiler, language, key, out_log);
    free(key);
    return status;
}

void program_free(struct program *program) {
    rewritten_free(&program->rewritten);
    declarations_free(&program->declarations);
    tokens_free(&program->tokens);
    free(program->preprocessed);
    *program = (struct program){0};
}

/* ---- kernels ---- */

static int32_t build(const struct program *program, const struct compiler *compiler, const struct unit *unit,
                     struct text *out_library, struct text *out_log) {
    char *key = compiler->cache != NULL ? compiler_key(compiler, "kernel", text_slice(&unit->text)) : NULL;
    if (key != NULL && cache_get(compiler->cache, key, out_library)) {
        free(key);
        return MLXSHIM_OK;
    }
    struct scratch_file output = {0};
    int32_t status = scratch_new(&output, ".so", out_log);
    status = status == MLXSHIM_OK ? compile(program, compiler, unit, output.path, out_log) : status;
    if (status == MLXSHIM_OK && !file_read(output.path, out_library)) {
        text_append_format(out_log, "cannot read %s: %s", output.path, strerror(errno));
        status = errno == ENOMEM ? MLXSHIM_ERROR_OUT_OF_MEMORY : MLXSHIM_ERROR_UNSUPPORTED;
    }
    if (status == MLXSHIM_OK && key != NULL) {
        cache_put(compiler->cache, key, text_slice(out_library));
    }
    scratch_remove(&output);
    free(key);
    return status;
}

int32_t program_build(const struct program *program, const struct compiler *compiler, const struct kernel_entry *entry,
                      const struct mlxshim_function_constant *constants, size_t constant_count,
                      struct text *out_library, struct text *out_log) {
    struct unit unit;
    if (!unit_make(program, entry, constants, constant_count, &unit)) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    int32_t status = build(program, compiler, &unit, out_library, out_log);
    unit_free(&unit);
    return status;
}

/* ---- names ---- */

/* Insertions, deletions and replacements that make one text of another; at most the first 100 bytes count. */
static size_t distance(const char *from, const char *to) {
    size_t costs[101];
    size_t from_length = strnlen(from, 100);
    size_t to_length = strnlen(to, 100);
    for (size_t j = 0; j <= to_length; j++) {
        costs[j] = j;
    }
    for (size_t i = 1; i <= from_length; i++) {
        size_t diagonal = costs[0];
        costs[0] = i;
        for (size_t j = 1; j <= to_length; j++) {
            size_t replaced = diagonal + (from[i - 1] != to[j - 1]);
            diagonal = costs[j];
            size_t best = costs[j] < costs[j - 1] ? costs[j] + 1 : costs[j - 1] + 1;
            costs[j] = best < replaced ? best : replaced;
        }
    }
    return costs[to_length];
}

void program_append_nearest(const struct program *program, const char *name, struct text *out_log) {
    const struct declarations *declarations = &program->declarations;
    size_t nearest[NEAREST];
    size_t distances[NEAREST];
    size_t count = 0;
    for (size_t i = 0; i < declarations->entry_count; i++) {
        size_t far = distance(name, declarations->entries[i].name);
        size_t at = count < NEAREST ? count++ : NEAREST;
        for (; at > 0 && distances[at - 1] > far; at--) {
            if (at < NEAREST) {
                nearest[at] = nearest[at - 1];
                distances[at] = distances[at - 1];
            }
        }
        if (at < NEAREST) {
            nearest[at] = i;
            distances[at] = far;
        }
    }
    text_append_format(out_log, "the library has no kernel '%s'", name);
    if (count == 0) {
        text_append_string(out_log, ": it has none at all");
    }
    for (size_t i = 0; i < count; i++) {
        text_append_format(out_log, "%s'%s'", i == 0 ? "; the nearest names are " : ", ",
                           declarations->entries[nearest[i]].name);
    }
}

#endif
