/*
 * Tests the language that kernels are compiled from: the kernels of test/msl, which record what they computed and what
 * they should have computed; mathematical functions against the C library; and what must not compile.
 *
 *   msl_language_test COMPILER OPTIONS FILE...    COMPILER and OPTIONS as of mlxshim_configure_compiler; the first FILE
 *                                                 is put before each of the others
 */
#define _GNU_SOURCE

#include <inttypes.h>
#include <math.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compute.h"
#include "msl/msl.h"

/* ---- helpers ---- */

static struct compute_queue *queue;

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *bytes = NULL;
    size_t length = 0;
    FILE *copy = open_memstream(&bytes, &length);
    for (int byte = fgetc(file); copy != NULL && byte != EOF; byte = fgetc(file)) {
        fputc(byte, copy);
    }
    fclose(file);
    if (copy != NULL) {
        fclose(copy);
    }
    return bytes;
}

/* Compiles a source. Returns NULL, and prints the log, if it does not compile. */
static struct msl_library *compile(const char *source, bool fast_math) {
    struct msl_options options = {.fast_math = fast_math};
    struct msl_library *library = NULL;
    char *log = NULL;
    if (msl_library_new(source, &options, &library, &log) != MLXSHIM_OK) {
        fprintf(stderr, "%s\n", log != NULL ? log : "no log");
        library = NULL;
    }
    free(log);
    return library;
}

static struct msl_kernel *find_kernel(struct msl_library *library, const char *name) {
    struct msl_kernel *kernel = NULL;
    char *log = NULL;
    if (msl_kernel_new(library, name, NULL, 0, &kernel, &log) != MLXSHIM_OK) {
        fprintf(stderr, "%s: %s\n", name, log != NULL ? log : "no log");
        kernel = NULL;
    }
    free(log);
    return kernel;
}

static void post(void *done) {
    sem_post(done);
}

/* Runs one threadgroup, with buffers of these bytes and lengths. Returns whether it succeeded. */
static bool run(struct msl_kernel *kernel, uint64_t threads, void *const *buffers, const uint64_t *lengths, int count) {
    struct compute_arguments arguments = {0};
    for (int i = 0; i < count; i++) {
        arguments.buffers[i] = (struct compute_range){.bytes = buffers[i], .length = lengths[i]};
    }
    struct compute_commands *commands = compute_commands_new();
    uint64_t size[3] = {threads, 1, 1};
    sem_t done;
    sem_init(&done, 0, 0);
    bool succeeded = false;
    if (commands != NULL && compute_dispatch(commands, kernel, &arguments, size, size)) {
        compute_commit(queue, commands, post, &done);
        sem_wait(&done);
        const char *text = NULL;
        succeeded = compute_status(commands) == MLXSHIM_STATUS_COMPLETED;
        if (!succeeded) {
            compute_failure(commands, &text);
            fprintf(stderr, "%s failed: %s\n", msl_kernel_name(kernel), text);
        }
    }
    compute_commands_release(commands);
    sem_destroy(&done);
    return succeeded;
}

/* ---- records ---- */

#define RECORDS_OF_A_THREAD 256

/* As in test/msl/records.h. */
struct record {
    uint64_t got;
    uint64_t wanted;
    float tolerance;
    uint32_t line;
    bool is_float;
};

