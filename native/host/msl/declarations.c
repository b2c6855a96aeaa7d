/*
 * A scanner at the level of declarations: it finds where each ends and what it is, and does not understand types. The
 * bodies of functions are not read.
 */
#include "declarations.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rewrite.h"

/* clang's own limit of nested brackets. */
#define DEEPEST_SCOPE 256

/* What the scanner knows of a declaration before its end. */
struct declaration {
    size_t first;
    size_t head; /* behind template <...> and attributes */
    bool is_template;
    bool in_class;
};

/* ---- what other files use too ---- */

void add_problem(struct scanner *scanner, size_t token, const char *format, ...) {
    struct declarations *declarations = scanner->declarations;
    struct problem *problems = array_grow(declarations->problems, declarations->problem_count,
                                          &declarations->problem_capacity, sizeof *problems);
    va_list arguments;
    va_start(arguments, format);
    char *message = NULL;
    char line[512];
    if (vsnprintf(line, sizeof line, format, arguments) >= 0) {
        message = slice_copy(slice_of(line));
    }
    va_end(arguments);
    if (problems != NULL) {
        declarations->problems = problems;
    }
    if (problems == NULL || message == NULL) {
        free(message);
        scanner->failed = true;
        return;
    }
    problems[declarations->problem_count++] = (struct problem){token, message};
}

bool range_has(const struct tokens *tokens, struct range range, const char *name) {
    for (size_t at = range.begin; at < range.end; at++) {
        if (token_is(tokens, at, name)) {
            return true;
        }
    }
    return false;
}

struct range attribute_argument(const struct tokens *tokens, struct range range, const char *attribute) {
    for (size_t at = range.begin; at + 1 < range.end; at++) {
        size_t close = tokens->items[at + 1].partner;
        if (token_is(tokens, at, attribute) && token_is(tokens, at + 1, "(") && close > at + 1) {
            return (struct range){at + 2, close};
        }
    }
    return (struct range){0, 0};
}

void append_host_name(const struct tokens *tokens, struct range range, struct text *out) {
    struct range argument = attribute_argument(tokens, range, "host_name");
    for (size_t at = argument.begin; at < argument.end; at++) {
        struct slice text = token_text(tokens, at);
        if (tokens->items[at].kind == TOKEN_STRING && text.length >= 2) {
            text_append(out, text.start + 1, text.length - 2);
        }
    }
}

static bool is_method_tail(const struct tokens *tokens, size_t at) {
    static const char *const tails[] = {"{", ":", ";", "const", "=", "->", "noexcept"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        if (token_is(tokens, at, tails[i])) {
            return true;
        }
    }
    return false;
}

bool is_method_qualifier(const struct tokens *tokens, size_t at) {
    static const char *const qualifiers[] = {"const", "volatile", "noexcept", "thread", "device", "threadgroup"};
    if (!is_method_tail(tokens, at + 1)) {
        return false;
    }
    while (at > 0) {
        at--;
        bool qualifier = false;
        for (size_t i = 0; i < sizeof qualifiers / sizeof *qualifiers && !qualifier; i++) {
            qualifier = token_is(tokens, at, qualifiers[i]);
        }
        if (!qualifier) {
            break;
        }
    }
    return token_is(tokens, at, ")");
}

/* Whether a name is that of a pointer or reference parameter: such names may differ between equal functions. */
static bool is_parameter_name(const struct tokens *tokens, struct range range, size_t at) {
    if (at == range.begin || !token_is_name(tokens, at)) {
        return false;
    }
    bool pointer = token_is(tokens, at - 1, "*") || token_is(tokens, at - 1, "&");
    return pointer && (token_is(tokens, at + 1, ",") || token_is(tokens, at + 1, ")") || token_is(tokens, at + 1, "="));
}

