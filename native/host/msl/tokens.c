#include "tokens.h"

#include <stdlib.h>
#include <string.h>

/* Template argument lists above this are taken for comparisons, so that the time for a text stays linear. */
#define LONGEST_ANGLES 1024

/* Two and three characters that are one token. `[[` and `]]` are two, as in a[b[i]]. */
static const char *const punctuation[] = {"<<=", ">>=", "...", "->*", "::", "->", "++", "--", "<<",
                                          ">>",  "<=",  ">=",  "==",  "!=", "&&", "||", "+=", "-=",
                                          "*=",  "/=",  "%=",  "&=",  "|=", "^=", ".*"};

struct reader {
    struct tokens *tokens;
    const char *text;
    size_t length;
    size_t at;
    size_t space;
    uint32_t line;
    uint16_t file;
    bool line_begins;
    bool failed;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_name_part(char c) {
    return is_name_start(c) || is_digit(c);
}

static char peek(const struct reader *reader, size_t ahead) {
    return ahead < reader->length - reader->at ? reader->text[reader->at + ahead] : '\0';
}

/* ---- one token ---- */

static void read_directive(struct reader *reader) {
    while (reader->at < reader->length && reader->text[reader->at] != '\n') {
        if (reader->text[reader->at] == '\\' && peek(reader, 1) == '\n') {
            reader->at++;
            reader->line++;
        }
        reader->at++;
    }
}

static void read_quoted(struct reader *reader, char quote) {
    reader->at++;
    while (reader->at < reader->length && reader->text[reader->at] != quote && reader->text[reader->at] != '\n') {
        bool escape = reader->text[reader->at] == '\\' && peek(reader, 1) != '\0' && peek(reader, 1) != '\n';
        reader->at += escape ? 2 : 1;
    }
    if (peek(reader, 0) == quote) {
        reader->at++;
    }
}

/* R"delimiter(...)delimiter", whose quote is at `at`. */
static void read_raw_string(struct reader *reader) {
    size_t open = reader->at + 1;
    size_t at = open;
    while (at < reader->length && at - open < 16 && reader->text[at] != '(' && reader->text[at] != '\n') {
        at++;
    }
    size_t delimiter = at - open;
    if (at >= reader->length || reader->text[at] != '(') {
        read_quoted(reader, '"');
        return;
    }
    for (; at < reader->length; at++) {
        reader->line += reader->text[at] == '\n';
        if (reader->text[at] == ')' && reader->length - at > delimiter + 1 &&
            memcmp(reader->text + at + 1, reader->text + open, delimiter) == 0 &&
            reader->text[at + 1 + delimiter] == '"') {
            reader->at = at + delimiter + 2;
            return;
        }
    }
    reader->at = reader->length;
}

static void read_number(struct reader *reader) {
    bool hexadecimal = peek(reader, 0) == '0' && (peek(reader, 1) == 'x' || peek(reader, 1) == 'X');
    while (reader->at < reader->length) {
        char c = reader->text[reader->at];
        char lower = (char)(c | 0x20);
        bool exponent = hexadecimal ? lower == 'p' : lower == 'e';
        if (exponent && (peek(reader, 1) == '+' || peek(reader, 1) == '-')) {
            reader->at += 2;
        } else if (is_name_part(c) || c == '.' || (c == '\'' && is_name_part(peek(reader, 1)))) {
            reader->at++;
        } else {
            return;
        }
    }
}

static void read_punctuation(struct reader *reader) {
    size_t left = reader->length - reader->at;
    for (size_t i = 0; i < sizeof punctuation / sizeof *punctuation; i++) {
        size_t length = strlen(punctuation[i]);
        if (length <= left && memcmp(reader->text + reader->at, punctuation[i], length) == 0) {
            reader->at += length;
            return;
        }
    }
    reader->at++;
}

static enum token_kind read_token(struct reader *reader) {
    char c = reader->text[reader->at];
    if (c == '#' && reader->line_begins) {
        read_directive(reader);
        return TOKEN_DIRECTIVE;
    }
    if (is_name_start(c)) {
        size_t start = reader->at;
        while (is_name_part(peek(reader, 0))) {
            reader->at++;
        }
        if (reader->at == start + 1 && c == 'R' && peek(reader, 0) == '"') {
            read_raw_string(reader);
            return TOKEN_STRING;
        }
        return TOKEN_NAME;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(reader, 1)))) {
        read_number(reader);
        return TOKEN_NUMBER;
    }
    if (c == '"' || c == '\'') {
        read_quoted(reader, c);
        return c == '"' ? TOKEN_STRING : TOKEN_CHARACTER;
    }
    read_punctuation(reader);
    return TOKEN_PUNCTUATION;
}