static float as_float(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static bool holds(const struct record *record) {
    if (!record->is_float || record->tolerance < 0) {
        float got = as_float(record->got);
        return record->got == record->wanted || (record->is_float && isnan(got) && isnan(as_float(record->wanted)));
    }
    double wanted = as_float(record->wanted);
    return fabs(as_float(record->got) - wanted) <= record->tolerance * fmax(1, fabs(wanted));
}

/* Prints what a record has, and counts it. */
static void check_record(const struct record *record, const char *file, const char *kernel, uint64_t thread) {
    if (holds(record)) {
        atomic_fetch_add(&checks_passed, 1);
        return;
    }
    char what[256];
    if (record->is_float) {
        snprintf(what, sizeof what, "%s, thread %" PRIu64 ": got %.9g, not %.9g", kernel, thread,
                 (double)as_float(record->got), (double)as_float(record->wanted));
    } else {
        snprintf(what, sizeof what, "%s, thread %" PRIu64 ": got %" PRId64 ", not %" PRId64, kernel, thread,
                 (int64_t)record->got, (int64_t)record->wanted);
    }
    check(false, what, file, (int)record->line);
}

/* The number in a name that ends in _N_threads; otherwise 1. */
static uint64_t threads_of(const char *kernel) {
    size_t length = strlen(kernel);
    static const char ending[] = "_threads";
    size_t tail = strlen(ending);
    if (length < tail || strcmp(kernel + length - tail, ending) != 0) {
        return 1;
    }
    const char *number = kernel + length - tail;
    while (number > kernel && number[-1] >= '0' && number[-1] <= '9') {
        number--;
    }
    return strtoull(number, NULL, 10);
}

static void test_kernel(struct msl_library *library, const char *file, const char *name) {
    struct msl_kernel *kernel = find_kernel(library, name);
    REQUIRE(kernel != NULL);
    uint64_t threads = threads_of(name);
    float in[RECORDS_OF_A_THREAD];
    for (int i = 0; i < RECORDS_OF_A_THREAD; i++) {
        in[i] = (float)i;
    }
    struct record *records = calloc(threads * RECORDS_OF_A_THREAD, sizeof *records);
    void *buffers[] = {records, in};
    const uint64_t lengths[] = {threads * RECORDS_OF_A_THREAD * sizeof *records, sizeof in};
    if (CHECK(records != NULL && run(kernel, threads, buffers, lengths, 2))) {
        for (uint64_t thread = 0; thread < threads; thread++) {
            const struct record *row = records + thread * RECORDS_OF_A_THREAD;
            CHECK(row[0].line != 0);
            for (int i = 0; i < RECORDS_OF_A_THREAD && row[i].line != 0; i++) {
                check_record(&row[i], file, name, thread);
            }
        }
    }
    free(records);
    msl_kernel_release(kernel);
}

static void test_file(const char *prelude, const char *path) {
    char *text = read_file(path);
    char *source = NULL;
    if (CHECK(text != NULL && asprintf(&source, "%s\n#line 1\n%s", prelude, text) >= 0)) {
        struct msl_library *library = compile(source, false);
        if (CHECK(library != NULL)) {
            CHECK(msl_library_kernel_count(library) > 0);
            for (size_t i = 0; i < msl_library_kernel_count(library); i++) {
                test_kernel(library, path, msl_library_kernel_name(library, i));
            }
            msl_library_release(library);
        }
    }
    free(source);
    free(text);
}

/* ---- mathematical functions ---- */

#define SAMPLES 200

static double reciprocal_root(double x) { return 1 / sqrt(x); }
static double fraction(double x) { return x - floor(x); }
static double sine_of_pi(double x) { return sin(M_PI * x); }
static double cosine_of_pi(double x) { return cos(M_PI * x); }
static double tangent_of_pi(double x) { return tan(M_PI * x); }
static double power_of_10(double x) { return pow(10, x); }
static double quotient(double x, double y) { return x / y; }

/* A function of one or of two arguments, and the range that the arguments are from. */
struct function {
    const char *name;
    double (*of_one)(double x);
    double (*of_two)(double x, double y);
    double low;
    double high;
};

static const struct function functions[] = {
    {"acos", acos, NULL, -1, 1},
    {"acosh", acosh, NULL, 1, 100},
    {"asin", asin, NULL, -1, 1},
    {"asinh", asinh, NULL, -100, 100},
    {"atan", atan, NULL, -20, 20},
    {"atanh", atanh, NULL, -0.9, 0.9},
    {"ceil", ceil, NULL, -9, 9},
    {"cos", cos, NULL, -20, 20},
    {"cosh", cosh, NULL, -8, 8},
    {"cospi", cosine_of_pi, NULL, -4, 4},
    {"exp", exp, NULL, -8, 8},
    {"exp2", exp2, NULL, -8, 8},
    {"exp10", power_of_10, NULL, -4, 4},
    {"fabs", fabs, NULL, -9, 9},
    {"floor", floor, NULL, -9, 9},
    {"fract", fraction, NULL, -9, 9},
    {"log", log, NULL, 0.01, 100},
    {"log2", log2, NULL, 0.01, 100},
    {"log10", log10, NULL, 0.01, 100},
    {"rint", rint, NULL, -9, 9},
    {"round", round, NULL, -9, 9},
    {"rsqrt", reciprocal_root, NULL, 0.01, 100},
    {"sin", sin, NULL, -20, 20},
    {"sinh", sinh, NULL, -8, 8},
    {"sinpi", sine_of_pi, NULL, -4, 4},
    {"sqrt", sqrt, NULL, 0, 100},
    {"tan", tan, NULL, -1.5, 1.5},
    {"tanh", tanh, NULL, -8, 8},
    {"tanpi", tangent_of_pi, NULL, -0.45, 0.45},
    {"trunc", trunc, NULL, -9, 9},
    {"atan2", NULL, atan2, -9, 9},
    {"copysign", NULL, copysign, -9, 9},
    {"divide", NULL, quotient, 0.1, 9},
    {"fdim", NULL, fdim, -9, 9},
    {"fmax", NULL, fmax, -9, 9},
    {"fmin", NULL, fmin, -9, 9},
    {"fmod", NULL, fmod, 0.1, 90},
    {"pow", NULL, pow, 0.1, 4},
    {"powr", NULL, pow, 0.1, 4},
    {"remainder", NULL, remainder, 0.1, 90},
    {"fast::exp", exp, NULL, -8, 8},
    {"precise::tanh", tanh, NULL, -8, 8},
    {"fast::pow", NULL, pow, 0.1, 4},
};
#define FUNCTIONS (sizeof functions / sizeof *functions)

/* A type that functions are tested with. An error may be this many times the distance of neighbouring values. */
struct type {
    const char *name;
    double epsilon;
    double ulps;
    double smallest;
};

static const struct type types[] = {
    {"float", 0x1p-23, 4, 1e-14},
    {"half", 0x1p-10, 1, 0x1p-24},
    {"bfloat", 0x1p-7, 1, 1e-14},
    {"float3", 0x1p-23, 4, 1e-14},
    {"half4", 0x1p-10, 1, 0x1p-24},
};
#define TYPES (sizeof types / sizeof *types)

/* The source of a kernel for each type, which applies a function by its number. Caller frees. */
static char *functions_source(void) {
    char *source = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&source, &length);
    if (out == NULL) {
        return NULL;
    }
    fputs("#include <metal_stdlib>\n"
          "using namespace metal;\n"
          "template <typename T> float last(T value) { return float(value); }\n"
          "template <typename T, int N> float last(vec<T, N> value) { return float(value[N - 1]); }\n"
          "template <typename T>\n"
          "kernel void apply(device float *results, device float *arguments, constant uint &function,\n"
          "                  uint i [[thread_position_in_grid]]) {\n"
          "    T x(arguments[2 * i]), y(arguments[2 * i + 1]), result(0);\n"
          "    switch (function) {\n",
          out);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const char *arguments = functions[i].of_two != NULL ? "x, y" : "x";
        fprintf(out, "    case %zu: result = %s(%s); break;\n", i, functions[i].name, arguments);
    }
    fputs("    }\n"
          "    results[i] = last(result);\n"
          "    arguments[2 * i] = last(x);\n"
          "    arguments[2 * i + 1] = last(y);\n"
          "}\n",
          out);
    for (size_t i = 0; i < TYPES; i++) {
        fprintf(out,
                "template [[host_name(\"%s\")]] kernel void apply<%s>(device float *, device float *, constant uint &, "
                "uint);\n",
                types[i].name, types[i].name);
    }
    fclose(out);
    return source;
}

