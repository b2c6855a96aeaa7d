/*
 * Counts the texts of mlxshim.h's logs, which are all that the shim's sources allocate themselves. Included before each
 * of these sources.
 */
#ifndef STANDIN_TEXTS_H
#define STANDIN_TEXTS_H

#import <Foundation/Foundation.h>

#include <stdlib.h>

#include "live_objects.h"

static inline void *standin_text_new(size_t length) {
    void *text = malloc(length);
    if (text != NULL) {
        live_objects_add(TEXTS, 0, UINT64_MAX);
    }
    return text;
}

static inline void standin_text_free(void *text) {
    if (text != NULL) {
        live_objects_remove(TEXTS, 0);
        free(text);
    }
}

#define malloc(length) standin_text_new(length)
#define free(text) standin_text_free(text)

#endif
