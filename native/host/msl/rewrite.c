#include "rewrite.h"

#include <stdlib.h>
#include <string.h>

struct writer {
    const struct tokens *tokens;
    const struct declarations *declarations;
    struct rewritten *out;
    size_t next_function; /* of the kernels whose first token is still to come */
    size_t next_constant;
    bool failed;
};

/* ---- numbers ---- */

static bool ends_with(struct slice text, const char *lower) {
    size_t length = strlen(lower);
    if (text.length <= length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if ((text.start[text.length - length + i] | 0x20) != lower[i]) {
            return false;
        }
    }
    return true;
}

static bool has_fraction(struct slice text, bool hexadecimal) {
    for (size_t i = 0; i < text.length; i++) {
        char lower = (char)(text.start[i] | 0x20);
        if (text.start[i] == '.' || lower == (hexadecimal ? 'p' : 'e')) {
            return true;
        }
    }
    return false;
}

/* A literal in Metal: 1.0 is a float, 1.0h a half and 1.0bf a bfloat; 1f is allowed. */
static void append_number(struct slice text, struct text *out) {
    bool hexadecimal = text.length > 1 && text.start[0] == '0' && (text.start[1] | 0x20) == 'x';
    bool fraction = has_fraction(text, hexadecimal);
    const char *type = NULL;
    size_t suffix = 0;
    if (!hexadecimal && ends_with(text, "bf")) {
        type = "bfloat";
        suffix = 2;
    } else if (!hexadecimal && ends_with(text, "h")) {
        type = "half";
        suffix = 1;
    } else if (!hexadecimal && ends_with(text, "f")) {
        suffix = 1;
    }
    bool is_float = fraction || suffix > 0;
    bool has_suffix = ends_with(text, "f") || ends_with(text, "l");
    if (type != NULL) {
        text_append_format(out, "%s(", type);
    }
    text_append(out, text.start, text.length - suffix);
    if (suffix > 0 && !fraction) {
        text_append_string(out, ".0");
    }
    if (is_float && (suffix > 0 || !has_suffix)) {
        text_append_string(out, "f");
    }
    text_append_string(out, type != NULL ? ")" : "");
}

/* ---- names ---- */

static bool is_kept_attribute(const struct tokens *tokens, struct range range) {
    static const char *const kept[] = {"clang",    "maybe_unused", "nodiscard", "likely",
                                       "unlikely", "fallthrough",  "noreturn",  "no_unique_address"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (range_has(tokens, range, kept[i])) {
            return true;
        }
    }
    return false;
}

/* The first of the words before `at` that may stand before `threadgroup` in a declaration: const, alignas(16) ... */
static size_t statement_begin(const struct tokens *tokens, size_t at) {
    while (at > 0) {
        size_t before = at - 1;
        size_t open = tokens->items[before].partner;
        if (token_is(tokens, before, "const") || token_is(tokens, before, "volatile") ||
            token_is(tokens, before, "static")) {
            at = before;
        } else if (token_is(tokens, before, ")") && open < before && open > 0 &&
                   token_is(tokens, open - 1, "alignas")) {
            at = open - 1;
        } else {
            break;
        }
    }
    return at;
}

static bool begins_statement(const struct tokens *tokens, size_t at) {
    at = statement_begin(tokens, at);
    return at == 0 || tokens->items[at - 1].kind == TOKEN_DIRECTIVE || token_is(tokens, at - 1, "{") ||
           token_is(tokens, at - 1, "}") || token_is(tokens, at - 1, ";") || token_is(tokens, at - 1, ":");
}

/* Whether `threadgroup` at `at` declares a variable in threadgroup memory, and not a pointer or a reference to it. */
static bool declares_storage(const struct tokens *tokens, size_t at) {
    if (!begins_statement(tokens, at)) {
        return false;
    }
    size_t names = 0;
    for (at++; at < tokens->count;) {
        if (token_is(tokens, at, "<")) {
            size_t behind = token_behind_angles(tokens, at, tokens->count);
            at = behind > at ? behind : at + 1;
        } else if (token_begins_attribute(tokens, at)) {
            at = token_behind(tokens, at, tokens->count);
        } else if (token_is(tokens, at, "alignas") || token_is(tokens, at, "__attribute__")) {
            at = token_behind(tokens, at + 1, tokens->count);
        } else if (token_is(tokens, at, "decltype")) {
            names++;
            at = token_behind(tokens, at + 1, tokens->count);
        } else if (token_is_name(tokens, at) || token_is(tokens, at, "::")) {
            names += token_is_name(tokens, at) ? 1 : 0;
            at++;
        } else {
            break;
        }
    }
    bool ends = token_is(tokens, at, ";") || token_is(tokens, at, "[") || token_is(tokens, at, "=") ||
                token_is(tokens, at, ",") || token_is(tokens, at, "{");
    return ends && names >= 2;
}