void append_signature(const struct tokens *tokens, struct range range, struct text *out) {
    bool after_const = false;
    for (size_t at = range.begin; at < range.end; at++) {
        if (token_begins_attribute(tokens, at)) {
            at = token_behind(tokens, at, range.end) - 1;
            continue;
        }
        struct slice text = token_text(tokens, at);
        bool constant = slice_equals(text, "constant");
        bool is_const = constant || slice_equals(text, "const");
        bool erased = slice_equals(text, "thread") || slice_equals(text, "device") ||
                      slice_equals(text, "threadgroup") || (constant && is_method_qualifier(tokens, at)) ||
                      (is_const && after_const);
        if (erased || tokens->items[at].kind == TOKEN_DIRECTIVE || is_parameter_name(tokens, range, at)) {
            continue;
        }
        text_append_slice(out, is_const ? slice_of("const") : text);
        text_append_string(out, " ");
        after_const = is_const;
    }
}

/* ---- marks ---- */

static void mark(struct scanner *scanner, struct range range, enum token_mark mark) {
    for (size_t at = range.begin; at < range.end; at++) {
        scanner->tokens->items[at].marks |= (uint8_t)mark;
    }
}

/* Adds a signature to those that the source has. Returns whether it is the first of its kind. */
static bool is_first(struct scanner *scanner, const char *kind, struct range range) {
    struct text key = {0};
    text_append_string(&key, kind);
    text_append_slice(&key, text_slice(&scanner->path));
    append_signature(scanner->tokens, range, &key);
    bool failed = key.failed;
    bool first = !failed && text_set_add(&scanner->seen, text_slice(&key), &failed);
    text_free(&key);
    scanner->failed |= failed;
    return first || failed;
}

/* ---- scopes ---- */

static size_t read_declaration(struct scanner *scanner, size_t first, size_t end, bool in_class);

static void read_scope(struct scanner *scanner, struct range range, bool in_class) {
    if (scanner->depth == DEEPEST_SCOPE) {
        add_problem(scanner, range.begin, "declarations are nested more than %d deep", DEEPEST_SCOPE);
        return;
    }
    scanner->depth++;
    const struct tokens *tokens = scanner->tokens;
    for (size_t at = range.begin; at < range.end && !scanner->failed;) {
        bool access = token_is(tokens, at, "public") || token_is(tokens, at, "private") ||
                      token_is(tokens, at, "protected");
        if (tokens->items[at].kind == TOKEN_DIRECTIVE || token_is(tokens, at, ";") || token_is(tokens, at, "}")) {
            at++;
        } else if (in_class && access && token_is(tokens, at + 1, ":")) {
            at += 2;
        } else {
            at = read_declaration(scanner, at, range.end, in_class);
        }
    }
    scanner->depth--;
}

static void read_named_scope(struct scanner *scanner, struct range name, const char *separator, struct range body,
                             bool in_class) {
    size_t length = scanner->path.length;
    if (separator != NULL) {
        append_signature(scanner->tokens, name, &scanner->path);
        while (scanner->path.length > length && scanner->path.bytes[scanner->path.length - 1] == ' ') {
            scanner->path.length--;
        }
        text_append_string(&scanner->path, separator);
    }
    scanner->failed |= scanner->path.failed;
    read_scope(scanner, body, in_class);
    scanner->path.length = length;
}

/* The position of the first of two punctuations outside of brackets, or `end`. */
static size_t find_either(const struct tokens *tokens, size_t at, size_t end, const char *one, const char *other) {
    while (at < end && !token_is(tokens, at, one) && !token_is(tokens, at, other)) {
        at = token_behind(tokens, at, end);
    }
    return at;
}

