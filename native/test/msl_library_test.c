/*
 * Tests msl.h with the compiler: libraries, kernels, their arguments and constants, errors, the cache and threads.
 * Kernels run here as loops, without fibers.
 *
 *   msl_library_test [COMPILER]    by default clang-22
 */
#define _GNU_SOURCE

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "msl/msl.h"
#include "msl/process.h"
#include "msl/text.h"

static const struct msl_options safe = {.fast_math = false};
static const char *compiler;
static char folder[] = "/tmp/msl_library_test-XXXXXX";

/* ---- helpers ---- */

static struct msl_library *library_of(const char *source, const struct msl_options *options) {
    struct msl_library *library = NULL;
    char *log = NULL;
    int32_t status = msl_library_new(source, options, &library, &log);
    if (status != MLXSHIM_OK) {
        fprintf(stderr, "status %d: %s\n", status, log);
    }
    free(log);
    return library;
}

static struct msl_kernel *kernel_with(struct msl_library *library, const char *name,
                                      const struct mlxshim_function_constant *constants, size_t count) {
    struct msl_kernel *kernel = NULL;
    char *log = NULL;
    int32_t status = library == NULL ? -1 : msl_kernel_new(library, name, constants, count, &kernel, &log);
    if (status != MLXSHIM_OK) {
        fprintf(stderr, "%s has the status %d: %s\n", name, status, log);
    }
    free(log);
    return kernel;
}

static struct msl_kernel *kernel_of(struct msl_library *library, const char *name) {
    return kernel_with(library, name, NULL, 0);
}

/* A kernel of a source with one. Its library is released. */
static struct msl_kernel *only_kernel(const char *source, const struct msl_options *options) {
    struct msl_library *library = library_of(source, options);
    if (library == NULL) {
        return NULL;
    }
    struct msl_kernel *kernel = kernel_of(library, msl_library_kernel_name(library, 0));
    msl_library_release(library);
    return kernel;
}

/* Runs one threadgroup of a kernel, at a position in a grid of 4 x 2 groups of 8 x 4 threads. */
static void run_group(const struct msl_kernel *kernel, void *const *buffers, void *const *threadgroup_memory) {
    static uint64_t zeros[512];
    void *all[KERNEL_BUFFERS];
    for (int i = 0; i < KERNEL_BUFFERS; i++) {
        all[i] = i < 4 && buffers[i] != NULL ? buffers[i] : zeros;
    }
    struct kernel_group group = {.buffers = all,
                                 .threadgroup_memory = threadgroup_memory,
                                 .threads = {8, 4, 1},
                                 .threads_per_group = {8, 4, 1},
                                 .grid = {32, 8, 1},
                                 .groups = {4, 2, 1},
                                 .position = {3, 1, 0}};
    msl_kernel_group_function(kernel)(&group);
}

/* Whether a source is refused, with this beginning of the log. */
static bool refused(const char *source, int32_t expected_status, const char *expected) {
    struct msl_library *library = NULL;
    char *log = NULL;
    int32_t status = msl_library_new(source, &safe, &library, &log);
    bool same = status == expected_status && log != NULL && strncmp(log, expected, strlen(expected)) == 0;
    if (!same) {
        fprintf(stderr, "status %d: %s\n", status, log);
    }
    free(log);
    if (status == MLXSHIM_OK) {
        msl_library_release(library);
    }
    return same;
}

/* ---- kernels ---- */

static void test_kernel_runs(void) {
    static const char source[] =
        "#include <metal_stdlib>\n"
        "using namespace metal;\n"
        "struct Params { uint n; float a; };\n"
        "kernel void axpy(device float* y, device const float* x, constant Params& p,\n"
        "                 uint3 i [[thread_position_in_grid]], ushort2 size [[threads_per_grid]],\n"
        "                 uint index [[thread_index_in_threadgroup]]) {\n"
        "  if (i.x == 24 + index % 8 && i.y == 4 + index / 8 && i.z == 0 && size.x == 32 && size.y == 8) {\n"
        "    y[index] += p.a * x[index] + exp(0.0);\n"
        "  }\n"
        "}\n";
    struct msl_kernel *kernel = only_kernel(source, &safe);
    REQUIRE(kernel != NULL);
    CHECK(strcmp(msl_kernel_name(kernel), "axpy") == 0);
    CHECK(!msl_kernel_waits(kernel));
    float x[32];
    float y[32];
    struct {
        uint32_t n;
        float a;
    } params = {32, 0.5F};
    for (int i = 0; i < 32; i++) {
        x[i] = (float)i;
        y[i] = 1;
    }
    run_group(kernel, (void *[4]){y, x, &params, NULL}, NULL);
    for (int i = 0; i < 32; i++) {
        CHECK(y[i] == 2 + 0.5F * (float)i);
    }
    msl_kernel_release(kernel);
}

