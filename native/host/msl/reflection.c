/* Kernels: their parameters, and the instantiations that give templates a name. */
#include <stdlib.h>
#include <string.h>

#include "declarations.h"
#include "rewrite.h"

static const char *const builtins[] = {
    "thread_position_in_grid",
    "thread_position_in_threadgroup",
    "threadgroup_position_in_grid",
    "threads_per_grid",
    "threads_per_threadgroup",
    "dispatch_threads_per_threadgroup",
    "threadgroups_per_grid",
    "grid_size",
    "grid_origin",
    "thread_index_in_threadgroup",
    "thread_index_in_simdgroup",
    "simdgroup_index_in_threadgroup",
    "threads_per_simdgroup",
    "thread_execution_width",
    "simdgroups_per_threadgroup",
    "dispatch_simdgroups_per_threadgroup",
    "thread_index_in_quadgroup",
    "quadgroup_index_in_threadgroup",
    "quadgroups_per_threadgroup",
    "dispatch_quadgroups_per_threadgroup",
};

static bool is_builtin(struct slice name) {
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
        if (slice_equals(name, builtins[i])) {
            return true;
        }
    }
    return false;
}

/* ---- parameters ---- */

/* The next indices of parameters that do not name theirs. */
struct next_index {
    size_t buffer;
    size_t threadgroup;
};

/* The value of a decimal number, or `otherwise` for another expression. */
static size_t number(const struct tokens *tokens, struct range range, size_t otherwise) {
    if (range.end != range.begin + 1 || tokens->items[range.begin].kind != TOKEN_NUMBER) {
        return otherwise;
    }
    struct slice text = token_text(tokens, range.begin);
    size_t value = 0;
    for (size_t i = 0; i < text.length && text.start[i] >= '0' && text.start[i] <= '9' && value < 1000; i++) {
        value = value * 10 + (size_t)(text.start[i] - '0');
    }
    return value;
}

static void read_attribute(const struct tokens *tokens, size_t at, struct parameter *parameter) {
    struct slice name = token_text(tokens, at);
    struct range argument = {0, 0};
    if (token_is(tokens, at + 1, "(") && tokens->items[at + 1].partner > at + 1) {
        argument = (struct range){at + 2, tokens->items[at + 1].partner};
    }
    if (slice_equals(name, "function_constant")) {
        parameter->condition = argument;
    } else if (slice_equals(name, "buffer") || slice_equals(name, "threadgroup")) {
        parameter->kind = slice_equals(name, "buffer") ? PARAMETER_BUFFER : PARAMETER_THREADGROUP;
        parameter->index = argument;
        parameter->attribute = name;
    } else if (is_builtin(name)) {
        parameter->kind = PARAMETER_BUILTIN;
        parameter->attribute = name;
    } else if (!slice_equals(name, "maybe_unused") && parameter->attribute.length == 0) {
        parameter->attribute = name;
    }
}

static void read_attributes(const struct tokens *tokens, struct range attribute, struct parameter *parameter) {
    for (size_t at = attribute.begin; at < attribute.end; at = token_behind(tokens, at, attribute.end)) {
        if (token_is_name(tokens, at)) {
            read_attribute(tokens, at, parameter);
        }
    }
}

/* Reads one parameter. Returns false for `void`. */
static bool read_parameter(const struct tokens *tokens, struct range range, struct parameter *out_parameter) {
    *out_parameter = (struct parameter){.kind = PARAMETER_UNSUPPORTED};
    bool threadgroup = false;
    bool device = false;
    for (size_t at = range.begin; at < range.end;) {
        if (token_begins_attribute(tokens, at)) {
            size_t behind = token_behind(tokens, at, range.end);
            read_attributes(tokens, (struct range){at + 2, behind - 2}, out_parameter);
            at = behind;
            continue;
        }
        out_parameter->constant |= token_is(tokens, at, "constant");
        device |= token_is(tokens, at, "device");
        threadgroup |= token_is(tokens, at, "threadgroup");
        if (token_is_name(tokens, at)) {
            out_parameter->name = token_text(tokens, at);
        }
        size_t behind = token_is(tokens, at, "<") ? token_behind_angles(tokens, at, range.end) : at;
        at = behind > at ? behind : token_behind(tokens, at, range.end);
    }
    out_parameter->written = device;
    if (out_parameter->kind == PARAMETER_UNSUPPORTED && out_parameter->attribute.length == 0) {
        if (threadgroup) {
            out_parameter->kind = PARAMETER_THREADGROUP;
        } else if (device || out_parameter->constant) {
            out_parameter->kind = PARAMETER_BUFFER;
        }
    }
    return out_parameter->name.length > 0 && !slice_equals(out_parameter->name, "void");
}