/* namespace ... { } or extern "C" { }, or another declaration that begins with these words. */
static size_t read_namespace(struct scanner *scanner, size_t at, size_t end) {
    const struct tokens *tokens = scanner->tokens;
    bool is_namespace = token_is(tokens, at, "namespace");
    size_t open = find_either(tokens, at, end, "{", ";");
    if (!token_is(tokens, open, "{") || find_either(tokens, at, open, "=", "(") < open) {
        size_t semicolon = find_either(tokens, at, end, ";", ";");
        return semicolon < end ? semicolon + 1 : end;
    }
    size_t behind = token_behind(tokens, open, end);
    read_named_scope(scanner, (struct range){at + 1, open}, is_namespace && open > at + 1 ? "::" : NULL,
                     (struct range){open + 1, behind > open + 1 ? behind - 1 : behind}, false);
    return behind;
}

/* ---- declarations ---- */

static size_t read_class(struct scanner *scanner, struct declaration declaration, size_t keyword, size_t open,
                         size_t end) {
    const struct tokens *tokens = scanner->tokens;
    size_t close = token_behind(tokens, open, end);
    size_t semicolon = find_either(tokens, close, end, ";", "}");
    size_t behind = token_is(tokens, semicolon, ";") && semicolon < end ? semicolon + 1 : semicolon;
    if (declaration.is_template && !is_first(scanner, "type ", (struct range){declaration.first, open})) {
        mark(scanner, (struct range){declaration.first, behind}, MARK_DROPPED);
    } else if (!token_is(tokens, keyword, "enum")) {
        struct range body = {open + 1, close > open + 1 ? close - 1 : close};
        read_named_scope(scanner, (struct range){keyword + 1, open}, "@", body, true);
    }
    return behind;
}

static bool has_linkage(const struct tokens *tokens, struct range range) {
    return range_has(tokens, range, "inline") || range_has(tokens, range, "static") ||
           range_has(tokens, range, "constexpr") || range_has(tokens, range, "extern");
}

static size_t read_function(struct scanner *scanner, struct declaration declaration, size_t paren, size_t body,
                            size_t end) {
    const struct tokens *tokens = scanner->tokens;
    size_t behind = token_behind(tokens, body, end);
    size_t signature_end = token_behind(tokens, paren, body);
    while (signature_end < body && !token_is(tokens, signature_end, ":") && !token_is(tokens, signature_end, "->")) {
        signature_end++;
    }
    if (!is_first(scanner, "function ", (struct range){declaration.first, signature_end})) {
        mark(scanner, (struct range){declaration.first, behind}, MARK_DROPPED);
        return behind;
    }
    struct range head = {declaration.first, paren};
    if (range_has(tokens, head, "kernel")) {
        struct range header = {declaration.first, declaration.is_template ? declaration.head : declaration.first};
        struct range parameters = {paren + 1, token_behind(tokens, paren, body) - 1};
        add_kernel(scanner, head, header, parameters, (struct range){parameters.end, behind});
    } else if (!declaration.in_class && !declaration.is_template && !has_linkage(tokens, head) &&
               !(paren >= 2 && token_is(tokens, paren - 2, "::"))) {
        mark(scanner, (struct range){declaration.first, declaration.first + 1}, MARK_INLINE);
    }
    mark(scanner, (struct range){body, behind}, MARK_BODY);
    return behind;
}

/* Records a function constant: constant T name [[function_constant(index)]]; */
static bool read_function_constant(struct scanner *scanner, struct range range) {
    const struct tokens *tokens = scanner->tokens;
    for (size_t at = range.begin + 1; at < range.end; at++) {
        if (!token_begins_attribute(tokens, at)) {
            continue;
        }
        struct range attribute = {at, token_behind(tokens, at, range.end)};
        struct range index = attribute_argument(tokens, attribute, "function_constant");
        if (index.begin == index.end || !token_is_name(tokens, at - 1)) {
            continue;
        }
        struct declarations *declarations = scanner->declarations;
        struct function_constant *constants = array_grow(declarations->constants, declarations->constant_count,
                                                         &declarations->constant_capacity, sizeof *constants);
        if (constants == NULL) {
            scanner->failed = true;
            return true;
        }
        declarations->constants = constants;
        constants[declarations->constant_count++] = (struct function_constant){
            .name = token_text(tokens, at - 1), .all = range, .type = {range.begin, at - 1}, .index = index};
        mark(scanner, (struct range){range.begin, range.begin + 1}, MARK_CONSTANT);
        return true;
    }
    return false;
}

