/*
 * The declarations of a preprocessed Metal source: its kernels, its function constants, and marks on the tokens that
 * say how the C++ source differs.
 */
#ifndef MLXSHIM_MSL_DECLARATIONS_H
#define MLXSHIM_MSL_DECLARATIONS_H

#include "tokens.h"

/* Tokens from `begin` up to `end`; none if they are equal. */
struct range {
    size_t begin;
    size_t end;
};

enum parameter_kind {
    PARAMETER_BUFFER,
    PARAMETER_THREADGROUP,
    PARAMETER_BUILTIN, /* a position or size, which the attribute names */
    PARAMETER_UNSUPPORTED,
};

struct parameter {
    struct slice name;
    struct slice attribute; /* of a PARAMETER_BUILTIN, or of what is not supported */
    enum parameter_kind kind;
    bool constant;          /* in the constant address space */
    bool written;           /* points to the device address space */
    bool used;              /* the kernel has its name beside the declaration */
    struct range index;     /* the expression, or empty where `position` has the index */
    size_t position;
    struct range condition; /* the function constant without which the parameter is not there */
};

/* A function that is a kernel, or a template of one. */
struct kernel_function {
    struct slice name;
    char *path; /* of the namespaces, each followed by :: */
    size_t first;
    size_t name_token;
    struct range template_header; /* template <...> */
    struct range max_threads;     /* the expression of max_total_threads_per_threadgroup */
    struct parameter *parameters;
    size_t parameter_count;
    size_t parameter_capacity;
};

/* A kernel by the name that programs use. */
struct kernel_entry {
    char *name;
    char *expression;        /* C++ for the function */
    char *template_arguments; /* <...>, or NULL */
    size_t function;         /* an index of `functions`, or SIZE_MAX if there is no such function */
};

struct function_constant {
    struct slice name;
    struct range all;
    struct range type;
    struct range index;
};

/* What is wrong with the source, at a token. */
struct problem {
    size_t token;
    char *message;
};

struct declarations {
    struct kernel_function *functions; /* in the order of the source */
    size_t function_count;
    size_t function_capacity;
    struct kernel_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    struct function_constant *constants;
    size_t constant_count;
    size_t constant_capacity;
    struct problem *problems;
    size_t problem_count;
    size_t problem_capacity;
};

/* Reads the declarations and marks the tokens. Returns false if memory runs out. */
bool declarations_read(struct tokens *tokens, struct declarations *out_declarations);
void declarations_free(struct declarations *declarations);

/* ---- for the files of the scanner alone ---- */

struct scanner {
    struct tokens *tokens;
    struct declarations *declarations;
    struct text_set seen; /* signatures, without address spaces */
    struct text path;
    int depth;
    bool failed;
};

/* Appends tokens as they are in a signature that does not tell address spaces apart. */
void append_signature(const struct tokens *tokens, struct range range, struct text *out);
/* The text of host_name attributes in a range. */
void append_host_name(const struct tokens *tokens, struct range range, struct text *out);
bool range_has(const struct tokens *tokens, struct range range, const char *name);
/* The argument of an attribute in a range: attribute(argument). Empty if there is none. */
struct range attribute_argument(const struct tokens *tokens, struct range range, const char *attribute);
/* Whether an address space at `at` is that of a method: `) const thread {`. */
bool is_method_qualifier(const struct tokens *tokens, size_t at);

void add_problem(struct scanner *scanner, size_t token, const char *format, ...) __attribute__((format(printf, 3, 4)));
/*
 * Adds a kernel whose parameters are in `parameters`, and an entry if it is no template. `body` is all that follows the
 * parameters.
 */
void add_kernel(struct scanner *scanner, struct range head, struct range template_header, struct range parameters,
                struct range body);
/* Adds the entry that an explicit instantiation, `template ... ;`, makes of a kernel. */
void add_instantiation(struct scanner *scanner, struct range instantiation);

#endif
