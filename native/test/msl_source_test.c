/*
 * Tests the parts of the Metal front end that need no compiler: tokens, declarations, the rewritten source, the cache.
 *
 *   msl_source_test [MUTANTS]    reads this many broken sources of each kind; 2000 by default
 */
#define _GNU_SOURCE

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "msl/cache.h"
#include "msl/diagnostics.h"
#include "msl/folder.h"
#include "msl/rewrite.h"
#include "msl/sha256.h"
#include "msl/unit.h"

#include <sys/stat.h>

static const char whole_source[] =
    "# 1 \"program_source\"\n"
    "using namespace metal;\n"
    "constant bool wide [[function_constant(2 + 1)]];\n"
    "constant float half_pi = 1.57;\n"
    "struct Params { uint n; float a; Params() thread = default; Params() device = default;\n"
    "  float get() const thread { return a; } };\n"
    "template <typename T> struct pointee<device T*> { typedef T type; };\n"
    "template <typename T> struct pointee<threadgroup T*> { typedef T type; };\n"
    "float load(const device float *p, int i) { return p[i]; }\n"
    "float load(const threadgroup float *q, int i) { return q[i]; }\n"
    "namespace inner {\n"
    "template <typename T, int N = (4 > 3)> [[kernel, max_total_threads_per_threadgroup(N * 32)]] void scale(\n"
    "    device T *x [[buffer(1)]], constant Params &p [[buffer(0), function_constant(wide)]],\n"
    "    threadgroup T *shared [[threadgroup(0)]], uint2 i [[thread_position_in_grid]]) {\n"
    "  threadgroup T local[N][2]; threadgroup T *pointer = shared;\n"
    "  for (int k = 0; k < N; k++) { local[k][0] = 1.0h; }\n"
    "  #pragma unroll (MIN(1, 2))\n"
    "  if (is_function_constant_defined(wide)) { x[i.x] = 2.5 * p.a + 0x1p3 + 1e5f + 3 + 7bf + 1.f; }\n"
    "}\n"
    "template [[host_name(\"scale\" \"_f\")]] [[kernel]] decltype(scale<float, 8>) scale<float, 8>;\n"
    "}\n"
    "typedef decltype(inner::scale<half>) scale_t;\n"
    "template [[host_name(\"scale_h\")]] kernel scale_t inner::scale<half>;\n"
    "template <typename T> kernel void fill(device T *x, constant T &v,\n"
    "    uint i [[thread_position_in_grid]]) { x[i] = v; }\n"
    "template [[host_name(\"fill_f\")]] kernel void fill(device float *, constant float &, uint);\n"
    "template [[host_name(\"fill_v\")]] kernel void fill<vec<float, 2>>(device vec<float, 2> *x,\n"
    "    constant vec<float, 2> &v, uint i);\n"
    "kernel void plain(const device float *a, device float *b [[buffer(4)]], device float *c,\n"
    "    uint thread_position_in_grid [[thread_position_in_grid]]) { b[0] = R\"x(\" kernel )x\"[0]; }\n"
    "[[host_name(\"other\")]] [[kernel]] void named(device atomic_uint *a [[buffer(0)]]) {}\n";

/* ---- reading ---- */

struct reading {
    struct text text;
    struct program program;
};

static bool read_source(struct slice source, struct reading *out_reading) {
    *out_reading = (struct reading){0};
    text_append_slice(&out_reading->text, source);
    text_append_string(&out_reading->text, "");
    struct program *program = &out_reading->program;
    program->source = out_reading->text.bytes;
    return tokens_read(text_slice(&out_reading->text), &program->tokens) &&
           declarations_read(&program->tokens, &program->declarations) &&
           rewrite(&program->tokens, &program->declarations, &program->rewritten);
}

static void reading_free(struct reading *reading) {
    rewritten_free(&reading->program.rewritten);
    declarations_free(&reading->program.declarations);
    tokens_free(&reading->program.tokens);
    text_free(&reading->text);
}