/* Gives a parameter its index, if it names none: the one behind the parameter before it. */
static void assign_index(const struct tokens *tokens, struct parameter *parameter, struct next_index *next) {
    size_t *index = parameter->kind == PARAMETER_BUFFER ? &next->buffer : &next->threadgroup;
    if (parameter->kind != PARAMETER_BUFFER && parameter->kind != PARAMETER_THREADGROUP) {
        return;
    }
    parameter->position = number(tokens, parameter->index, *index);
    *index = parameter->position + 1;
}

static void add_parameter(struct scanner *scanner, struct kernel_function *function, struct range range,
                          struct next_index *next) {
    struct parameter parameter;
    if (range.begin == range.end || !read_parameter(scanner->tokens, range, &parameter)) {
        return;
    }
    struct parameter *parameters = array_grow(function->parameters, function->parameter_count,
                                              &function->parameter_capacity, sizeof *parameters);
    if (parameters == NULL) {
        scanner->failed = true;
        return;
    }
    function->parameters = parameters;
    assign_index(scanner->tokens, &parameter, next);
    parameters[function->parameter_count++] = parameter;
    if (parameter.kind == PARAMETER_UNSUPPORTED && parameter.attribute.length == 0) {
        add_problem(scanner, range.begin, "parameter '%.*s' of kernel '%.*s' needs an attribute, such as [[buffer(0)]]",
                    (int)parameter.name.length, parameter.name.start, (int)function->name.length, function->name.start);
    } else if (parameter.kind == PARAMETER_UNSUPPORTED) {
        add_problem(scanner, range.begin,
                    "parameter '%.*s' of kernel '%.*s' has the attribute '%.*s', which kernels on the CPU do not have",
                    (int)parameter.name.length, parameter.name.start, (int)function->name.length, function->name.start,
                    (int)parameter.attribute.length, parameter.attribute.start);
    }
}

static void read_parameters(struct scanner *scanner, struct kernel_function *function, struct range range) {
    const struct tokens *tokens = scanner->tokens;
    struct next_index next = {0, 0};
    size_t begin = range.begin;
    size_t at = range.begin;
    while (at < range.end) {
        if (token_is(tokens, at, ",")) {
            add_parameter(scanner, function, (struct range){begin, at}, &next);
            begin = ++at;
            continue;
        }
        size_t behind = token_is(tokens, at, "<") ? token_behind_angles(tokens, at, range.end) : at;
        at = behind > at ? behind : token_behind(tokens, at, range.end);
    }
    add_parameter(scanner, function, (struct range){begin < range.end ? begin : range.end, range.end}, &next);
}

/*
 * Finds out which parameters are used. One whose name is nowhere but in its declaration is not: the source is
 * preprocessed, so that no macro hides a name.
 */
static void find_used(const struct tokens *tokens, struct kernel_function *function, struct range parameters,
                      struct range body) {
    for (size_t i = 0; i < function->parameter_count; i++) {
        struct parameter *parameter = &function->parameters[i];
        int names = 0;
        for (size_t at = parameters.begin; at < body.end && names < 2; at++) {
            names += slices_equal(token_text(tokens, at), parameter->name) ? 1 : 0;
        }
        parameter->used = names > 1;
    }
}

/* For a function that has another body than the one that was read. */
static void use_all(struct kernel_function *function) {
    for (size_t i = 0; i < function->parameter_count; i++) {
        function->parameters[i].used = true;
    }
}

/* ---- names ---- */

