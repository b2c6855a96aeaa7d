#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "headers.h"
#include "sha256.h"

/* What <...> may name in Metal, and what sources for both Metal and C++ include. */
static const char *const stubs[] = {
    "metal_array",        "metal_assert",          "metal_atomic",         "metal_command_buffer",
    "metal_common",       "metal_compute",         "metal_config",         "metal_cooperative_tensor",
    "metal_extended_vector", "metal_function_constant", "metal_geometric", "metal_graphics",
    "metal_imageblocks",  "metal_initializer_list", "metal_integer",       "metal_limits",
    "metal_logging",      "metal_math",            "metal_matrix",         "metal_mesh",
    "metal_numeric",      "metal_pack",            "metal_packing",        "metal_pull_interpolation",
    "metal_quadgroup",    "metal_raytracing",      "metal_relational",     "metal_simdgroup",
    "metal_simdgroup_matrix", "metal_stdlib",      "metal_tensor",         "metal_tessellation",
    "metal_texture",      "metal_type_traits",     "metal_types",          "metal_uniform",
    "metal_visible_function_table", "TargetConditionals.h", "float.h",      "limits.h",
    "stdbool.h",          "stddef.h",              "stdint.h",             "simd/simd.h",
};

/* Guards the variables below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char private_folder[4096];
static unsigned long names;
static char digest[65];

/* ---- the private folder ---- */

static const char *private_locked(void) {
    if (private_folder[0] != '\0') {
        return private_folder;
    }
    const char *parent = getenv("TMPDIR");
    parent = parent != NULL && parent[0] == '/' ? parent : "/tmp";
    int length = snprintf(private_folder, sizeof private_folder, "%s/mlxshim-XXXXXX", parent);
    if (length < 0 || (size_t)length >= sizeof private_folder - 64 || mkdtemp(private_folder) == NULL) {
        errno = errno != 0 ? errno : ENAMETOOLONG;
        private_folder[0] = '\0';
        return NULL;
    }
    return private_folder;
}

const char *folder_private(void) {
    pthread_mutex_lock(&lock);
    const char *folder = private_locked();
    pthread_mutex_unlock(&lock);
    return folder;
}

char *folder_new_name(const char *ending) {
    pthread_mutex_lock(&lock);
    const char *folder = private_locked();
    unsigned long number = names++;
    pthread_mutex_unlock(&lock);
    char *name = NULL;
    if (folder == NULL || asprintf(&name, "%s/%lu%s", folder, number, ending) < 0) {
        return NULL;
    }
    return name;
}

/* Removes what is at `path`: a file, or a folder with all that is in it. */
static void remove_all(const char *path) {
    if (unlink(path) == 0 || errno == ENOENT) {
        return;
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char *name = NULL;
        bool own = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        if (own && asprintf(&name, "%s/%s", path, entry->d_name) >= 0) {
            remove_all(name);
            free(name);
        }
    }
    closedir(folder);
    rmdir(path);
}

__attribute__((destructor)) static void remove_private(void) {
    if (private_folder[0] != '\0') {
        remove_all(private_folder);
    }
}

/* ---- files ---- */

bool folder_make(const char *path) {
    char *copy = slice_copy(slice_of(path));
    if (copy == NULL) {
        errno = ENOMEM;
        return false;
    }
    for (char *at = strchr(copy + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(copy, 0700);
        *at = '/';
    }
    bool made = mkdir(copy, 0700) == 0 || errno == EEXIST;
    free(copy);
    return made;
}

bool folder_publish(const char *path, const void *bytes, size_t length) {
    pthread_mutex_lock(&lock);
    unsigned long number = names++;
    pthread_mutex_unlock(&lock);
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.%ld.%lu", path, (long)getpid(), number) < 0) {
        errno = ENOMEM;
        return false;
    }
    bool published = file_write(temporary, bytes, length) && rename(temporary, path) == 0;
    int error = errno;
    if (!published) {
        unlink(temporary);
    }
    free(temporary);
    errno = error;
    return published;
}

/* ---- headers ---- */

const char *folder_headers_digest(void) {
    pthread_mutex_lock(&lock);
    if (digest[0] == '\0') {
        struct sha256 sha;
        sha256_begin(&sha);
        for (size_t i = 0; i < header_count; i++) {
            sha256_add(&sha, headers[i].path, strlen(headers[i].path) + 1);
            sha256_add(&sha, headers[i].bytes, headers[i].length);
        }
        sha256_end_hex(&sha, digest);
    }
    pthread_mutex_unlock(&lock);
    return digest;
}

/* Makes sure that a file has these bytes. */
static bool ensure_file(const char *folder, const char *kind, const char *name, const void *bytes, size_t length) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s/%s", folder, kind, name) < 0) {
        errno = ENOMEM;
        return false;
    }
    struct text present = {0};
    bool ensured = file_read(path, &present) && present.length == length &&
                   (length == 0 || memcmp(present.bytes, bytes, length) == 0);
    text_free(&present);
    if (!ensured) {
        char *slash = strrchr(path, '/');
        *slash = '\0';
        ensured = folder_make(path);
        *slash = '/';
        ensured = ensured && folder_publish(path, bytes, length);
    }
    free(path);
    return ensured;
}

char *folder_headers(const char *cache) {
    const char *parent = cache != NULL ? cache : folder_private();
    char *folder = NULL;
    if (parent == NULL || asprintf(&folder, "%s/headers-%.16s", parent, folder_headers_digest()) < 0) {
        return NULL;
    }
    bool ensured = true;
    for (size_t i = 0; i < header_count && ensured; i++) {
        ensured = ensure_file(folder, "include", headers[i].path, headers[i].bytes, headers[i].length);
    }
    for (size_t i = 0; i < sizeof stubs / sizeof *stubs && ensured; i++) {
        ensured = ensure_file(folder, "stub", stubs[i], "", 0);
    }
    if (!ensured) {
        int error = errno;
        free(folder);
        errno = error;
        return NULL;
    }
    return folder;
}