/* Appends what stands for a name in C++. Returns false if that is the name itself. */
static bool append_keyword(const struct tokens *tokens, size_t at, struct text *out) {
    static const char *const erased[] = {"thread", "device", "object_data", "ray_data"};
    struct slice name = token_text(tokens, at);
    for (size_t i = 0; i < sizeof erased / sizeof *erased; i++) {
        if (slice_equals(name, erased[i])) {
            return true;
        }
    }
    if (slice_equals(name, "constant")) {
        text_append_string(out, is_method_qualifier(tokens, at) ? "" : "const");
        return true;
    }
    if (slice_equals(name, "threadgroup")) {
        bool storage = (tokens->items[at].marks & MARK_BODY) != 0 && declares_storage(tokens, at);
        text_append_string(out, storage ? "static thread_local" : "");
        return true;
    }
    if (slice_equals(name, "kernel")) {
        text_append_string(out, "inline");
        return true;
    }
    return false;
}

/* ---- tokens ---- */

/*
 * Appends one token, or several that belong together, without the space before them. Returns the position behind them,
 * at most `end`.
 */
static size_t append_token(const struct tokens *tokens, size_t at, size_t end, struct text *out) {
    const struct token *token = &tokens->items[at];
    if (token->kind == TOKEN_NUMBER) {
        append_number(token_text(tokens, at), out);
        return at + 1;
    }
    if (token_begins_attribute(tokens, at)) {
        struct range attribute = {at, token_behind(tokens, at, end)};
        if (!is_kept_attribute(tokens, attribute)) {
            text_append_string(out, range_has(tokens, attribute, "kernel") ? "inline" : "");
            return attribute.end;
        }
    }
    if (token->kind == TOKEN_NAME && (token_is(tokens, at, "coherent")) && token_is(tokens, at + 1, "(")) {
        return token_behind(tokens, at + 1, end);
    }
    bool qualified = token_is(tokens, at, "metal") && token_is(tokens, at + 1, "::");
    size_t function = qualified ? at + 2 : at;
    if (token->kind == TOKEN_NAME && token_is(tokens, function, "is_function_constant_defined") &&
        token_is(tokens, function + 1, "(")) {
        size_t behind = token_behind(tokens, function + 1, end);
        text_append_string(out, "(");
        for (size_t name = function + 2; name + 1 < behind; name++) {
            text_append_slice(out, token_text(tokens, name));
        }
        text_append_string(out, "_msl_defined)");
        return behind;
    }
    if (token->kind != TOKEN_NAME || !append_keyword(tokens, at, out)) {
        text_append_slice(out, token_text(tokens, at));
    }
    return at + 1;
}

/* Whether two tokens in a row need a space between them: `a b`, or `- -` where the source has one. */
static bool needs_space(const struct tokens *tokens, size_t before, size_t at) {
    bool punctuation = tokens->items[at].kind == TOKEN_PUNCTUATION;
    if (punctuation != (tokens->items[before].kind == TOKEN_PUNCTUATION)) {
        return false;
    }
    return !punctuation || tokens->items[at].start > tokens->items[at].space;
}

void append_expression(const struct tokens *tokens, struct range range, struct text *out) {
    size_t before = range.end;
    for (size_t at = range.begin; at < range.end;) {
        if (tokens->items[at].kind == TOKEN_DIRECTIVE) {
            at++;
            continue;
        }
        text_append_string(out, before < range.end && needs_space(tokens, before, at) ? " " : "");
        before = at;
        at = append_token(tokens, at, range.end, out);
    }
}

/* ---- a whole source ---- */

static void place(struct writer *writer, size_t token) {
    struct rewritten *out = writer->out;
    struct placed_token *tokens =
        array_grow(out->tokens, out->token_count, &out->token_capacity, sizeof *tokens);
    if (tokens == NULL) {
        writer->failed = true;
        return;
    }
    out->tokens = tokens;
    tokens[out->token_count++] = (struct placed_token){(uint32_t)out->source.length, (uint32_t)token};
}

/* Where a kernel begins: a variable with the most threads that its threadgroups may have. */
static void append_max_threads(struct writer *writer, const struct kernel_function *function) {
    struct text *out = &writer->out->source;
    if (function->max_threads.begin == function->max_threads.end) {
        return;
    }
    append_expression(writer->tokens, function->template_header, out);
    text_append_format(out, " [[maybe_unused]] static constexpr unsigned %.*s_msl_max_threads_%zu = (",
                       (int)function->name.length, function->name.start, function->first);
    append_expression(writer->tokens, function->max_threads, out);
    text_append_string(out, ");");
}