/* Whether a source becomes this C++, spaces aside. */
static bool becomes(const char *source, const char *expected) {
    struct reading reading;
    bool equal = read_source(slice_of(source), &reading);
    const char *at = equal ? reading.program.rewritten.source.bytes : NULL;
    for (at = at != NULL ? at : ""; equal && (*at != '\0' || *expected != '\0');) {
        if (*at == ' ' || *at == '\n') {
            at++;
        } else if (*expected == ' ') {
            expected++;
        } else {
            equal = *at++ == *expected++;
        }
    }
    if (!equal) {
        fprintf(stderr, "%s became\n%s\n", source, reading.program.rewritten.source.bytes);
    }
    reading_free(&reading);
    return equal;
}

/* ---- tokens ---- */

static void test_tokens(void) {
    static const char *const expected[] = {
        "a", "->", "b", "<<=", "0x1p-3f", "1.5e+3", ".5", "1'000", "\"x\\\"y\"", "'\\''",
        "R\"d( )\" )d\"", ">>", "[", "[", "k", "]", "]",
    };
    static const char source[] = "a->b<<=0x1p-3f 1.5e+3 .5 1'000 \"x\\\"y\" '\\'' R\"d( )\" )d\" >> [[k]]";
    struct tokens tokens;
    REQUIRE(tokens_read(slice_of(source), &tokens));
    CHECK(tokens.count == sizeof expected / sizeof *expected + 1);
    for (size_t i = 0; i < sizeof expected / sizeof *expected && i < tokens.count; i++) {
        CHECK(token_is(&tokens, i, expected[i]));
    }
    CHECK(token_begins_attribute(&tokens, 12));
    CHECK(!token_begins_attribute(&tokens, 13));
    tokens_free(&tokens);
}

static void test_lines(void) {
    struct tokens tokens;
    REQUIRE(tokens_read(slice_of("# 7 \"one.h\" 1\na\n\nb\n# 3 \"two.h\" 2\nc"), &tokens));
    REQUIRE(tokens.count == 6);
    CHECK(tokens.items[1].line == 7 && strcmp(tokens.files[tokens.items[1].file], "one.h") == 0);
    CHECK(tokens.items[2].line == 9);
    CHECK(tokens.items[4].line == 3 && strcmp(tokens.files[tokens.items[4].file], "two.h") == 0);
    tokens_free(&tokens);
}

static void test_brackets(void) {
    struct tokens tokens;
    REQUIRE(tokens_read(slice_of("( [ { ) } ] ) a < b < c > > ;"), &tokens));
    CHECK(tokens.items[2].partner == 4);
    CHECK(tokens.items[3].partner == 3); /* closes a bracket of another kind */
    CHECK(tokens.items[1].partner == 5);
    CHECK(tokens.items[0].partner == 6);
    CHECK(token_behind_angles(&tokens, 8, tokens.count) == 14);
    CHECK(token_behind_angles(&tokens, 10, 11) == 10);
    tokens_free(&tokens);
    REQUIRE(tokens_read(slice_of("{ ( [ } ( )"), &tokens));
    CHECK(tokens.items[0].partner == 3); /* a brace closes what is open inside */
    CHECK(tokens.items[1].partner == 1);
    CHECK(tokens.items[4].partner == 5);
    tokens_free(&tokens);
}

/* ---- the rewritten source ---- */

static void test_address_spaces(void) {
    CHECK(becomes("void f(device float *a, constant int &b, const constant uchar *c, thread half &d);",
                  "void f(float *a, const int &b, const const uchar *c, half &d);"));
    CHECK(becomes("struct S { float g() const constant { return 1.0; } };",
                  "struct S { float g() const { return 1.0f; } };"));
    CHECK(becomes("void f() { threadgroup float a[4]; const threadgroup float *b = a; alignas(16) threadgroup S s; }",
                  "inline void f() { static thread_local float a[4]; const float *b = a; "
                  "alignas(16) static thread_local S s; }"));
    CHECK(becomes("struct S { threadgroup float *p; };", "struct S { float *p; };"));
    CHECK(becomes("volatile coherent(device) device uint *x;", "volatile uint *x;"));
}

static void test_numbers(void) {
    CHECK(becomes("float a = 1.0 + 1. + .5 + 1e3 + 2.5f + 3f + 4u + 0x1F + 0xAF + 0x1p3;",
                  "float a = 1.0f + 1.f + .5f + 1e3f + 2.5f + 3.0f + 4u + 0x1F + 0xAF + 0x1p3f;"));
    CHECK(becomes("half a = 1.0h; bfloat b = 2.5bf; half c = 1h;",
                  "half a = half(1.0f); bfloat b = bfloat(2.5f); half c = half(1.0f);"));
}