static size_t read_plain(struct scanner *scanner, struct declaration declaration, size_t paren, size_t equals,
                         size_t semicolon, size_t end) {
    size_t behind = semicolon < end ? semicolon + 1 : end;
    struct range range = {declaration.head, behind};
    bool member_function = declaration.in_class && paren > 0 && (equals == 0 || equals > paren);
    if (!read_function_constant(scanner, range) && member_function &&
        !is_first(scanner, "function ", (struct range){declaration.first, semicolon})) {
        mark(scanner, (struct range){declaration.first, behind}, MARK_DROPPED);
    }
    return behind;
}

static size_t skip_operator_name(const struct tokens *tokens, size_t at, size_t end) {
    at++;
    if (token_is(tokens, at, "(") && token_is(tokens, at + 1, ")")) {
        return at + 2 < end ? at + 2 : end;
    }
    while (at < end && !token_is(tokens, at, "(") && !token_is(tokens, at, ";") && !token_is(tokens, at, "{")) {
        at++;
    }
    return at;
}

/* The position of the body of a constructor whose `:` is at `at`. */
static size_t skip_initializers(const struct tokens *tokens, size_t at, size_t end) {
    at++;
    while (at < end && !token_is(tokens, at, ";")) {
        if (token_is(tokens, at, "<")) {
            size_t behind = token_behind_angles(tokens, at, end);
            at = behind > at ? behind : at + 1;
        } else if (token_is(tokens, at, "{")) {
            size_t behind = token_behind(tokens, at, end);
            bool member = token_is_name(tokens, at - 1) || token_is(tokens, at - 1, ">");
            if (!member || !(token_is(tokens, behind, ",") || token_is(tokens, behind, "{"))) {
                return at;
            }
            at = behind;
        } else {
            at = token_behind(tokens, at, end);
        }
    }
    return at;
}

static bool has_argument_list(const struct tokens *tokens, size_t at) {
    static const char *const words[] = {"__attribute__", "alignas", "decltype", "noexcept", "__declspec"};
    if (!token_is(tokens, at + 1, "(")) {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (token_is(tokens, at, words[i])) {
            return true;
        }
    }
    return false;
}

static bool is_class_keyword(const struct tokens *tokens, size_t at) {
    return token_is(tokens, at, "struct") || token_is(tokens, at, "class") || token_is(tokens, at, "union") ||
           token_is(tokens, at, "enum");
}

/* Finds the end of a declaration that is no namespace and no instantiation, and reads what it is. */
static size_t read_to_end(struct scanner *scanner, struct declaration declaration, size_t end) {
    const struct tokens *tokens = scanner->tokens;
    size_t paren = 0;
    size_t equals = 0;
    size_t keyword = 0;
    bool has_keyword = false;
    size_t at = declaration.head;
    while (at < end && !token_is(tokens, at, ";")) {
        if (tokens->items[at].kind == TOKEN_DIRECTIVE) {
            at++;
        } else if (has_argument_list(tokens, at)) {
            at = token_behind(tokens, at + 1, end);
        } else if (token_is(tokens, at, "operator")) {
            at = skip_operator_name(tokens, at, end);
        } else if (token_is(tokens, at, "<") && paren == 0 && equals == 0) {
            size_t behind = token_behind_angles(tokens, at, end);
            at = behind > at ? behind : at + 1;
        } else if (token_is(tokens, at, "(")) {
            paren = paren == 0 && equals == 0 ? at : paren;
            at = token_behind(tokens, at, end);
        } else if (token_is(tokens, at, "{") && equals == 0 && has_keyword && paren == 0) {
            return read_class(scanner, declaration, keyword, at, end);
        } else if (token_is(tokens, at, "{") && equals == 0 && paren != 0) {
            return read_function(scanner, declaration, paren, at, end);
        } else if (token_is(tokens, at, ":") && paren != 0 && equals == 0) {
            at = skip_initializers(tokens, at, end);
        } else {
            if (!has_keyword && paren == 0 && equals == 0 && is_class_keyword(tokens, at)) {
                has_keyword = true;
                keyword = at;
            }
            equals = token_is(tokens, at, "=") ? at : equals;
            at = token_behind(tokens, at, end);
        }
    }
    return read_plain(scanner, declaration, paren, equals, at, end);
}