static void test_function(struct msl_kernel *kernel, const struct type *type, uint32_t number) {
    const struct function *function = &functions[number];
    float arguments[2 * SAMPLES];
    float results[SAMPLES] = {0};
    for (int i = 0; i < 2 * SAMPLES; i++) {
        double part = (double)(i * 37 % (2 * SAMPLES)) / (2 * SAMPLES - 1);
        arguments[i] = (float)(function->low + (function->high - function->low) * part);
    }
    void *buffers[] = {results, arguments, &number};
    const uint64_t lengths[] = {sizeof results, sizeof arguments, sizeof number};
    REQUIRE(run(kernel, SAMPLES, buffers, lengths, 3));
    for (int i = 0; i < SAMPLES; i++) {
        double x = arguments[2 * i], y = arguments[2 * i + 1];
        double wanted = function->of_one != NULL ? function->of_one(x) : function->of_two(x, y);
        double tolerance = type->ulps * type->epsilon * fabs(wanted) + type->smallest;
        if (!(fabs(results[i] - wanted) <= tolerance)) {
            char what[256];
            snprintf(what, sizeof what, "%s(%.9g, %.9g) of %s is %.9g, not %.9g", function->name, x, y, type->name,
                     (double)results[i], wanted);
            check(false, what, __FILE__, __LINE__);
            return;
        }
    }
    atomic_fetch_add(&checks_passed, SAMPLES);
}

