/* The tokens of a preprocessed source, and where the source of each is. */
#ifndef MLXSHIM_MSL_TOKENS_H
#define MLXSHIM_MSL_TOKENS_H

#include "text.h"

enum token_kind {
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_CHARACTER,
    TOKEN_PUNCTUATION,
    TOKEN_DIRECTIVE, /* a whole line that begins with # */
};

/* What the declarations say about a token; see declarations.h. */
enum token_mark {
    MARK_BODY = 1,         /* in the body of a function */
    MARK_DROPPED = 2,      /* not part of the C++ source */
    MARK_INLINE = 4,       /* begins a function that is to be inline */
    MARK_CONSTANT = 8,     /* begins a function constant */
};

struct token {
    uint32_t space; /* where the white space before the token begins in the text */
    uint32_t start;
    uint32_t length;
    uint32_t line;    /* as line markers count */
    uint32_t partner; /* of a bracket: the bracket that closes or opens it; the token's own position if there is none */
    uint16_t file;    /* an index of `files` */
    uint8_t kind;
    uint8_t marks;
};

/* The last token of a text has the length 0, and is a directive. */
struct tokens {
    const char *text;
    struct token *items;
    size_t count;
    size_t capacity;
    char **files; /* that line markers name */
    size_t file_count;
    size_t file_capacity;
};

/* Reads the tokens of a text of less than 4 GiB, which must outlive them. Returns false if memory runs out. */
bool tokens_read(struct slice text, struct tokens *out_tokens);
void tokens_free(struct tokens *tokens);

struct slice token_text(const struct tokens *tokens, size_t at);
struct slice token_space(const struct tokens *tokens, size_t at);
/* Whether there is a token at `at`, and it is `text`. */
bool token_is(const struct tokens *tokens, size_t at, const char *text);
bool token_is_name(const struct tokens *tokens, size_t at);

/* The first position behind the bracket at `at` and what it encloses; at least `at` + 1, at most `end`. */
size_t token_behind(const struct tokens *tokens, size_t at, size_t end);
/* The position behind the template arguments that `<` at `at` begins, or `at` if they do not end before `end`. */
size_t token_behind_angles(const struct tokens *tokens, size_t at, size_t end);
/* Whether an attribute, [[...]], begins at `at`. */
bool token_begins_attribute(const struct tokens *tokens, size_t at);

#endif