/* Behind attributes and directives. */
static size_t skip_attributes(const struct tokens *tokens, size_t at, size_t end) {
    while (at < end && (token_begins_attribute(tokens, at) || tokens->items[at].kind == TOKEN_DIRECTIVE)) {
        at = token_behind(tokens, at, end);
    }
    return at;
}

static size_t read_instantiation(struct scanner *scanner, struct declaration declaration, size_t end) {
    const struct tokens *tokens = scanner->tokens;
    size_t semicolon = find_either(tokens, declaration.head, end, ";", ";");
    size_t behind = semicolon < end ? semicolon + 1 : end;
    struct range range = {declaration.head, semicolon};
    if (range_has(tokens, range, "kernel") || range_has(tokens, range, "host_name")) {
        add_instantiation(scanner, range);
        mark(scanner, (struct range){declaration.first, behind}, MARK_DROPPED);
    }
    return behind;
}

/* Reads the declaration that begins at `first`, and returns the position behind it. */
static size_t read_declaration(struct scanner *scanner, size_t first, size_t end, bool in_class) {
    const struct tokens *tokens = scanner->tokens;
    struct declaration declaration = {.first = first, .head = first, .in_class = in_class};
    while (declaration.head < end && token_is(tokens, declaration.head, "template") &&
           token_is(tokens, declaration.head + 1, "<")) {
        size_t open = declaration.head + 1;
        size_t behind = token_behind_angles(tokens, open, end);
        declaration.is_template = true;
        declaration.head = behind > open ? behind : open + 1;
    }
    size_t head = skip_attributes(tokens, declaration.head, end);
    bool linkage = token_is(tokens, head, "extern") && head + 1 < end && tokens->items[head + 1].kind == TOKEN_STRING;
    size_t keyword = token_is(tokens, head, "inline") ? head + 1 : head;
    if (token_is(tokens, keyword, "namespace") || linkage) {
        return read_namespace(scanner, linkage ? head : keyword, end);
    }
    if (token_is(tokens, head, "template")) {
        declaration.head = head;
        return read_instantiation(scanner, declaration, end);
    }
    return read_to_end(scanner, declaration, end);
}

bool declarations_read(struct tokens *tokens, struct declarations *out_declarations) {
    *out_declarations = (struct declarations){0};
    struct scanner scanner = {.tokens = tokens, .declarations = out_declarations};
    read_scope(&scanner, (struct range){0, tokens->count - 1}, false);
    text_set_free(&scanner.seen);
    text_free(&scanner.path);
    if (scanner.failed) {
        declarations_free(out_declarations);
    }
    return !scanner.failed;
}

void declarations_free(struct declarations *declarations) {
    for (size_t i = 0; i < declarations->function_count; i++) {
        free(declarations->functions[i].path);
        free(declarations->functions[i].parameters);
    }
    for (size_t i = 0; i < declarations->entry_count; i++) {
        free(declarations->entries[i].name);
        free(declarations->entries[i].expression);
        free(declarations->entries[i].template_arguments);
    }
    for (size_t i = 0; i < declarations->problem_count; i++) {
        free(declarations->problems[i].message);
    }
    free(declarations->functions);
    free(declarations->entries);
    free(declarations->constants);
    free(declarations->problems);
    *declarations = (struct declarations){0};
}