static bool has_argument(const struct msl_kernel *kernel, size_t position, const char *name,
                         struct mlxshim_argument expected) {
    const char *actual_name = "";
    if (position >= msl_kernel_argument_count(kernel)) {
        return false;
    }
    struct mlxshim_argument argument = msl_kernel_argument(kernel, position, &actual_name);
    return strcmp(actual_name, name) == 0 && argument.kind == expected.kind && argument.index == expected.index &&
           argument.written == expected.written && argument.byte_size == expected.byte_size &&
           msl_kernel_info(kernel)->argument_bytes[position] == expected.byte_size;
}

static void test_reflection(void) {
    static const char source[] =
        "#include <metal_stdlib>\n"
        "using namespace metal;\n"
        "struct Params { float4 a; uint n; };\n"
        "template <int N> [[kernel, max_total_threads_per_threadgroup(N * 32)]]\n"
        "void f(const device half* in [[buffer(3)]], device atomic_uint* out [[buffer(1)]], constant Params& p,\n"
        "       constant float* table [[buffer(0)]], threadgroup float3* shared [[threadgroup(2)]],\n"
        "       uint lane [[thread_index_in_simdgroup]]) {\n"
        "  threadgroup float local[48];\n"
        "  local[lane] = in[lane] + p.a.x + table[0];\n"
        "  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "  shared[lane] = local[31 - lane];\n"
        "  atomic_fetch_add_explicit(out, simd_sum(1u), memory_order_relaxed);\n"
        "}\n"
        "template [[host_name(\"f_4\")]] [[kernel]] decltype(f<4>) f<4>;\n";
    struct msl_kernel *kernel = only_kernel(source, &safe);
    REQUIRE(kernel != NULL);
    REQUIRE(CHECK(msl_kernel_argument_count(kernel) == 5));
    CHECK(msl_kernel_info(kernel)->argument_count == 5);
    CHECK(has_argument(kernel, 0, "in", (struct mlxshim_argument){MLXSHIM_ARGUMENT_BUFFER, 3, 0, 0, 2}));
    CHECK(has_argument(kernel, 1, "out", (struct mlxshim_argument){MLXSHIM_ARGUMENT_BUFFER, 1, 1, 0, 4}));
    CHECK(has_argument(kernel, 2, "p", (struct mlxshim_argument){MLXSHIM_ARGUMENT_CONSTANT, 2, 0, 0, 32}));
    CHECK(has_argument(kernel, 3, "table", (struct mlxshim_argument){MLXSHIM_ARGUMENT_CONSTANT, 0, 0, 0, 4}));
    CHECK(has_argument(kernel, 4, "shared", (struct mlxshim_argument){MLXSHIM_ARGUMENT_THREADGROUP, 2, 0, 0, 16}));
    CHECK(msl_kernel_info(kernel)->max_threads == 128);
    CHECK(msl_kernel_info(kernel)->static_threadgroup_bytes == 192);
    CHECK(msl_kernel_waits(kernel));
    msl_kernel_release(kernel);
}

static float half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    int mantissa = bits & 1023;
    float magnitude = exponent == 0    ? ldexpf((float)mantissa, -24)
                      : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                       : ldexpf((float)(mantissa + 1024), exponent - 25);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/* How many of these floats, one for each half, are wrong. */
static int wrong_floats(const float *wide) {
    int wrong = 0;
    for (int i = 0; i < 65536; i++) {
        float expected = half_value((uint16_t)i);
        wrong += isnan(expected) ? !isnan(wide[i]) : wide[i] != expected || signbit(wide[i]) != signbit(expected);
    }
    return wrong;
}

