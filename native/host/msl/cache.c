#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "cache.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "folder.h"
#include "sha256.h"

/* A file is the digest of the bytes, and then the bytes. */
#define DIGEST_LENGTH 64
/* A name begins with as many hexadecimal digits. */
#define NAME_DIGITS 64
/* What names begin with whose put removes what is too much. */
#define TRIMMING_NAMES "00"
/* What the oldest files are removed down to. */
#define TRIMMED_BYTES (CACHE_BYTES / 8 * 7)

static void digest_of(struct slice bytes, char out_hex[65]) {
    struct sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, bytes.start, bytes.length);
    sha256_end_hex(&sha, out_hex);
}

bool cache_get(const char *folder, const char *name, struct text *out_bytes) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        return false;
    }
    struct text file = {0};
    bool found = file_read(path, &file);
    if (found) {
        char hex[65] = "";
        found = file.length >= DIGEST_LENGTH;
        struct slice bytes = {file.bytes + DIGEST_LENGTH, file.length - DIGEST_LENGTH};
        if (found) {
            digest_of(bytes, hex);
            found = memcmp(hex, file.bytes, DIGEST_LENGTH) == 0;
        }
        if (found) {
            text_append_slice(out_bytes, bytes);
            found = !out_bytes->failed;
            cache_use(path);
        } else {
            unlink(path);
        }
    }
    text_free(&file);
    free(path);
    return found;
}

void cache_use(const char *path) {
    utimes(path, NULL);
}

/* ---- bounds ---- */

struct kept_file {
    char *path;
    uint64_t bytes;
    time_t used;
};

struct kept_files {
    struct kept_file *files;
    size_t count;
    size_t capacity;
    uint64_t bytes; /* of all */
};

/* Takes over a path. */
static void add_file(struct kept_files *kept, char *path) {
    struct stat status;
    struct kept_file *files = NULL;
    if (file_status(path, &status) && S_ISREG(status.st_mode)) {
        files = array_grow(kept->files, kept->count, &kept->capacity, sizeof *files);
    }
    if (files == NULL) {
        free(path);
        return;
    }
    kept->files = files;
    files[kept->count++] =
        (struct kept_file){.path = path, .bytes = (uint64_t)status.st_size, .used = status.st_mtime};
    kept->bytes += (uint64_t)status.st_size;
}

/* The folder may have other files, which stay. A file that was left half-written goes too. */
static bool is_kept(const char *name) {
    return strspn(name, "0123456789abcdef") == NAME_DIGITS && name[NAME_DIGITS] == '-';
}

/* Adds the files of a folder, and those of the folders of headers in it, which have precompiled ones. */
static void add_files(struct kept_files *kept, const char *folder) {
    DIR *open = opendir(folder);
    if (open == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
        bool headers = strncmp(entry->d_name, "headers-", strlen("headers-")) == 0;
        char *path = NULL;
        if ((!headers && !is_kept(entry->d_name)) || asprintf(&path, "%s/%s", folder, entry->d_name) < 0) {
            continue;
        }
        if (headers) {
            add_files(kept, path);
            free(path);
        } else {
            add_file(kept, path);
        }
    }
    closedir(open);
}

static int by_use(const void *left, const void *right) {
    time_t one = ((const struct kept_file *)left)->used;
    time_t other = ((const struct kept_file *)right)->used;
    return (one > other) - (one < other);
}

/* A process that reads a file which another removes still reads all of it, or finds none and compiles. */
static void trim(const char *folder) {
    struct kept_files kept = {0};
    add_files(&kept, folder);
    if (kept.bytes > CACHE_BYTES) {
        qsort(kept.files, kept.count, sizeof *kept.files, by_use);
        for (size_t i = 0; i < kept.count && kept.bytes > TRIMMED_BYTES; i++) {
            unlink(kept.files[i].path);
            kept.bytes -= kept.files[i].bytes;
        }
    }
    for (size_t i = 0; i < kept.count; i++) {
        free(kept.files[i].path);
    }
    free(kept.files);
}

void cache_put(const char *folder, const char *name, struct slice bytes) {
    char *path = NULL;
    char hex[65];
    struct text file = {0};
    digest_of(bytes, hex);
    text_append(&file, hex, DIGEST_LENGTH);
    text_append_slice(&file, bytes);
    if (!file.failed && folder_make(folder) && asprintf(&path, "%s/%s", folder, name) >= 0) {
        folder_publish(path, file.bytes, file.length);
        free(path);
        if (strncmp(name, TRIMMING_NAMES, strlen(TRIMMING_NAMES)) == 0) {
            trim(folder);
        }
    }
    text_free(&file);
}