/* The position of the `<` whose `>` is the last token of a range, or `range.end` if there is none. */
static size_t open_angle(const struct tokens *tokens, struct range range) {
    int depth = 0;
    for (size_t at = range.end; at > range.begin; at--) {
        size_t token = at - 1;
        size_t partner = tokens->items[token].partner;
        if (partner < token) {
            at = partner + 1;
            continue;
        }
        depth += token_is(tokens, token, ">") ? 1 : token_is(tokens, token, ">>") ? 2 : 0;
        if (token_is(tokens, token, "<") && --depth == 0) {
            return token;
        }
    }
    return range.end;
}

static void add_entry(struct scanner *scanner, struct text *name, struct text *expression, struct text *arguments,
                      size_t function) {
    struct declarations *declarations = scanner->declarations;
    struct kernel_entry *entries =
        array_grow(declarations->entries, declarations->entry_count, &declarations->entry_capacity, sizeof *entries);
    struct kernel_entry entry = {.function = function};
    entry.name = text_take(name);
    entry.expression = text_take(expression);
    entry.template_arguments = arguments->length > 0 ? text_take(arguments) : NULL;
    if (entries != NULL) {
        declarations->entries = entries;
    }
    if (entries == NULL || entry.name == NULL || entry.expression == NULL || arguments->failed) {
        free(entry.name);
        free(entry.expression);
        free(entry.template_arguments);
        scanner->failed = true;
        return;
    }
    entries[declarations->entry_count++] = entry;
}

static bool same_path(const struct scanner *scanner, const struct kernel_function *function) {
    return slice_equals(text_slice(&scanner->path), function->path);
}

/* The number of template parameters or arguments between `<` at `open` and `>` before `end`. */
static size_t count_angles(const struct tokens *tokens, size_t open, size_t end) {
    size_t count = open + 2 < end ? 1 : 0;
    for (size_t at = open + 1; at < end;) {
        count += token_is(tokens, at, ",") ? 1 : 0;
        size_t behind = token_is(tokens, at, "<") ? token_behind_angles(tokens, at, end) : at;
        at = behind > at ? behind : token_behind(tokens, at, end);
    }
    return count;
}

/* How well a kernel fits a name with `arguments` template arguments: 0 if not at all. */
static int fit(const struct scanner *scanner, const struct kernel_function *function, struct slice name,
               size_t arguments) {
    if (!slices_equal(function->name, name)) {
        return 0;
    }
    struct range header = function->template_header;
    size_t parameters =
        header.begin < header.end ? count_angles(scanner->tokens, header.begin + 1, header.end) : 0;
    int fits = parameters == arguments ? 3 : parameters > arguments ? 2 : 1;
    return 2 * fits + (same_path(scanner, function) ? 1 : 0);
}

/* The kernel whose name is at `at`, with template arguments up to `end`; the last of those that fit best. */
static size_t find_function(const struct scanner *scanner, size_t at, size_t end) {
    const struct declarations *declarations = scanner->declarations;
    size_t arguments = end > at + 1 ? count_angles(scanner->tokens, at + 1, end) : 0;
    size_t found = SIZE_MAX;
    int best = 1;
    for (size_t i = 0; i < declarations->function_count; i++) {
        int fits = fit(scanner, &declarations->functions[i], token_text(scanner->tokens, at), arguments);
        if (fits >= best) {
            best = fits;
            found = i;
        }
    }
    return found;
}

/* ---- kernels ---- */

/* Adds the entry of a function that is no template, or of a specialisation of one: `specialised` is its name<...>. */
static void add_function_entry(struct scanner *scanner, struct range head, struct range specialised, size_t function) {
    const struct tokens *tokens = scanner->tokens;
    struct text name = {0};
    struct text expression = {0};
    struct text arguments = {0};
    append_host_name(tokens, head, &name);
    text_append_string(&expression, "::");
    text_append_slice(&expression, text_slice(&scanner->path));
    append_expression(tokens, specialised, &expression);
    if (name.length == 0) {
        append_expression(tokens, specialised, &name);
    }
    append_expression(tokens, (struct range){specialised.begin + 1, specialised.end}, &arguments);
    add_entry(scanner, &name, &expression, &arguments, function);
}

