/* Handles and texts of the host shim. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "mlxshim_host.h"

#include <stdlib.h>
#include <string.h>

struct mlxshim_text {
    char *text;
};

void *handle_new(enum object_kind kind, size_t size) {
    if (!faults_admit(kind, 0)) {
        return NULL;
    }
    void *handle = calloc(1, size);
    if (handle == NULL) {
        live_objects_remove(kind, 0);
    }
    return handle;
}

void handle_free(enum object_kind kind, void *handle) {
    free(handle);
    live_objects_remove(kind, 0);
}

/* ---- text ---- */

uint64_t copy_text(const char *source, char *text, uint64_t text_capacity) {
    uint64_t length = strlen(source);
    if (text == NULL || text_capacity == 0) {
        return length;
    }
    uint64_t copied = length;
    if (copied >= text_capacity) {
        copied = text_capacity - 1;
        while (copied > 0 && ((unsigned char)source[copied] & 0xC0) == 0x80) {
            copied--;
        }
    }
    memcpy(text, source, copied);
    text[copied] = '\0';
    return length;
}

bool is_utf8(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at != 0) {
        unsigned char lead = *at++;
        if (lead < 0x80) {
            continue;
        }
        unsigned char low = 0x80;
        unsigned char high = 0xBF;
        int following;
        if (lead >= 0xC2 && lead <= 0xDF) {
            following = 1;
        } else if (lead >= 0xE0 && lead <= 0xEF) {
            following = 2;
            low = lead == 0xE0 ? 0xA0 : low;
            high = lead == 0xED ? 0x9F : high;
        } else if (lead >= 0xF0 && lead <= 0xF4) {
            following = 3;
            low = lead == 0xF0 ? 0x90 : low;
            high = lead == 0xF4 ? 0x8F : high;
        } else {
            return false;
        }
        for (; following > 0; following--, at++) {
            if (*at < low || *at > high) {
                return false;
            }
            low = 0x80;
            high = 0xBF;
        }
    }
    return true;
}

int32_t fail(int32_t status, const char *reason, char *message, uint64_t message_capacity) {
    copy_text(reason, message, message_capacity);
    return status;
}

/* Makes a text object of what malloc returned, and frees that if it cannot; NULL for NULL. */
static mlxshim_text_t text_new(char *text) {
    mlxshim_text_t handle = text == NULL ? NULL : handle_new(TEXTS, sizeof *handle);
    if (handle == NULL) {
        free(text);
        return NULL;
    }
    handle->text = text;
    return handle;
}

int32_t finish_with_log(int32_t status, char *log, mlxshim_text_t *out_log) {
    if (out_log == NULL) {
        free(log);
    } else {
        *out_log = text_new(log);
    }
    return status;
}

int32_t fail_with_log(int32_t status, const char *reason, mlxshim_text_t *out_log) {
    return finish_with_log(status, strdup(reason), out_log);
}

/* ---- text objects ---- */

void mlxshim_text_release(mlxshim_text_t text) {
    if (text != NULL) {
        free(text->text);
        handle_free(TEXTS, text);
    }
}

uint64_t mlxshim_text_copy(mlxshim_text_t text, char *copy, uint64_t copy_capacity) {
    return copy_text(text->text, copy, copy_capacity);
}