/* The kernel has its own conversions. Each half becomes the right float, and that float the same half again. */
static void test_half(void) {
    static const char source[] =
        "kernel void convert4(device float4* wide, device const half4* bits [[buffer(2)]], constant int& n [[buffer(3)]]) {\n"
        "  for (int i = 0; i < n / 4; i++) { wide[i] = float4(bits[i]); }\n"
        "}\n"
        "kernel void convert(device float* wide, device half* narrow, device const ushort* bits, constant int& n) {\n"
        "  for (int i = 0; i < n; i++) { wide[i] = float(((device const half*)bits)[i]); narrow[i] = half(wide[i]); }\n"
        "}\n"
        "kernel void round(device const float* wide, device half* narrow, constant int& n [[buffer(3)]]) {\n"
        "  for (int i = 0; i < n; i++) { narrow[i] = half(wide[i]); }\n"
        "}\n";
    static uint16_t bits[65536];
    static uint16_t narrow[65536];
    static float wide[65536];
    int32_t n = 65536;
    for (int i = 0; i < n; i++) {
        bits[i] = (uint16_t)i;
    }
    struct msl_library *library = library_of(source, &safe);
    struct msl_kernel *convert = kernel_of(library, "convert");
    struct msl_kernel *convert4 = kernel_of(library, "convert4");
    struct msl_kernel *round = kernel_of(library, "round");
    REQUIRE(convert != NULL && convert4 != NULL && round != NULL);
    run_group(convert4, (void *[4]){wide, NULL, bits, &n}, NULL);
    CHECK(wrong_floats(wide) == 0);
    run_group(convert, (void *[4]){wide, narrow, bits, &n}, NULL);
    int wrong = 0;
    for (int i = 0; i < n; i++) {
        float expected = half_value((uint16_t)i);
        bool same = isnan(expected) ? isnan(wide[i]) && isnan(half_value(narrow[i]))
                                    : wide[i] == expected && narrow[i] == bits[i];
        wrong += same ? 0 : 1;
    }
    CHECK(wrong == 0);

    /* Between two halves that follow each other, the middle goes to the even one, and all else to the nearer one. */
    for (int i = 0; i < 31744; i++) {
        float low = half_value((uint16_t)i);
        float high = i == 31743 ? 65536.0F : half_value((uint16_t)(i + 1));
        wide[i * 2] = low + (high - low) / 2;
        wide[i * 2 + 1] = nextafterf(wide[i * 2], i % 2 == 0 ? INFINITY : 0);
    }
    run_group(round, (void *[4]){wide, narrow, NULL, &n}, NULL);
    for (int i = 0; i < 31744; i++) {
        wrong += narrow[i * 2] == i + i % 2 ? 0 : 1;
        wrong += narrow[i * 2 + 1] == (i % 2 == 0 ? i + 1 : i) ? 0 : 1;
    }
    CHECK(wrong == 0);
    msl_library_release(library);
    msl_kernel_release(convert);
    msl_kernel_release(convert4);
    msl_kernel_release(round);
}

static void test_fast_math(void) {
    static const char source[] =
        "#include <metal_stdlib>\n"
        "using namespace metal;\n"
        "kernel void highest(device float* out, device const float* in, constant uint& n,\n"
        "                    uint i [[thread_index_in_threadgroup]]) {\n"
        "  float m = -INFINITY; for (uint k = 0; k < n; k++) m = max(m, in[k]);\n"
        "  out[i] = m; out[32 + i] = isinf(m); out[64 + i] = __METAL_FAST_MATH__;\n"
        "}\n";
    for (int fast = 0; fast < 2; fast++) {
        struct msl_kernel *kernel = only_kernel(source, &(struct msl_options){.fast_math = fast != 0});
        REQUIRE(kernel != NULL);
        float out[96];
        float in[1] = {-3};
        uint32_t n = 0;
        run_group(kernel, (void *[4]){out, in, &n, NULL}, NULL);
        CHECK(out[0] == -INFINITY && out[32] == 1 && out[64] == (float)fast);
        n = 1;
        run_group(kernel, (void *[4]){out, in, &n, NULL}, NULL);
        CHECK(out[0] == -3 && out[32] == 0);
        msl_kernel_release(kernel);
    }
}

