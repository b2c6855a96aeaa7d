#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "sha256.h"

/* A file is the digest of the bytes, and then the bytes. */
#define DIGEST_LENGTH 64

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
        } else {
            unlink(path);
        }
    }
    text_free(&file);
    free(path);
    return found;
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
    }
    text_free(&file);
}
