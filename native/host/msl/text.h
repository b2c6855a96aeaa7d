/* Growing texts, arrays and sets of texts. */
#ifndef MLXSHIM_MSL_TEXT_H
#define MLXSHIM_MSL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that belong to another object. */
struct slice {
    const char *start;
    size_t length;
};

struct slice slice_of(const char *text);
bool slice_equals(struct slice slice, const char *text);
bool slices_equal(struct slice left, struct slice right);
char *slice_copy(struct slice slice); /* NUL-terminated; NULL if memory runs out */

/*
 * A text that grows. Once memory runs out, `failed` is true and every append does nothing, so that a caller checks only
 * at the end. `bytes` is NUL-terminated, and NULL while nothing was appended.
 */
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

void text_append(struct text *text, const char *bytes, size_t length);
void text_append_slice(struct text *text, struct slice slice);
void text_append_string(struct text *text, const char *string);
void text_append_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *text);
struct slice text_slice(const struct text *text);

/* Hands over the bytes, which the caller frees: NULL if memory ran out; "" if nothing was appended. */
char *text_take(struct text *text);

/*
 * Makes room for one more item of `size` bytes in an array of `count` items. Returns the array, or NULL if memory runs
 * out; the old array is then still valid.
 */
void *array_grow(void *items, size_t count, size_t *capacity, size_t size);

/* A set of texts, by value. */
struct text_set {
    char **slots;
    size_t count;
    size_t capacity;
};

/* Adds a copy. Returns whether it was absent; sets `*failed` if memory runs out. */
bool text_set_add(struct text_set *set, struct slice text, bool *failed);
void text_set_free(struct text_set *set);

/* As stat, which older releases of glibc do not have as a function. */
struct stat;
bool file_status(const char *path, struct stat *out_status);
/* Reads a whole file. Returns false with errno set. */
bool file_read(const char *path, struct text *out_text);
/* Writes a whole file, which is made or replaced. Returns false with errno set. */
bool file_write(const char *path, const void *bytes, size_t length);

#endif
