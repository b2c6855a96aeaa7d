#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- arguments ---- */

static void add_owned(struct arguments *arguments, char *argument) {
    char **items = array_grow(arguments->items, arguments->count + 1, &arguments->capacity, sizeof *items);
    if (items != NULL) {
        arguments->items = items;
    }
    if (items == NULL || argument == NULL) {
        free(argument);
        arguments->failed = true;
        return;
    }
    items[arguments->count++] = argument;
    items[arguments->count] = NULL;
}

void arguments_add(struct arguments *arguments, const char *argument) {
    add_owned(arguments, slice_copy(slice_of(argument)));
}

void arguments_add_format(struct arguments *arguments, const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *argument;
    if (vasprintf(&argument, format, list) < 0) {
        argument = NULL;
    }
    va_end(list);
    add_owned(arguments, argument);
}

void arguments_free(struct arguments *arguments) {
    for (size_t i = 0; i < arguments->count; i++) {
        free(arguments->items[i]);
    }
    free(arguments->items);
    *arguments = (struct arguments){0};
}

/* ---- running ---- */

/* Whether a variable changes what clang or a linker does without being one of its options. */
static bool is_hidden_option(const char *variable) {
    static const char *const names[] = {
        "CPATH=",        "C_INCLUDE_PATH=", "CPLUS_INCLUDE_PATH=",  "OBJC_INCLUDE_PATH=",   "LIBRARY_PATH=",
        "LD_RUN_PATH=",  "GCC_EXEC_PREFIX=", "COMPILER_PATH=",      "DEPENDENCIES_OUTPUT=", "SUNPRO_DEPENDENCIES=",
        "LANG",          "LC_",             "CCC_",                 "CLANG_",               "SOURCE_DATE_EPOCH=",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* This process's environment without hidden options. The caller frees the array. */
static char **plain_environment(void) {
    size_t count = 0;
    while (environ != NULL && environ[count] != NULL) {
        count++;
    }
    char **plain = calloc(count + 1, sizeof *plain);
    size_t kept = 0;
    for (size_t i = 0; plain != NULL && i < count; i++) {
        if (!is_hidden_option(environ[i])) {
            plain[kept++] = environ[i];
        }
    }
    return plain;
}

/* Starts the program with its output in a pipe. Returns 0, or an error number. */
static int spawn(const struct arguments *arguments, int output, pid_t *out_child) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **environment = plain_environment();
    if (environment == NULL || posix_spawn_file_actions_init(&actions) != 0) {
        free(environment);
        return ENOMEM;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        free(environment);
        return ENOMEM;
    }
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    error = error != 0 ? error : posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    error = error != 0 ? error : posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (error == 0) {
        error = posix_spawn(out_child, arguments->items[0], &actions, &attributes, arguments->items, environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return error;
}

static void read_output(int input, struct text *out_output) {
    char block[4096];
    for (;;) {
        ssize_t length = read(input, block, sizeof block);
        if (length > 0) {
            text_append(out_output, block, (size_t)length);
        } else if (length == 0 || errno != EINTR) {
            return;
        }
    }
}

int process_run(const struct arguments *arguments, struct text *out_output) {
    if (arguments->failed) {
        errno = ENOMEM;
        return -1;
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    pid_t child = 0;
    int error = spawn(arguments, ends[1], &child);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        errno = error;
        return -1;
    }
    read_output(ends[0], out_output);
    close(ends[0]);
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- finding ---- */

static bool is_program(const char *path) {
    struct stat status;
    return file_status(path, &status) && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

char *process_find(const char *name) {
    if (strchr(name, '/') != NULL) {
        return is_program(name) ? slice_copy(slice_of(name)) : NULL;
    }
    const char *folders = getenv("PATH");
    folders = folders != NULL ? folders : "/usr/local/bin:/usr/bin:/bin";
    while (*folders != '\0') {
        size_t length = strcspn(folders, ":");
        char *path = NULL;
        if (length > 0 && asprintf(&path, "%.*s/%s", (int)length, folders, name) >= 0) {
            if (is_program(path)) {
                return path;
            }
            free(path);
        }
        folders += length + (folders[length] == ':' ? 1 : 0);
    }
    return NULL;
}

#endif