/* A source may have lines of another file in it. */
static void test_line_directive(void) {
    struct msl_library *library = library_of("#line 7 \"other.metal\"\nkernel void f() {}", &safe);
    CHECK(library != NULL);
    msl_library_release(library);
    CHECK(refused("#line 7 \"other.metal\"\nkernel void f() { x = 1; }", MLXSHIM_ERROR_COMPILATION,
                  "other.metal:7: error: use of undeclared identifier 'x'"));
}

static void test_options(void) {
    static const char source[] =
        "kernel void f(device int* out) { out[0] = FIRST; out[1] = SECOND(2); out[2] = __METAL_VERSION__; }";
    const struct msl_options options = {.macros = "FIRST=7\nSECOND(x)=(x + 1)\n", .language_version = 3 << 16 | 1};
    struct msl_kernel *kernel = only_kernel(source, &options);
    REQUIRE(kernel != NULL);
    int32_t out[3] = {0};
    run_group(kernel, (void *[4]){out}, NULL);
    CHECK(out[0] == 7 && out[1] == 3 && out[2] == 310);
    msl_kernel_release(kernel);
}

/* ---- function constants ---- */

static const char constants_source[] =
    "constant int count [[function_constant(0)]];\n"
    "constant float scale [[function_constant(1)]];\n"
    "constant bool wide [[function_constant(2)]];\n"
    "constant half small [[function_constant(3)]];\n"
    "constant bool has_scale = is_function_constant_defined(scale);\n"
    "kernel void f(device float* out, device float* extra [[buffer(1), function_constant(wide)]]) {\n"
    "  int array[count + 1];\n"
    "  out[0] = sizeof(array) / 4 - 1; out[1] = has_scale ? scale : -1.0; out[2] = wide; out[3] = small;\n"
    "  if (wide) extra[0] = 5;\n"
    "}\n";

static uint64_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void test_constants(void) {
    struct msl_library *library = library_of(constants_source, &safe);
    float out[4] = {0};
    float extra[1] = {0};
    struct msl_kernel *none = kernel_of(library, "f");
    REQUIRE(none != NULL);
    CHECK(msl_kernel_argument_count(none) == 1);
    run_group(none, (void *[4]){out, extra}, NULL);
    CHECK(out[0] == 0 && out[1] == -1 && out[2] == 0 && out[3] == 0 && extra[0] == 0);

    const struct mlxshim_function_constant all[] = {
        {.index = 0, .type = MLXSHIM_TYPE_INT, .bits = 9},
        {.name = "scale", .type = MLXSHIM_TYPE_FLOAT, .bits = float_bits(2.5F)},
        {.name = "wide", .type = MLXSHIM_TYPE_BOOL, .bits = 1},
        {.index = 3, .type = MLXSHIM_TYPE_HALF, .bits = 0x3E00},
        {.name = "unrelated", .type = MLXSHIM_TYPE_ULONG, .bits = 1},
    };
    struct msl_kernel *given = kernel_with(library, "f", all, 5);
    REQUIRE(given != NULL);
    CHECK(given != none);
    CHECK(msl_kernel_argument_count(given) == 2);
    run_group(given, (void *[4]){out, extra}, NULL);
    CHECK(out[0] == 9 && out[1] == 2.5F && out[2] == 1 && out[3] == 1.5F && extra[0] == 5);
    struct msl_kernel *again = kernel_with(library, "f", all, 5);
    CHECK(again == given);

    const struct mlxshim_function_constant unknown = {.index = 0, .type = 1234};
    struct msl_kernel *kernel = NULL;
    char *log = NULL;
    CHECK(msl_kernel_new(library, "f", &unknown, 1, &kernel, &log) == MLXSHIM_ERROR_COMPILATION);
    CHECK(log != NULL && strstr(log, "1234") != NULL);
    free(log);
    msl_kernel_release(none);
    msl_kernel_release(given);
    msl_kernel_release(again);
    msl_library_release(library);
}