/* ---- all tokens ---- */

static void skip_space(struct reader *reader) {
    reader->space = reader->at;
    while (reader->at < reader->length) {
        char c = reader->text[reader->at];
        if (c == '\n') {
            reader->line++;
            reader->line_begins = true;
        } else if (c == '\\' && peek(reader, 1) == '\n') {
            reader->at++;
            reader->line++;
        } else if (c != ' ' && c != '\t' && c != '\r' && c != '\v' && c != '\f') {
            return;
        }
        reader->at++;
    }
}

static void add_token(struct reader *reader, enum token_kind kind, size_t start, uint32_t line) {
    struct tokens *tokens = reader->tokens;
    struct token *items = array_grow(tokens->items, tokens->count, &tokens->capacity, sizeof *items);
    if (items == NULL) {
        reader->failed = true;
        return;
    }
    tokens->items = items;
    items[tokens->count] = (struct token){.space = (uint32_t)reader->space,
                                          .start = (uint32_t)start,
                                          .length = (uint32_t)(reader->at - start),
                                          .line = line,
                                          .partner = (uint32_t)tokens->count,
                                          .file = reader->file,
                                          .kind = (uint8_t)kind};
    tokens->count++;
}

/* Finds or adds a name of a file. */
static uint16_t file_index(struct reader *reader, struct slice name) {
    struct tokens *tokens = reader->tokens;
    for (size_t i = 0; i < tokens->file_count; i++) {
        if (slice_equals(name, tokens->files[i])) {
            return (uint16_t)i;
        }
    }
    char **files = array_grow(tokens->files, tokens->file_count, &tokens->file_capacity, sizeof *files);
    char *copy = slice_copy(name);
    if (files != NULL) {
        tokens->files = files;
    }
    if (files == NULL || copy == NULL || tokens->file_count == UINT16_MAX) {
        free(copy);
        reader->failed = files == NULL || copy == NULL || reader->failed;
        return 0;
    }
    files[tokens->file_count] = copy;
    return (uint16_t)tokens->file_count++;
}

/* Follows a line marker, `# 12 "file" flags`, which says where the next line is from. */
static void follow_marker(struct reader *reader, struct slice directive) {
    size_t at = 1;
    while (at < directive.length && directive.start[at] == ' ') {
        at++;
    }
    uint32_t line = 0;
    size_t digits = at;
    for (; at < directive.length && is_digit(directive.start[at]); at++) {
        line = line * 10 + (uint32_t)(directive.start[at] - '0');
    }
    if (at == digits) {
        return;
    }
    reader->line = line - 1; /* the newline that ends the marker is counted */
    const char *open = memchr(directive.start + at, '"', directive.length - at);
    if (open != NULL) {
        const char *name = open + 1;
        size_t left = directive.length - (size_t)(name - directive.start);
        const char *close = memchr(name, '"', left);
        if (close != NULL) {
            reader->file = file_index(reader, (struct slice){name, (size_t)(close - name)});
        }
    }
}

static char bracket(const struct tokens *tokens, size_t at) {
    const struct token *token = &tokens->items[at];
    char c = tokens->text[token->start];
    bool single = token->kind == TOKEN_PUNCTUATION && token->length == 1;
    return single && c != '\0' && strchr("()[]{}", c) != NULL ? c : '\0';
}