void add_kernel(struct scanner *scanner, struct range head, struct range template_header, struct range parameters,
                struct range body) {
    const struct tokens *tokens = scanner->tokens;
    struct declarations *declarations = scanner->declarations;
    size_t last = head.end - 1;
    if (token_is(tokens, last, ">")) {
        size_t open = open_angle(tokens, head);
        if (open == head.end || open == head.begin || !token_is_name(tokens, open - 1)) {
            add_problem(scanner, last, "cannot read the name of a kernel");
            return;
        }
        size_t specialised = find_function(scanner, open - 1, head.end);
        if (specialised != SIZE_MAX) {
            use_all(&declarations->functions[specialised]);
        }
        add_function_entry(scanner, head, (struct range){open - 1, head.end}, specialised);
        return;
    }
    if (!token_is_name(tokens, last)) {
        add_problem(scanner, last, "cannot read the name of a kernel");
        return;
    }
    struct kernel_function *functions = array_grow(declarations->functions, declarations->function_count,
                                                   &declarations->function_capacity, sizeof *functions);
    char *path = slice_copy(text_slice(&scanner->path));
    if (functions != NULL) {
        declarations->functions = functions;
    }
    if (functions == NULL || path == NULL) {
        free(path);
        scanner->failed = true;
        return;
    }
    size_t function = declarations->function_count++;
    functions[function] = (struct kernel_function){
        .name = token_text(tokens, last),
        .path = path,
        .first = head.begin,
        .name_token = last,
        .template_header = template_header,
        .max_threads = attribute_argument(tokens, head, "max_total_threads_per_threadgroup"),
    };
    read_parameters(scanner, &functions[function], parameters);
    find_used(tokens, &functions[function], parameters, body);
    if (template_header.begin == template_header.end) {
        add_function_entry(scanner, head, (struct range){last, head.end}, function);
    }
}

/* The first position of the qualified name, a::b::c, whose last part is at `at`. */
static size_t qualified_begin(const struct tokens *tokens, size_t at, size_t begin) {
    while (at >= begin + 3 && token_is(tokens, at - 1, "::") && token_is_name(tokens, at - 2)) {
        at -= 2;
    }
    return at;
}

/*
 * Three forms: `template [[host_name("n")]] [[kernel]]` and then `decltype(f<A>) f<A>`, `type f<A>`, or a whole
 * signature `void f<A>(parameters)`, in which <A> may be deduced.
 */
void add_instantiation(struct scanner *scanner, struct range instantiation) {
    const struct tokens *tokens = scanner->tokens;
    size_t end = instantiation.end;
    struct range parameters = {0, 0};
    if (end > instantiation.begin && token_is(tokens, end - 1, ")") && tokens->items[end - 1].partner < end - 1) {
        parameters = (struct range){tokens->items[end - 1].partner + 1, end - 1};
        end = tokens->items[end - 1].partner;
    }
    bool angles = end > instantiation.begin && (token_is(tokens, end - 1, ">") || token_is(tokens, end - 1, ">>"));
    size_t open = angles ? open_angle(tokens, (struct range){instantiation.begin, end}) : end;
    if (open <= instantiation.begin + 1 || !token_is_name(tokens, open - 1) || (angles && open == end)) {
        add_problem(scanner, instantiation.begin, "cannot read the name of the kernel that is instantiated");
        return;
    }
    struct text name = {0};
    struct text expression = {0};
    struct text arguments = {0};
    bool deduced = !angles && parameters.begin > 0;
    if (deduced) {
        text_append_string(&expression, "static_cast<void (*)(");
        append_expression(tokens, parameters, &expression);
        text_append_string(&expression, ")>(");
    }
    size_t begin = qualified_begin(tokens, open - 1, instantiation.begin);
    text_append_string(&expression, "::");
    text_append_slice(&expression, text_slice(&scanner->path));
    append_expression(tokens, (struct range){begin, end}, &expression);
    text_append_string(&expression, deduced ? ")" : "");
    append_expression(tokens, (struct range){open, end}, &arguments);
    append_host_name(tokens, instantiation, &name);
    if (name.length == 0) {
        append_expression(tokens, (struct range){begin, end}, &name);
    }
    add_entry(scanner, &name, &expression, &arguments, find_function(scanner, open - 1, end));
}