/* Vectors in memory may lie where their elements may. */
static void test_alignment(void) {
    static const char source[] =
        "#include <metal_stdlib>\n"
        "using namespace metal;\n"
        "kernel void f(device float* x, device const float* y) {\n"
        "  *(device float4*)(x + 1) = *(device const float4*)(y + 3) * 2.0;\n"
        "  device float4& r = *(device float4*)(x + 6); r += float4(1); r.zw = r.xy;\n"
        "  atomic_fetch_add_explicit((device atomic_uint*)x, 1u, memory_order_relaxed);\n"
        "}\n";
    struct msl_kernel *kernel = only_kernel(source, &safe);
    REQUIRE(kernel != NULL);
    _Alignas(16) float x[12] = {0};
    _Alignas(16) float y[8] = {0, 0, 0, 3, 4, 5, 6, 7};
    run_group(kernel, (void *[4]){x, y}, NULL);
    CHECK(x[1] == 6 && x[4] == 12);
    CHECK(x[6] == 32 && x[7] == 32 && x[8] == 32 && x[9] == 32);
    uint32_t count;
    memcpy(&count, x, sizeof count);
    CHECK(count == 32);
    msl_kernel_release(kernel);
}

/* Kernels and constants may have names that the standard library or the front end have too. */
static void test_names(void) {
    static const char source[] =
        "#include <metal_stdlib>\n"
        "using namespace metal;\n"
        "constant int value [[function_constant(0)]];\n"
        "constant bool defined_value = metal::is_function_constant_defined(value);\n"
        "namespace a { namespace b {\n"
        "template <int N> [[kernel, max_total_threads_per_threadgroup(N)]] void exp(device int* x) { x[0] = N; }\n"
        "} }\n"
        "template [[host_name(\"exp\")]] [[kernel]] decltype(a::b::exp<64>) a::b::exp<64>;\n"
        "kernel void rotate(device int* x) { x[0] = defined_value ? value : -1; }\n";
    struct msl_library *library = library_of(source, &safe);
    const struct mlxshim_function_constant seven = {.name = "value", .type = MLXSHIM_TYPE_INT, .bits = 7};
    struct msl_kernel *rotate = kernel_with(library, "rotate", &seven, 1);
    struct msl_kernel *exp = kernel_of(library, "exp");
    REQUIRE(rotate != NULL && exp != NULL);
    int32_t out[1] = {0};
    run_group(rotate, (void *[4]){out}, NULL);
    CHECK(out[0] == 7);
    run_group(exp, (void *[4]){out}, NULL);
    CHECK(out[0] == 64);
    CHECK(msl_kernel_info(exp)->max_threads == 64);
    msl_kernel_release(rotate);
    msl_kernel_release(exp);
    msl_library_release(library);
}

/* ---- errors ---- */

static void test_errors(void) {
    CHECK(refused("\nkernel void f(device   float *x,\n    constant   int &n)  { x[0] = 1;   x[1] = zz; }\n",
                  MLXSHIM_ERROR_COMPILATION,
                  "program_source:3:46: error: use of undeclared identifier 'zz'\n"
                  "    constant   int &n)  { x[0] = 1;   x[1] = zz; }\n"
                  "                                             ^"));
    CHECK(refused("#define BAD(x) (x + none)\nkernel void f(device float *x) { x[0] = BAD(1); }",
                  MLXSHIM_ERROR_COMPILATION,
                  "program_source:2:1: error: use of undeclared identifier 'none'"));
    CHECK(refused("#include \"more.h\"\n", MLXSHIM_ERROR_COMPILATION,
                  "program_source:1:10: fatal error: 'more.h' file not found"));
    CHECK(refused("#include \"/etc/hostname\"\n", MLXSHIM_ERROR_COMPILATION,
                  "program_source: error: a library from source cannot include '/etc/hostname'"));
    CHECK(refused("#error this way not\n", MLXSHIM_ERROR_COMPILATION, "program_source:1:2: error: this way not"));
    CHECK(refused("kernel void f(float x) {}", MLXSHIM_ERROR_COMPILATION,
                  "program_source:1:15: error: parameter 'x' of kernel 'f' needs an attribute"));
    CHECK(refused("kernel void f() {", MLXSHIM_ERROR_COMPILATION, "program_source:1:1"));
}

static void test_error_in_template(void) {
    static const char source[] =
        "template <typename T> void helper(T a) {\n  a.foo();\n}\n"
        "template <typename T> kernel void f(device T *x) { helper(x[0]); }\n"
        "template [[host_name(\"f_float\")]] kernel decltype(f<float>) f<float>;\n";
    struct msl_library *library = library_of(source, &safe);
    REQUIRE(library != NULL);
    for (int i = 0; i < 2; i++) {
        struct msl_kernel *kernel = NULL;
        char *log = NULL;
        CHECK(msl_kernel_new(library, "f_float", NULL, 0, &kernel, &log) == MLXSHIM_ERROR_COMPILATION);
        CHECK(log != NULL && strncmp(log, "program_source:2:4: error:", 26) == 0);
        CHECK(log != NULL && strstr(log, "program_source:4:52: note: in instantiation of") != NULL);
        free(log);
    }
    msl_library_release(library);
}