static void test_attributes(void) {
    CHECK(becomes("[[kernel]] void f(uint i [[thread_position_in_grid]]) { a[b[i]] = 1; }",
                  "inline void f(uint i) { a[b[i]] = 1; }"));
    CHECK(becomes("void f([[maybe_unused]] int a) {}", "inline void f([[maybe_unused]] int a) {}"));
    CHECK(becomes("#pragma METAL fp math_mode(safe)\n#pragma unroll(N)\nint a;\n#pragma pack(1)\nint b;",
                  "int a; #pragma pack(1) int b;"));
}

static void test_duplicates(void) {
    CHECK(becomes("float f(device float *a) { return *a; } float f(thread float *b) { return *b; }",
                  "inline float f(float *a) { return *a; }"));
    CHECK(becomes("struct S { S() thread = default; S() device = default; };", "struct S { S() = default; };"));
    CHECK(becomes("template <class T> struct P<device T*> {}; template <class T> struct P<thread T*> {};",
                  "template <class T> struct P<T*> {};"));
    CHECK(becomes("int f(int a) { return a; } int f(float a) { return 1; }",
                  "inline int f(int a) { return a; } inline int f(float a) { return 1; }"));
}

static void test_function_constants(void) {
    CHECK(becomes("constant bool x [[function_constant(1 + N)]];",
                  "[[maybe_unused]] static constexpr bool x_msl_defined = msl_entry::is_defined<msl_named::x, (1 + N)>;"
                  "[[maybe_unused]] static constexpr bool x = msl_entry::constant<bool, msl_named::x, (1 + N)>();"));
    CHECK(becomes("void f() { if (is_function_constant_defined(a::x)) {} }",
                  "inline void f() { if ((a::x_msl_defined)) {} }"));
    CHECK(becomes("bool b = metal::is_function_constant_defined(x);", "bool b = (x_msl_defined);"));
}

/* ---- declarations ---- */

static const struct kernel_entry *find_entry(const struct declarations *declarations, const char *name) {
    for (size_t i = 0; i < declarations->entry_count; i++) {
        if (strcmp(declarations->entries[i].name, name) == 0) {
            return &declarations->entries[i];
        }
    }
    return NULL;
}

static bool has_expression(const struct declarations *declarations, const char *name, const char *expression) {
    const struct kernel_entry *entry = find_entry(declarations, name);
    bool same = entry != NULL && strcmp(entry->expression, expression) == 0;
    if (entry != NULL && !same) {
        fprintf(stderr, "%s is %s\n", name, entry->expression);
    }
    return same;
}

static void test_entries(void) {
    struct reading reading;
    REQUIRE(read_source(slice_of(whole_source), &reading));
    const struct declarations *declarations = &reading.program.declarations;
    CHECK(declarations->problem_count == 0);
    CHECK(declarations->entry_count == 6);
    CHECK(has_expression(declarations, "scale_f", "::inner::scale<float,8>"));
    CHECK(has_expression(declarations, "scale_h", "::inner::scale<half>"));
    CHECK(has_expression(declarations, "fill_f", "static_cast<void (*)( float*,const float&,uint)>(::fill)"));
    CHECK(has_expression(declarations, "fill_v", "::fill<vec<float,2>>"));
    CHECK(has_expression(declarations, "plain", "::plain"));
    CHECK(has_expression(declarations, "other", "::named"));
    CHECK(declarations->constant_count == 1 && slice_equals(declarations->constants[0].name, "wide"));
    reading_free(&reading);
}

