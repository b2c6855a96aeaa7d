#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- slices ---- */

struct slice slice_of(const char *text) {
    return (struct slice){text, strlen(text)};
}

bool slices_equal(struct slice left, struct slice right) {
    return left.length == right.length && (left.length == 0 || memcmp(left.start, right.start, left.length) == 0);
}

bool slice_equals(struct slice slice, const char *text) {
    return slices_equal(slice, slice_of(text));
}

char *slice_copy(struct slice slice) {
    char *copy = malloc(slice.length + 1);
    if (copy != NULL) {
        if (slice.length > 0) {
            memcpy(copy, slice.start, slice.length);
        }
        copy[slice.length] = '\0';
    }
    return copy;
}

/* ---- growing texts ---- */

/* Makes room for `length` more bytes and a NUL. */
static bool reserve(struct text *text, size_t length) {
    if (text->failed) {
        return false;
    }
    if (length >= SIZE_MAX / 2 - text->length) {
        text->failed = true;
        return false;
    }
    size_t needed = text->length + length + 1;
    if (needed <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity * 2 > needed ? text->capacity * 2 : needed;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void text_append(struct text *text, const char *bytes, size_t length) {
    if (!reserve(text, length)) {
        return;
    }
    if (length > 0) {
        memcpy(text->bytes + text->length, bytes, length);
    }
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_append_slice(struct text *text, struct slice slice) {
    text_append(text, slice.start, slice.length);
}

void text_append_string(struct text *text, const char *string) {
    text_append(text, string, strlen(string));
}

void text_append_format(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !reserve(text, (size_t)length)) {
        text->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

void text_free(struct text *text) {
    free(text->bytes);
    *text = (struct text){0};
}

struct slice text_slice(const struct text *text) {
    return (struct slice){text->bytes, text->length};
}

char *text_take(struct text *text) {
    reserve(text, 0);
    char *bytes = text->failed ? NULL : text->bytes;
    if (bytes == NULL) {
        free(text->bytes);
    } else {
        bytes[text->length] = '\0';
    }
    *text = (struct text){0};
    return bytes;
}

/* ---- arrays ---- */

void *array_grow(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return items;
    }
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    if (wanted > SIZE_MAX / 2 / size) {
        return NULL;
    }
    void *grown = realloc(items, wanted * size);
    if (grown != NULL) {
        *capacity = wanted;
    }
    return grown;
}

/* ---- sets ---- */

static uint64_t hash(struct slice text) {
    uint64_t value = 0xCBF29CE484222325; /* FNV-1a */
    for (size_t i = 0; i < text.length; i++) {
        value = (value ^ (unsigned char)text.start[i]) * 0x100000001B3;
    }
    return value ^ value >> 32;
}

/* The slot that has the text, or the empty one where it belongs. The set has an empty slot. */
static char **find(const struct text_set *set, struct slice text) {
    size_t at = (size_t)hash(text) & (set->capacity - 1);
    while (set->slots[at] != NULL && !slice_equals(text, set->slots[at])) {
        at = (at + 1) & (set->capacity - 1);
    }
    return &set->slots[at];
}

static bool widen(struct text_set *set) {
    struct text_set wider = {.capacity = set->capacity == 0 ? 64 : set->capacity * 2, .count = set->count};
    wider.slots = calloc(wider.capacity, sizeof *wider.slots);
    if (wider.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i] != NULL) {
            *find(&wider, slice_of(set->slots[i])) = set->slots[i];
        }
    }
    free(set->slots);
    *set = wider;
    return true;
}

bool text_set_add(struct text_set *set, struct slice text, bool *failed) {
    if (set->count * 2 >= set->capacity && !widen(set)) {
        *failed = true;
        return false;
    }
    char **slot = find(set, text);
    if (*slot != NULL) {
        return false;
    }
    *slot = slice_copy(text);
    if (*slot == NULL) {
        *failed = true;
        return false;
    }
    set->count++;
    return true;
}

void text_set_free(struct text_set *set) {
    for (size_t i = 0; i < set->capacity; i++) {
        free(set->slots[i]);
    }
    free(set->slots);
    *set = (struct text_set){0};
}

/* ---- files ---- */

bool file_status(const char *path, struct stat *out_status) {
#if defined(__linux__)
    return syscall(SYS_newfstatat, AT_FDCWD, path, out_status, 0) == 0;
#else
    return stat(path, out_status) == 0;
#endif
}

static bool read_all(int file, struct text *out_text) {
    for (;;) {
        char block[16384];
        ssize_t length = read(file, block, sizeof block);
        if (length == 0) {
            break;
        }
        if (length > 0) {
            text_append(out_text, block, (size_t)length);
        } else if (errno != EINTR) {
            return false;
        }
    }
    if (out_text->failed) {
        errno = ENOMEM;
    }
    return !out_text->failed;
}

bool file_read(const char *path, struct text *out_text) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    bool read = read_all(file, out_text);
    int error = errno;
    close(file);
    errno = error;
    return read;
}

bool file_write(const char *path, const void *bytes, size_t length) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return false;
    }
    const char *at = bytes;
    bool written = true;
    while (length > 0 && written) {
        ssize_t step = write(file, at, length);
        if (step > 0) {
            at += step;
            length -= (size_t)step;
        } else if (step == 0 || errno != EINTR) {
            written = false;
        }
    }
    int error = errno;
    written = close(file) == 0 && written;
    errno = written ? 0 : error;
    return written;
}
