#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "diagnostics.h"

#include <stdlib.h>
#include <string.h>

/* A place in a file. Lines and columns count from 1; 0 is unknown. */
struct location {
    struct slice file;
    size_t line;
    size_t column;
};

/* ---- the user's source ---- */

static struct slice source_line(const char *source, size_t line) {
    while (--line > 0) {
        source = strchr(source, '\n');
        if (source == NULL) {
            return (struct slice){"", 0};
        }
        source++;
    }
    return (struct slice){source, strcspn(source, "\r\n")};
}

static bool is_word_part(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The column of the nth occurrence of a word in a line, counted from 0, or else of the last; 0 if there is none. */
static size_t find_word(struct slice line, struct slice word, size_t nth) {
    if (word.length == 0) {
        return 0;
    }
    size_t column = 0;
    for (size_t at = 0; at + word.length <= line.length; at++) {
        bool begins = at == 0 || !is_word_part(word.start[0]) || !is_word_part(line.start[at - 1]);
        bool ends = at + word.length == line.length || !is_word_part(word.start[word.length - 1]) ||
                    !is_word_part(line.start[at + word.length]);
        if (begins && ends && memcmp(line.start + at, word.start, word.length) == 0) {
            column = at + 1;
            if (nth-- == 0) {
                break;
            }
            at += word.length - 1;
        }
    }
    return column;
}

static size_t first_column(struct slice line) {
    size_t at = 0;
    while (at < line.length && (line.start[at] == ' ' || line.start[at] == '\t')) {
        at++;
    }
    return at + 1;
}

/*
 * The column of a token. The preprocessor keeps lines, but not columns: the token is the nth of its kind in the line,
 * there as here, unless it comes from a macro.
 */
static size_t token_column(const struct program *program, size_t token) {
    const struct tokens *tokens = &program->tokens;
    const struct token *items = tokens->items;
    struct slice word = token_text(tokens, token);
    size_t nth = 0;
    for (size_t at = token; at > 0; at--) {
        if (items[at - 1].line != items[token].line || items[at - 1].file != items[token].file) {
            break;
        }
        nth += slices_equal(token_text(tokens, at - 1), word) ? 1 : 0;
    }
    struct slice line = source_line(program->source, items[token].line);
    size_t column = find_word(line, word, nth);
    return column != 0 ? column : first_column(line);
}

static struct location token_location(const struct program *program, size_t token) {
    const struct token *item = &program->tokens.items[token];
    struct location location = {.file = slice_of(program->tokens.files[item->file]), .line = item->line};
    if (slice_equals(location.file, SOURCE_NAME)) {
        location.column = token_column(program, token);
    }
    return location;
}

/* ---- from the unit to the source ---- */

static size_t unit_offset(const struct text *text, size_t line, size_t column) {
    const char *at = text->bytes;
    while (--line > 0) {
        const char *newline = strchr(at, '\n');
        if (newline == NULL) {
            break;
        }
        at = newline + 1;
    }
    size_t offset = (size_t)(at - text->bytes) + column - 1;
    return offset < text->length ? offset : text->length;
}

/* The token of the source that an offset of the unit is in or behind. SIZE_MAX if it is outside of the source. */
static size_t token_at(const struct diagnosed *diagnosed, size_t offset) {
    const struct rewritten *rewritten = &diagnosed->program->rewritten;
    if (offset < diagnosed->unit->source_begin || rewritten->token_count == 0 ||
        offset - diagnosed->unit->source_begin > rewritten->source.length) {
        return SIZE_MAX;
    }
    offset -= diagnosed->unit->source_begin;
    size_t low = 0;
    size_t high = rewritten->token_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (rewritten->tokens[middle].offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return rewritten->tokens[low].token;
}

static struct location unit_location(const struct diagnosed *diagnosed, size_t line, size_t column) {
    size_t token = token_at(diagnosed, unit_offset(&diagnosed->unit->text, line, column));
    token = token != SIZE_MAX ? token : diagnosed->unit->kernel_token;
    if (token == SIZE_MAX) {
        return (struct location){.file = slice_of(SOURCE_NAME), .line = 1, .column = 1};
    }
    return token_location(diagnosed->program, token);
}

/* ---- logs ---- */

static void append_location(struct location location, struct text *out) {
    text_append_slice(out, location.file);
    text_append_format(out, ":%zu", location.line);
    if (location.column != 0) {
        text_append_format(out, ":%zu", location.column);
    }
}

/* Appends the line of the user's source, and a mark below the column. */
static void append_snippet(const char *source, struct location location, struct text *out) {
    if (!slice_equals(location.file, SOURCE_NAME) || location.column == 0) {
        return;
    }
    struct slice line = source_line(source, location.line);
    if (line.length == 0 || line.length > 1000) {
        return;
    }
    text_append_slice(out, line);
    text_append_string(out, "\n");
    for (size_t at = 0; at + 1 < location.column && at < line.length; at++) {
        unsigned char c = (unsigned char)line.start[at];
        /* A character of several bytes has one column on the screen. */
        text_append_string(out, c == '\t' ? "\t" : (c & 0xC0) == 0x80 ? "" : " ");
    }
    text_append_string(out, "^\n");
}

/* Reads `:line:column` at `at`. Returns what is behind, or NULL. */
static const char *read_place(const char *at, const char *end, size_t *out_line, size_t *out_column) {
    size_t *const numbers[] = {out_line, out_column};
    for (size_t i = 0; i < 2; i++) {
        if (at >= end || *at != ':') {
            return NULL;
        }
        at++;
        const char *digits = at;
        for (*numbers[i] = 0; at < end && *at >= '0' && *at <= '9' && at - digits < 10; at++) {
            *numbers[i] = *numbers[i] * 10 + (size_t)(*at - '0');
        }
        if (at == digits || *numbers[i] == 0) {
            return NULL;
        }
    }
    return at;
}

static const char *find_text(struct slice text, const char *from, const char *what) {
    size_t length = strlen(what);
    size_t left = text.length - (size_t)(from - text.start);
    return length == 0 ? NULL : memmem(from, left, what, length);
}

/* Appends a line of a log, with each place in the unit told as one in the source. The first is returned. */
static struct location append_translated(const struct diagnosed *diagnosed, struct slice line, struct text *out) {
    const char *end = line.start + line.length;
    const char *at = line.start;
    struct location first = {0};
    const char *file = diagnosed->unit != NULL ? diagnosed->unit_path : SOURCE_NAME;
    while (at < end) {
        const char *place = find_text(line, at, file);
        const char *header = find_text(line, at, diagnosed->include_folder);
        if (header != NULL && (place == NULL || header < place)) {
            text_append(out, at, (size_t)(header - at));
            at = header + strlen(diagnosed->include_folder);
            continue;
        }
        size_t number = 0;
        size_t column = 0;
        const char *behind = place != NULL ? read_place(place + strlen(file), end, &number, &column) : NULL;
        if (behind == NULL) {
            break;
        }
        text_append(out, at, (size_t)(place - at));
        struct location location = {.file = slice_of(SOURCE_NAME), .line = number, .column = column};
        if (diagnosed->unit != NULL) {
            location = unit_location(diagnosed, number, column);
        }
        append_location(location, out);
        if (place == line.start) {
            first = location;
        }
        at = behind;
    }
    text_append(out, at, (size_t)(end - at));
    return first;
}

/* "2 errors generated." */
static bool is_count(struct slice line) {
    size_t at = 0;
    while (at < line.length && line.start[at] >= '0' && line.start[at] <= '9') {
        at++;
    }
    static const char ending[] = " generated.";
    size_t length = sizeof ending - 1;
    return at > 0 && line.length > length && memcmp(line.start + line.length - length, ending, length) == 0;
}

void diagnostics_append(const struct diagnosed *diagnosed, struct slice log, struct text *out) {
    const char *at = log.start;
    const char *end = log.start + log.length;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline != NULL ? newline : end) - at);
        struct slice line = {at, length};
        at += length + 1;
        if (is_count(line)) {
            continue;
        }
        struct location location = append_translated(diagnosed, line, out);
        text_append_string(out, "\n");
        if (location.line != 0) {
            append_snippet(diagnosed->program->source, location, out);
        }
    }
}

void diagnostics_append_problem(const struct program *program, const struct problem *problem, struct text *out) {
    struct location location = token_location(program, problem->token);
    append_location(location, out);
    text_append_format(out, ": error: %s\n", problem->message);
    append_snippet(program->source, location, out);
}