static void test_warning(void) {
    struct msl_library *library = NULL;
    char *log = NULL;
    CHECK(msl_library_new("kernel void f() {\n  int unused = 3;\n}\n", &safe, &library, &log) == MLXSHIM_OK);
    static const char expected[] =
        "program_source:2:7: warning: unused variable 'unused'\n  int unused = 3;\n      ^";
    CHECK(log != NULL && strcmp(log, expected) == 0);
    free(log);
    msl_library_release(library);
}

static void test_no_kernel(void) {
    static const char source[] =
        "kernel void axpy() {} kernel void gemv() {} kernel void axpby() {} kernel void zzzzzzzz() {}";
    static const char expected[] =
        "the library has no kernel 'axpi'; the nearest names are 'axpy', 'axpby', 'gemv'";
    struct msl_library *library = library_of(source, &safe);
    REQUIRE(library != NULL);
    CHECK(msl_library_kernel_count(library) == 4);
    struct msl_kernel *kernel = NULL;
    char *log = NULL;
    CHECK(msl_kernel_new(library, "axpi", NULL, 0, &kernel, &log) == MLXSHIM_ERROR_NO_KERNEL);
    CHECK(log != NULL && strcmp(log, expected) == 0);
    free(log);
    msl_library_release(library);
}

static void test_no_compiler(void) {
    CHECK(msl_configure("/no/such/compiler", NULL, NULL) == MLXSHIM_OK);
    CHECK(refused("", MLXSHIM_ERROR_UNSUPPORTED, "there is no compiler '/no/such/compiler': install clang"));
    CHECK(msl_configure("/bin/true", NULL, NULL) == MLXSHIM_OK);
    CHECK(refused("", MLXSHIM_ERROR_UNSUPPORTED, "/bin/true is no clang: install clang"));
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nowhere", 1);
    CHECK(msl_configure(NULL, NULL, NULL) == MLXSHIM_OK);
    CHECK(refused("", MLXSHIM_ERROR_UNSUPPORTED, "kernels on the CPU are compiled by clang, and there is no"));
    setenv("PATH", path, 1);
    free(path);
    CHECK(msl_configure(compiler, NULL, NULL) == MLXSHIM_OK);
}

static void test_include_folder(void) {
    char path[128];
    char option[128];
    snprintf(path, sizeof path, "%s/more.h", folder);
    snprintf(option, sizeof option, "-I %s  -DN=3", folder);
    REQUIRE(file_write(path, "constant int more = 41 + N;\n", 28));
    CHECK(msl_configure(compiler, option, NULL) == MLXSHIM_OK);
    static const char source[] = "#include \"more.h\"\nkernel void f(device int *x) { x[0] = more; }";
    struct msl_kernel *kernel = only_kernel(source, &safe);
    REQUIRE(kernel != NULL);
    int32_t out[1] = {0};
    run_group(kernel, (void *[4]){out}, NULL);
    CHECK(out[0] == 44);
    msl_kernel_release(kernel);
    CHECK(msl_configure(compiler, NULL, NULL) == MLXSHIM_OK);
}

/* ---- what is compiled once ---- */

static char wrapper[64];
static char calls[64];
static char cache[64];