static void test_parameters(void) {
    struct reading reading;
    REQUIRE(read_source(slice_of(whole_source), &reading));
    const struct declarations *declarations = &reading.program.declarations;
    const struct kernel_entry *entry = find_entry(declarations, "scale_f");
    REQUIRE(entry != NULL && entry->function < declarations->function_count);
    const struct kernel_function *scale = &declarations->functions[entry->function];
    REQUIRE(scale->parameter_count == 4);
    const struct parameter *parameters = scale->parameters;
    CHECK(slice_equals(parameters[0].name, "x"));
    CHECK(parameters[0].kind == PARAMETER_BUFFER && parameters[0].position == 1);
    CHECK(parameters[0].written && !parameters[0].constant);
    CHECK(parameters[1].constant && parameters[1].condition.begin < parameters[1].condition.end);
    CHECK(parameters[2].kind == PARAMETER_THREADGROUP && parameters[2].position == 0);
    CHECK(parameters[3].kind == PARAMETER_BUILTIN && slice_equals(parameters[3].attribute, "thread_position_in_grid"));
    CHECK(scale->max_threads.begin < scale->max_threads.end);
    entry = find_entry(declarations, "plain");
    REQUIRE(entry != NULL && entry->function < declarations->function_count);
    const struct kernel_function *plain = &declarations->functions[entry->function];
    REQUIRE(plain->parameter_count == 4);
    parameters = plain->parameters;
    CHECK(parameters[0].position == 0 && parameters[1].position == 4 && parameters[2].position == 5);
    CHECK(parameters[3].kind == PARAMETER_BUILTIN);
    reading_free(&reading);
}

static void test_overloaded_templates(void) {
    static const char source[] = "template <int A> kernel void f(device int *one) {}"
                                 "template <int A, int B> kernel void f(device int *two) {}"
                                 "template [[host_name(\"x\")]] kernel decltype(f<1>) f<1>;"
                                 "template [[host_name(\"y\")]] kernel decltype(f<1, 2>) f<1, 2>;";
    struct reading reading;
    REQUIRE(read_source(slice_of(source), &reading));
    const struct declarations *declarations = &reading.program.declarations;
    const struct kernel_entry *x = find_entry(declarations, "x");
    const struct kernel_entry *y = find_entry(declarations, "y");
    REQUIRE(x != NULL && y != NULL);
    CHECK(x->function == 0);
    CHECK(y->function == 1);
    reading_free(&reading);
}

/* The only problem that a source has, as the user is told. */
static bool has_problem(const char *source, const char *expected) {
    struct reading reading;
    struct text told = {0};
    bool read = read_source(slice_of(source), &reading);
    for (size_t i = 0; read && i < reading.program.declarations.problem_count; i++) {
        diagnostics_append_problem(&reading.program, &reading.program.declarations.problems[i], &told);
    }
    bool same = told.bytes != NULL && strncmp(told.bytes, expected, strlen(expected)) == 0;
    if (!same) {
        fprintf(stderr, "told: %s\n", told.bytes);
    }
    text_free(&told);
    reading_free(&reading);
    return same;
}

static void test_problems(void) {
    CHECK(has_problem("kernel void f(float x) {}", ":1: error: parameter 'x' of kernel 'f' needs an attribute"));
    CHECK(has_problem("kernel void f(texture2d<float> t [[texture(0)]]) {}",
                      ":1: error: parameter 't' of kernel 'f' has the attribute 'texture'"));
    struct text deep = {0};
    for (int i = 0; i < 100000; i++) {
        text_append_string(&deep, "namespace a {");
    }
    for (int i = 0; i < 100000; i++) {
        text_append_string(&deep, "}");
    }
    CHECK(has_problem(deep.bytes, ":1: error: declarations are nested more than 256 deep"));
    text_free(&deep);
}

/* ---- broken sources ---- */

static uint64_t state = 0x9E3779B97F4A7C15;

static size_t random_below(size_t bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % bound);
}

/* Reads a source that may be anything: it is read, and every position of an error is in it. */
static void read_broken(struct slice source) {
    struct reading reading;
    if (CHECK(read_source(source, &reading))) {
        struct unit unit;
        const struct declarations *declarations = &reading.program.declarations;
        for (size_t i = 0; i < declarations->problem_count; i++) {
            struct text told = {0};
            diagnostics_append_problem(&reading.program, &declarations->problems[i], &told);
            text_free(&told);
        }
        for (size_t i = 0; i < declarations->entry_count; i++) {
            REQUIRE(unit_make(&reading.program, &declarations->entries[i], NULL, 0, &unit));
            unit_free(&unit);
        }
    }
    reading_free(&reading);
}