/* The type of a function constant without `constant`, `static` and the like. */
static void append_constant_type(const struct tokens *tokens, struct range range, struct text *out) {
    for (size_t at = range.begin; at < range.end; at++) {
        bool dropped = token_is(tokens, at, "constant") || token_is(tokens, at, "const") ||
                       token_is(tokens, at, "static") || token_is(tokens, at, "constexpr");
        if (!dropped) {
            append_expression(tokens, (struct range){at, at + 1}, out);
            text_append_string(out, " ");
        }
    }
}

static void append_constant(struct writer *writer, const struct function_constant *constant) {
    struct text *out = &writer->out->source;
    struct text tag = {0};
    text_append_format(&tag, "msl_named::%.*s, (", (int)constant->name.length, constant->name.start);
    append_expression(writer->tokens, constant->index, &tag);
    text_append_string(&tag, ")");
    writer->failed |= tag.failed;
    text_append_format(out, "[[maybe_unused]] static constexpr bool %.*s_msl_defined = msl_entry::is_defined<%s>;",
                       (int)constant->name.length, constant->name.start, tag.failed ? "" : tag.bytes);
    text_append_string(out, " [[maybe_unused]] static constexpr ");
    append_constant_type(writer->tokens, constant->type, out);
    text_append_format(out, "%.*s = msl_entry::constant<", (int)constant->name.length, constant->name.start);
    append_constant_type(writer->tokens, constant->type, out);
    text_append_format(out, ", %s>();", tag.failed ? "" : tag.bytes);
    text_free(&tag);
}

/* Pragmas are for Apple's compiler, apart from those for the layout of structs. */
static bool is_kept_directive(struct slice text) {
    static const char pack[] = "#pragma pack";
    return text.length >= sizeof pack - 1 && memcmp(text.start, pack, sizeof pack - 1) == 0;
}

static void append_space(struct writer *writer, size_t at) {
    struct slice space = token_space(writer->tokens, at);
    bool newline = space.length > 0 && memchr(space.start, '\n', space.length) != NULL;
    text_append_string(&writer->out->source, newline ? "\n" : space.length > 0 ? " " : "");
}

/* Appends what comes before the token at `at` without being in the source. */
static void append_insertions(struct writer *writer, size_t at) {
    const struct declarations *declarations = writer->declarations;
    while (writer->next_function < declarations->function_count &&
           declarations->functions[writer->next_function].first <= at) {
        const struct kernel_function *function = &declarations->functions[writer->next_function++];
        if (function->first == at) {
            append_max_threads(writer, function);
        }
    }
    if ((writer->tokens->items[at].marks & MARK_INLINE) != 0) {
        text_append_string(&writer->out->source, " inline ");
    }
}

static size_t append_source_token(struct writer *writer, size_t at) {
    const struct tokens *tokens = writer->tokens;
    const struct token *token = &tokens->items[at];
    struct text *out = &writer->out->source;
    if ((token->marks & MARK_DROPPED) != 0) {
        return at + 1;
    }
    append_space(writer, at);
    if (token->kind == TOKEN_DIRECTIVE) {
        if (is_kept_directive(token_text(tokens, at))) {
            text_append_slice(out, token_text(tokens, at));
            text_append_string(out, "\n");
        }
        return at + 1;
    }
    const struct declarations *declarations = writer->declarations;
    if ((token->marks & MARK_CONSTANT) != 0 && writer->next_constant < declarations->constant_count) {
        const struct function_constant *constant = &declarations->constants[writer->next_constant++];
        place(writer, at);
        append_constant(writer, constant);
        return constant->all.end;
    }
    append_insertions(writer, at);
    place(writer, at);
    return append_token(tokens, at, tokens->count, out);
}

bool rewrite(const struct tokens *tokens, const struct declarations *declarations, struct rewritten *out_rewritten) {
    *out_rewritten = (struct rewritten){0};
    struct writer writer = {.tokens = tokens, .declarations = declarations, .out = out_rewritten};
    for (size_t at = 0; at + 1 < tokens->count;) {
        at = append_source_token(&writer, at);
    }
    if (writer.failed || out_rewritten->source.failed || out_rewritten->source.length > UINT32_MAX) {
        rewritten_free(out_rewritten);
        return false;
    }
    return true;
}

void rewritten_free(struct rewritten *rewritten) {
    text_free(&rewritten->source);
    free(rewritten->tokens);
    *rewritten = (struct rewritten){0};
}