static void test_functions(bool fast_math) {
    char *source = functions_source();
    struct msl_library *library = source != NULL ? compile(source, fast_math) : NULL;
    free(source);
    REQUIRE(library != NULL);
    for (size_t i = 0; i < TYPES; i++) {
        struct msl_kernel *kernel = find_kernel(library, types[i].name);
        if (CHECK(kernel != NULL)) {
            for (uint32_t number = 0; number < FUNCTIONS; number++) {
                test_function(kernel, &types[i], number);
            }
            msl_kernel_release(kernel);
        }
    }
    msl_library_release(library);
}

/* ---- what must not compile ---- */

struct mistake {
    const char *body;
    const char *message;
};

static const struct mistake mistakes[] = {
    {"texture2d<float> image;", "texture2d"},
    {"out[0] = as_type<half>(out[1]);", "as_type needs types of the same size"},
    {"float4 v = out[0]; v.xx = float2(1); out[0] = v.x;", "a vector component is assigned twice"},
    {"float4 v(1, 2, 3, 4, 5); out[0] = v.x;", "no matching constructor"},
    {"float3 v = float2(out[0]); out[0] = v.x;", "no viable conversion"},
    {"float2 v = out[0]; v.z = 1;", "no member named 'z'"},
    {"float4 a = out[0]; int4 b = 1; out[0] = (a + b).x;", "invalid operands"},
    {"simdgroup_matrix<float, 4, 4> m; out[0] = m.thread_elements()[0];", "simdgroup_matrix has 8 columns and 8 rows"},
    {"threadgroup atomic<short> a; out[0] = sizeof(a);", "atomic is for int"},
    {"threadgroup atomic_float a; atomic_fetch_or_explicit(&a, 1, memory_order_relaxed);", "is for integers"},
    {"out[0] = no_such_function(out[0]);", "no_such_function"},
    {"out[0] = popcount(out[0]);", "popcount"},
};

static void test_mistakes(void) {
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char *source = NULL;
        REQUIRE(asprintf(&source,
                         "#include <metal_stdlib>\nusing namespace metal;\n"
                         "kernel void mistake(device float *out [[buffer(0)]]) { %s }\n",
                         mistakes[i].body) >= 0);
        struct msl_library *library = NULL;
        char *log = NULL;
        int32_t status = msl_library_new(source, &(struct msl_options){0}, &library, &log);
        if (!CHECK(status == MLXSHIM_ERROR_COMPILATION && log != NULL && strstr(log, mistakes[i].message) != NULL)) {
            fprintf(stderr, "%s\n%s\n", mistakes[i].body, log != NULL ? log : "no log");
        }
        if (status == MLXSHIM_OK) {
            msl_library_release(library);
        }
        free(log);
        free(source);
    }
}

/* ---- all ---- */

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: msl_language_test COMPILER OPTIONS FILE...\n");
        return 2;
    }
    char *prelude = read_file(argv[3]);
    queue = compute_queue_new();
    if (!CHECK(prelude != NULL && queue != NULL && msl_configure(argv[1], argv[2], NULL) == MLXSHIM_OK)) {
        return 1;
    }
    for (int i = 4; i < argc; i++) {
        test_file(prelude, argv[i]);
    }
    test_functions(false);
    test_functions(true);
    test_mistakes();
    compute_queue_release(queue);
    free(prelude);
    printf("%lu checks passed, %lu failed\n", checks_passed, checks_failed);
    return checks_failed == 0 ? 0 : 1;
}
