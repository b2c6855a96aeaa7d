/*
 * What the sources of the shim share: texts for callers, failures, and the release of handles.
 *
 * The functions are inline, so that each source defines no global symbol but the functions of mlxshim.h.
 */
#ifndef SHIM_H
#define SHIM_H

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mlxshim.h"

/* ---- text ---- */

/*
 * Text that `append` writes piece by piece into a caller's buffer. It cuts the first piece that does not fit at a
 * character, and writes no piece after it. `length` still counts every piece, because the caller wants the length of
 * the whole text. A text without pieces writes nothing, so a successful call leaves the caller's message untouched.
 */
struct text {
    char *end;
    uint64_t room; /* bytes from `end` on, one of them for the NUL; 0 after a piece was cut */
    uint64_t length;
};

static inline struct text text_in(char *buffer, uint64_t capacity) {
    return (struct text){.end = buffer, .room = buffer == NULL ? 0 : capacity};
}

static inline bool continues_character(char byte) {
    return ((unsigned char)byte & 0xC0) == 0x80;
}

static inline void append(struct text *text, const char *piece) {
    uint64_t length = strlen(piece);
    text->length += length;
    if (text->room == 0) {
        return;
    }
    uint64_t fitting = length < text->room ? length : text->room - 1;
    while (fitting > 0 && continues_character(piece[fitting])) {
        fitting--;
    }
    memcpy(text->end, piece, fitting);
    text->end += fitting;
    *text->end = '\0';
    text->room = fitting == length ? text->room - fitting : 0;
}

static inline void append_number(struct text *text, uint64_t number) {
    char digits[sizeof "18446744073709551615"];
    char *first = digits + sizeof digits - 1;
    *first = '\0';
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    append(text, first);
}

static inline void append_signed_number(struct text *text, int64_t number) {
    if (number < 0) {
        append(text, "-");
    }
    append_number(text, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* Appends nothing if the string is nil or has no UTF-8 form. */
static inline void append_string(struct text *text, NSString *string) {
    const char *utf8 = [string UTF8String];
    append(text, utf8 == NULL ? "" : utf8);
}

static inline uint64_t copy_string(NSString *string, char *buffer, uint64_t capacity) {
    struct text text = text_in(buffer, capacity);
    append_string(&text, string);
    return text.length;
}

/* Returns whether `utf8` is a valid label, and writes it to `*out_string`, autoreleased; nil for NULL. */
static inline bool read_label(const char *utf8, NSString **out_string) {
    *out_string = utf8 == NULL ? nil : [NSString stringWithUTF8String:utf8];
    return utf8 == NULL || *out_string != nil;
}

/* ---- failing ---- */

/* Appends the last piece of the reason and returns `status`. */
static inline int32_t fail(int32_t status, struct text *reason, const char *rest) {
    append(reason, rest);
    return status;
}

static inline int32_t fail_out_of_memory(id<MTLDevice> device, struct text *reason) {
    append(reason, ": ");
    append_number(reason, [device currentAllocatedSize]);
    append(reason, " bytes are allocated on the device, which recommends at most ");
    append_number(reason, [device recommendedMaxWorkingSetSize]);
    return fail(MLXSHIM_ERROR_OUT_OF_MEMORY, reason, " bytes");
}

static inline void release_handle(void *handle) {
    @autoreleasepool {
        [(id)handle release];
    }
}

/* ---- logs ---- */

struct mlxshim_text {
    char utf8[1]; /* of any length */
};

/* Returns a text that the caller owns; NULL for an empty one, or if memory runs out. */
static inline mlxshim_text_t text_new(const char *utf8) {
    uint64_t length = utf8 == NULL ? 0 : strlen(utf8);
    mlxshim_text_t text = length == 0 ? NULL : malloc(length + 1);
    if (text != NULL) {
        memcpy(text->utf8, utf8, length + 1);
    }
    return text;
}

/* Writes a log, unless the caller wants none, and returns `status`. */
static inline int32_t finish(int32_t status, const char *log, mlxshim_text_t *out_log) {
    if (out_log != NULL) {
        *out_log = text_new(log);
    }
    return status;
}

/* Capacity of the texts that this shim writes itself. Only names of kernels are long, and are cut. */
#define LOG_SIZE 1024

#endif