/* Connects brackets. A closing bracket of another kind than the last open one closes nothing. */
static bool pair_brackets(struct tokens *tokens) {
    uint32_t *open = malloc((tokens->count + 1) * sizeof *open);
    if (open == NULL) {
        return false;
    }
    size_t depth = 0;
    for (size_t at = 0; at < tokens->count; at++) {
        char c = bracket(tokens, at);
        if (c == '(' || c == '[' || c == '{') {
            open[depth++] = (uint32_t)at;
        } else if (c != '\0' && depth > 0) {
            char opener = c == ')' ? '(' : c == ']' ? '[' : '{';
            size_t top = depth;
            /* A brace closes what was left open inside it. */
            while (c == '}' && top > 1 && bracket(tokens, open[top - 1]) != '{') {
                top--;
            }
            if (bracket(tokens, open[top - 1]) == opener) {
                depth = top - 1;
                tokens->items[at].partner = open[depth];
                tokens->items[open[depth]].partner = (uint32_t)at;
            }
        }
    }
    free(open);
    return true;
}

bool tokens_read(struct slice text, struct tokens *out_tokens) {
    *out_tokens = (struct tokens){.text = text.start};
    struct reader reader = {
        .tokens = out_tokens, .text = text.start, .length = text.length, .line = 1, .line_begins = true};
    file_index(&reader, slice_of(""));
    while (!reader.failed) {
        skip_space(&reader);
        size_t start = reader.at;
        uint32_t line = reader.line;
        if (start == reader.length) {
            add_token(&reader, TOKEN_DIRECTIVE, start, line);
            break;
        }
        enum token_kind kind = read_token(&reader);
        add_token(&reader, kind, start, line);
        reader.line_begins = false;
        if (kind == TOKEN_DIRECTIVE) {
            follow_marker(&reader, (struct slice){text.start + start, reader.at - start});
        }
    }
    if (reader.failed || !pair_brackets(out_tokens)) {
        tokens_free(out_tokens);
        return false;
    }
    return true;
}

void tokens_free(struct tokens *tokens) {
    for (size_t i = 0; i < tokens->file_count; i++) {
        free(tokens->files[i]);
    }
    free(tokens->files);
    free(tokens->items);
    *tokens = (struct tokens){0};
}

/* ---- queries ---- */

struct slice token_text(const struct tokens *tokens, size_t at) {
    const struct token *token = &tokens->items[at];
    return (struct slice){tokens->text + token->start, token->length};
}

struct slice token_space(const struct tokens *tokens, size_t at) {
    const struct token *token = &tokens->items[at];
    return (struct slice){tokens->text + token->space, token->start - token->space};
}

bool token_is(const struct tokens *tokens, size_t at, const char *text) {
    return at < tokens->count && slice_equals(token_text(tokens, at), text);
}

bool token_is_name(const struct tokens *tokens, size_t at) {
    return at < tokens->count && tokens->items[at].kind == TOKEN_NAME;
}

size_t token_behind(const struct tokens *tokens, size_t at, size_t end) {
    size_t partner = tokens->items[at].partner;
    size_t behind = partner > at ? partner + 1 : at + 1;
    return behind < end ? behind : end;
}

size_t token_behind_angles(const struct tokens *tokens, size_t at, size_t end) {
    int depth = 0;
    size_t limit = end - at > LONGEST_ANGLES ? at + LONGEST_ANGLES : end;
    for (size_t i = at; i < limit;) {
        if (tokens->items[i].kind != TOKEN_PUNCTUATION) {
            i++;
            continue;
        }
        if (token_is(tokens, i, ";") || token_is(tokens, i, ")") || token_is(tokens, i, "}")) {
            return at;
        }
        depth += token_is(tokens, i, "<") ? 1 : 0;
        depth -= token_is(tokens, i, ">") ? 1 : token_is(tokens, i, ">>") ? 2 : 0;
        i = token_behind(tokens, i, end);
        if (depth <= 0) {
            return i;
        }
    }
    return at;
}

bool token_begins_attribute(const struct tokens *tokens, size_t at) {
    return token_is(tokens, at, "[") && token_is(tokens, at + 1, "[") &&
           tokens->items[at + 1].partner + 1 == tokens->items[at].partner;
}