/* A compiler that writes a byte to a file for each unit that it compiles or checks, and then is the compiler. */
static bool make_wrapper(void) {
    snprintf(wrapper, sizeof wrapper, "%s/compiler", folder);
    snprintf(calls, sizeof calls, "%s/calls", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    char *real = process_find(compiler);
    struct text script = {0};
    text_append_format(&script, "#!/bin/sh\ncase $* in *.cc*) printf x >> %s ;; esac\nexec %s \"$@\"\n", calls,
                       real != NULL ? real : "");
    bool made = real != NULL && file_write(wrapper, script.bytes, script.length) && chmod(wrapper, 0700) == 0;
    text_free(&script);
    free(real);
    return made;
}

static size_t call_count(void) {
    struct text text = {0};
    file_read(calls, &text);
    size_t count = text.length;
    text_free(&text);
    return count;
}

static const char cached_source[] = "kernel void f(device int *x) { x[0] += 1; int unused; }";

/* Compiles and runs a kernel. Returns how often the compiler ran. */
static size_t compile_and_run(void) {
    size_t before = call_count();
    struct msl_library *library = NULL;
    char *log = NULL;
    CHECK(msl_library_new(cached_source, &safe, &library, &log) == MLXSHIM_OK);
    CHECK(log != NULL && strstr(log, "unused variable") != NULL);
    free(log);
    struct msl_kernel *kernel = kernel_of(library, "f");
    if (kernel != NULL) {
        int32_t out[1] = {0};
        run_group(kernel, (void *[4]){out}, NULL);
        CHECK(out[0] == 32);
        msl_kernel_release(kernel);
    }
    msl_library_release(library);
    return call_count() - before;
}

/* Damages every file of the cache whose name ends so. */
static void damage(const char *ending, bool truncated) {
    struct text command = {0};
    const char *action = truncated ? "truncate -s 100" : "sed -i 's/./Q/70'";
    text_append_format(&command, "find %s -name '*%s' -exec %s {} +", cache, ending, action);
    CHECK(system(command.bytes) == 0);
    text_free(&command);
}

static void test_cache(void) {
    CHECK(msl_configure(wrapper, NULL, cache) == MLXSHIM_OK);
    CHECK(compile_and_run() == 2);
    CHECK(compile_and_run() == 0);
    damage("-kernel", true);
    CHECK(compile_and_run() == 1);
    damage("-kernel", false);
    CHECK(compile_and_run() == 1);
    damage("-source", false);
    CHECK(compile_and_run() == 1);
    damage(".pch", true);
    CHECK(compile_and_run() == 0);
    damage("-kernel", true);
    CHECK(compile_and_run() == 2); /* once with the damaged header, once with another */
    CHECK(msl_configure(wrapper, "-O1", cache) == MLXSHIM_OK);
    CHECK(compile_and_run() == 2);
    CHECK(msl_configure(wrapper, NULL, cache) == MLXSHIM_OK);
    CHECK(compile_and_run() == 0);
}

static void *ask_for_kernel(void *library) {
    return kernel_of(library, "f");
}

static void test_threads(void) {
    CHECK(msl_configure(wrapper, NULL, NULL) == MLXSHIM_OK);
    struct msl_library *library = library_of("kernel void f(device int *x) { x[0] = 1; }", &safe);
    REQUIRE(library != NULL);
    size_t before = call_count();
    pthread_t threads[4];
    void *kernels[4];
    for (int i = 0; i < 4; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, ask_for_kernel, library) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &kernels[i]);
    }
    CHECK(call_count() - before == 1);
    msl_library_release(library);
    for (int i = 0; i < 4; i++) {
        CHECK(kernels[i] != NULL && kernels[i] == kernels[0]);
        msl_kernel_release(kernels[i]);
    }
    CHECK(msl_configure(compiler, NULL, NULL) == MLXSHIM_OK);
}

int main(int argc, char **argv) {
    compiler = argc > 1 ? argv[1] : "clang-22";
    if (mkdtemp(folder) == NULL || !make_wrapper()) {
        fprintf(stderr, "cannot prepare the test\n");
        return 1;
    }
    CHECK(msl_configure(compiler, NULL, NULL) == MLXSHIM_OK);
    test_kernel_runs();
    test_reflection();
    test_half();
    test_fast_math();
    test_options();
    test_line_directive();
    test_constants();
    test_names();
    test_alignment();
    test_errors();
    test_error_in_template();
    test_warning();
    test_no_kernel();
    test_no_compiler();
    test_include_folder();
    test_cache();
    test_threads();
    msl_configure(NULL, NULL, NULL);
    struct text command = {0};
    text_append_format(&command, "rm -rf %s", folder);
    CHECK(system(command.bytes) == 0);
    text_free(&command);
    printf("%lu checks passed, %lu failed\n", atomic_load(&checks_passed), atomic_load(&checks_failed));
    return atomic_load(&checks_failed) == 0 ? 0 : 1;
}