static void test_truncated(void) {
    struct slice source = slice_of(whole_source);
    for (size_t length = 0; length <= source.length; length++) {
        /* A copy of its own size, so that a sanitizer sees a read behind it. */
        char *copy = malloc(length + 1);
        REQUIRE(copy != NULL);
        memcpy(copy, source.start, length);
        read_broken((struct slice){copy, length});
        free(copy);
    }
}

static void mutate(char *source, size_t length) {
    static const char *const pieces[] = {
        "{", "}",  "(", ")", "[[",    "]]",       "<",           ">", ";", "kernel", "template",   "\"",
        "R\"", "'", "#", "\\\n", "operator", "threadgroup", ",", "=", ":",      "host_name(", "function_constant(",
    };
    for (size_t changes = 1 + random_below(6); changes > 0; changes--) {
        size_t at = random_below(length);
        if (random_below(4) == 0) {
            source[at] = (char)(1 + random_below(255));
            continue;
        }
        const char *piece = pieces[random_below(sizeof pieces / sizeof *pieces)];
        size_t size = strlen(piece);
        memcpy(source + at, piece, size < length - at ? size : length - at);
    }
}

static void test_mutated(size_t mutants) {
    struct slice source = slice_of(whole_source);
    char *copy = malloc(source.length);
    REQUIRE(copy != NULL);
    for (size_t i = 0; i < mutants; i++) {
        memcpy(copy, source.start, source.length);
        mutate(copy, source.length);
        read_broken((struct slice){copy, source.length});
    }
    free(copy);
}

/* Sources that would take forever if a scan began again at every token. */
static void test_repeated(void) {
    static const char *const pieces[] = {
        "a<", "(", "template <", "[[", "kernel ", "const ", "is_function_constant_defined(", "x::", "operator ",
        "threadgroup ", ">>", "struct {", "f() : a{} {", "\"", "constant ",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct text source = {0};
        while (source.length < 100000) {
            text_append_string(&source, pieces[i]);
        }
        read_broken(text_slice(&source));
        text_free(&source);
    }
}

/* ---- the cache ---- */

static void test_digest(void) {
    struct sha256 sha;
    char hex[65];
    sha256_begin(&sha);
    sha256_add(&sha, "abc", 3);
    sha256_end_hex(&sha, hex);
    CHECK(strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0);
    sha256_begin(&sha);
    for (int i = 0; i < 100000; i++) {
        sha256_add(&sha, "aaaaaaaaaa", 10);
    }
    sha256_end_hex(&sha, hex);
    CHECK(strcmp(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0") == 0);
}

static void test_cache(void) {
    char folder[] = "/tmp/msl_source_test-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    struct text bytes = {0};
    CHECK(!cache_get(folder, "name", &bytes));
    cache_put(folder, "name", (struct slice){"one\0two", 7});
    CHECK(cache_get(folder, "name", &bytes));
    CHECK(bytes.length == 7 && memcmp(bytes.bytes, "one\0two", 7) == 0);
    text_free(&bytes);

    char path[sizeof folder + 8];
    snprintf(path, sizeof path, "%s/name", folder);
    CHECK(truncate(path, 68) == 0);
    CHECK(!cache_get(folder, "name", &bytes));
    CHECK(access(path, F_OK) != 0); /* what is damaged is removed */
    CHECK(file_write(path, "short", 5));
    CHECK(!cache_get(folder, "name", &bytes));
    rmdir(folder);
    cache_put("/proc/no/such/folder", "name", (struct slice){"one", 3});
    CHECK(!cache_get("/proc/no/such/folder", "name", &bytes));
    text_free(&bytes);
}

int main(int argc, char **argv) {
    size_t mutants = argc > 1 ? (size_t)atol(argv[1]) : 2000;
    test_tokens();
    test_lines();
    test_brackets();
    test_address_spaces();
    test_numbers();
    test_attributes();
    test_duplicates();
    test_function_constants();
    test_entries();
    test_parameters();
    test_overloaded_templates();
    test_problems();
    test_truncated();
    test_mutated(mutants);
    test_repeated();
    test_digest();
    test_cache();
    printf("%lu checks passed, %lu failed\n", atomic_load(&checks_passed), atomic_load(&checks_failed));
    return atomic_load(&checks_failed) == 0 ? 0 : 1;
}
