/*
 * Tests the compute part of a library that implements mlxshim.h and mlxshim_faults.h, as contract_test.c tests the rest.
 * It compiles and runs real kernels.
 *
 *   compute_contract_test [ROUNDS]    repeats all tests, so that a leak grows with ROUNDS
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "compute_objects.h"
#include "mlxshim_faults.h"

#define THREADS 4
#define TEXT_SIZE 4096
#define WAIT_MILLIS 60000
#define RELEASE_MILLIS 10000
#define COUNT 1000

static char untouched_place;
#define UNTOUCHED ((void *)&untouched_place)

static const char kernels[] =
    "#include <metal_stdlib>\n"
    "using namespace metal;\n"
    "kernel void axpy(device float *y [[buffer(0)]], device const float *x [[buffer(1)]],\n"
    "                 constant float &a [[buffer(2)]], uint i [[thread_position_in_grid]]) {\n"
    "    y[i] += a * x[i];\n"
    "}\n"
    "kernel void reverse(device uint *values [[buffer(3)]], threadgroup uint *group [[threadgroup(1)]],\n"
    "                    uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]],\n"
    "                    uint n [[threads_per_threadgroup]]) {\n"
    "    group[t] = values[i];\n"
    "    threadgroup_barrier(mem_flags::mem_threadgroup);\n"
    "    values[i] = group[n - 1 - t];\n"
    "}\n"
    "kernel void rotate_group(device uint *values [[buffer(0)]], uint i [[thread_position_in_grid]],\n"
    "                   uint t [[thread_position_in_threadgroup]]) {\n"
    "    threadgroup uint shared[64];\n"
    "    shared[t % 64] = values[i];\n"
    "    threadgroup_barrier(mem_flags::mem_threadgroup);\n"
    "    values[i] = shared[(t + 1) % 64];\n"
    "}\n"
    "[[max_total_threads_per_threadgroup(64)]]\n"
    "kernel void place(device uint *out [[buffer(0)]], uint3 p [[thread_position_in_grid]],\n"
    "                  uint3 n [[threads_per_grid]]) {\n"
    "    out[(p.z * n.y + p.y) * n.x + p.x] = p.x + 100 * p.y + 10000 * p.z;\n"
    "}\n"
    "kernel void add_one(device uint *values [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
    "    values[i] += 1;\n"
    "}\n"
    "kernel void spin(device volatile uint *flag [[buffer(0)]]) {\n"
    "    while (*flag == 0) {\n"
    "    }\n"
    "}\n"
    "kernel void write_far(device uint *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
    "    out[-(1l << 40)] = i;\n"
    "}\n";

static const char specialized_kernels[] =
    "#include <metal_stdlib>\n"
    "using namespace metal;\n"
    "constant int factor [[function_constant(0)]];\n"
    "constant bool negative [[function_constant(1)]];\n"
    "constant long large [[function_constant(2)]];\n"
    "kernel void times(device long *values [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
    "    values[i] = (negative ? -values[i] : values[i]) * factor + (is_function_constant_defined(large) ? large : 0);\n"
    "}\n";

/* `pieces` is read only if there are more than 64 threads. */
static const char sparing_kernels[] =
    "#include <metal_stdlib>\n"
    "using namespace metal;\n"
    "#define NAME spare\n"
    "struct pair { float first, second; };\n"
    "kernel void sparing(device uint *out [[buffer(0)]], device uint *never [[buffer(1)]],\n"
    "                    constant pair &spare [[buffer(2)]], constant uint &other [[buffer(3)]],\n"
    "                    threadgroup uint *group [[threadgroup(0)]], threadgroup uint *pieces [[threadgroup(1)]],\n"
    "                    uint i [[thread_position_in_grid]]) {\n"
    "    out[i] = i + (i > 64 ? pieces[i] + uint(NAME.first) : 0);\n"
    "}\n"
    "template <typename T> kernel void fallback(device T *out [[buffer(0)]], device T *in [[buffer(1)]]) {\n"
    "    out[0] = T(1);\n"
    "}\n"
    "template <> kernel void fallback<float>(device float *out [[buffer(0)]], device float *in [[buffer(1)]]) {\n"
    "    out[0] = in[0];\n"
    "}\n";

static mlxshim_library_t library;
static mlxshim_queue_t queue;

/* ---- objects ---- */

static mlxshim_pipeline_t new_pipeline_of(mlxshim_library_t from, const char *name,
                                          const struct mlxshim_function_constant *constants, uint64_t count) {
    mlxshim_pipeline_t pipeline = NULL;
    mlxshim_text_t log = NULL;
    int32_t status = mlxshim_pipeline_create(from, name, constants, count, &pipeline, &log);
    if (!CHECK(status == MLXSHIM_OK) && log != NULL) {
        char text[TEXT_SIZE];
        mlxshim_text_copy(log, text, sizeof text);
        fprintf(stderr, "%s\n", text);
    }
    mlxshim_text_release(log);
    return pipeline;
}

static mlxshim_pipeline_t new_pipeline(const char *name) {
    return new_pipeline_of(library, name, NULL, 0);
}

static mlxshim_library_t compile(const char *source) {
    mlxshim_library_t compiled = NULL;
    mlxshim_text_t log = NULL;
    CHECK(mlxshim_library_compile(device, source, NULL, 0, 1, &compiled, &log) == MLXSHIM_OK);
    CHECK(log == NULL);
    mlxshim_text_release(log);
    return compiled;
}

/* Whether a count reaches a number. Objects that a command buffer keeps alive are released soon after its end. */
static bool reaches(uint64_t (*count)(void), uint64_t number) {
    for (int millis = 0; millis < RELEASE_MILLIS && count() != number; millis++) {
        usleep(1000);
    }
    return count() == number;
}

/* Whether a text, which this releases, exists and contains a part. */
static bool log_has(mlxshim_text_t log, const char *part) {
    if (log == NULL) {
        return false;
    }
    char text[TEXT_SIZE];
    uint64_t length = mlxshim_text_copy(log, text, sizeof text);
    mlxshim_text_release(log);
    bool has = length < sizeof text && strlen(text) == length && strstr(text, part) != NULL;
    if (!has) {
        fprintf(stderr, "no '%s' in: %s\n", part, text);
    }
    return has;
}

/* ---- streams ---- */

#define STREAM_WORDS 2048

struct stream {
    uint64_t words[STREAM_WORDS];
    uint64_t count;
    uint64_t command;  /* the word where the last command begins */
    uint64_t bindings; /* the word with the number of bindings of the last dispatch */
};

static uint64_t pair(uint32_t first, uint32_t second) {
    const uint32_t both[2] = {first, second};
    uint64_t word;
    memcpy(&word, both, sizeof word);
    return word;
}

static void put(struct stream *stream, uint64_t word) {
    stream->words[stream->count++] = word;
    uint32_t opcode;
    memcpy(&opcode, &stream->words[stream->command], sizeof opcode);
    stream->words[stream->command] = pair(opcode, (uint32_t)((stream->count - stream->command) * sizeof word));
}

static void put_handle(struct stream *stream, const void *handle) {
    put(stream, (uint64_t)(uintptr_t)handle);
}

static void begin(struct stream *stream, uint32_t opcode) {
    stream->command = stream->count;
    stream->words[stream->count++] = pair(opcode, sizeof(uint64_t));
}

static void dispatch(struct stream *stream, mlxshim_pipeline_t pipeline, uint64_t unit, const uint64_t grid[3],
                     const uint64_t threadgroup[3]) {
    begin(stream, MLXSHIM_COMMAND_DISPATCH);
    put_handle(stream, pipeline);
    put(stream, unit);
    for (int i = 0; i < 3; i++) {
        put(stream, grid[i]);
    }
    for (int i = 0; i < 3; i++) {
        put(stream, threadgroup[i]);
    }
    stream->bindings = stream->count;
    put(stream, 0);
}

static void dispatch_line(struct stream *stream, mlxshim_pipeline_t pipeline, uint64_t threads, uint64_t threadgroup) {
    dispatch(stream, pipeline, MLXSHIM_DISPATCH_THREADS, (uint64_t[3]){threads, 1, 1}, (uint64_t[3]){threadgroup, 1, 1});
}

static void bind_buffer(struct stream *stream, uint32_t index, mlxshim_buffer_t buffer, uint64_t offset) {
    stream->words[stream->bindings]++;
    put(stream, pair(MLXSHIM_BIND_BUFFER, index));
    put_handle(stream, buffer);
    put(stream, offset);
}

static void bind_bytes(struct stream *stream, uint32_t index, const void *bytes, uint64_t length) {
    stream->words[stream->bindings]++;
    put(stream, pair(MLXSHIM_BIND_BYTES, index));
    put(stream, length);
    for (uint64_t i = 0; i < length; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, (const char *)bytes + i, length - i < sizeof word ? length - i : sizeof word);
        put(stream, word);
    }
}

static void bind_threadgroup(struct stream *stream, uint32_t index, uint64_t length) {
    stream->words[stream->bindings]++;
    put(stream, pair(MLXSHIM_BIND_THREADGROUP, index));
    put(stream, length);
}

static void copy(struct stream *stream, mlxshim_buffer_t from, uint64_t from_offset, mlxshim_buffer_t to,
                 uint64_t to_offset, uint64_t length) {
    begin(stream, MLXSHIM_COMMAND_COPY);
    put_handle(stream, from);
    put(stream, from_offset);
    put_handle(stream, to);
    put(stream, to_offset);
    put(stream, length);
}

static void fill(struct stream *stream, mlxshim_buffer_t buffer, uint64_t offset, uint64_t length, uint64_t byte) {
    begin(stream, MLXSHIM_COMMAND_FILL);
    put_handle(stream, buffer);
    put(stream, offset);
    put(stream, length);
    put(stream, byte);
}

static void event_command(struct stream *stream, uint32_t opcode, mlxshim_event_t event, uint64_t value) {
    begin(stream, opcode);
    put_handle(stream, event);
    put(stream, value);
}

static void concurrent(struct stream *stream, uint64_t on) {
    begin(stream, MLXSHIM_COMMAND_CONCURRENT);
    put(stream, on);
}

/* Submits a stream that is valid, and returns the command buffer. */
static mlxshim_command_buffer_t submit_to(mlxshim_queue_t to, const struct stream *stream, mlxshim_event_t event,
                                          uint64_t value) {
    mlxshim_command_buffer_t commands = NULL;
    mlxshim_text_t log = UNTOUCHED;
    int32_t status = mlxshim_queue_submit(to, "commands", stream->words, stream->count * sizeof(uint64_t), event, value,
                                          &commands, &log);
    if (!CHECK(status == MLXSHIM_OK && log == NULL) && log != NULL) {
        log_has(log, "a log of a valid stream");
    }
    return commands;
}

/* Submits a stream, and waits for its end, which must be `status`. */
static void run_to(const struct stream *stream, int32_t status) {
    mlxshim_event_t event = new_event();
    mlxshim_command_buffer_t commands = submit_to(queue, stream, event, 5);
    REQUIRE(commands != NULL);
    CHECK(mlxshim_event_wait(event, 5, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(mlxshim_command_buffer_status(commands) == status);
    mlxshim_command_buffer_release(commands);
    mlxshim_event_release(event);
}

static void run(const struct stream *stream) {
    run_to(stream, MLXSHIM_STATUS_COMPLETED);
}

/* ---- libraries ---- */

static int32_t compile_text(const char *source, const char *macros, int32_t version, int32_t fast_math,
                            mlxshim_text_t *out_log) {
    mlxshim_library_t compiled = UNTOUCHED;
    *out_log = NULL;
    int32_t status = mlxshim_library_compile(device, source, macros, version, fast_math, &compiled, out_log);
    CHECK((compiled == UNTOUCHED) == (status != MLXSHIM_OK));
    if (status == MLXSHIM_OK) {
        mlxshim_library_release(compiled);
    }
    return status;
}

static void test_compile_error(void) {
    mlxshim_text_t log;
    CHECK(compile_text("#include <metal_stdlib>\nusing namespace metal;\n\nkernel void bad(device int *x [[buffer(0)]], "
                       "undeclared y) {\n    x[0] = 1;\n}\n",
                       NULL, 0, 1, &log) == MLXSHIM_ERROR_COMPILATION);
    REQUIRE(log != NULL);
    CHECK(mlxshim_faults_live_texts() == 1);
    char whole[TEXT_SIZE];
    uint64_t length = mlxshim_text_copy(log, whole, sizeof whole);
    CHECK(length == strlen(whole) && length < sizeof whole);
    CHECK(mlxshim_text_copy(log, NULL, 0) == length);
    char cut[8];
    CHECK(mlxshim_text_copy(log, cut, sizeof cut) == length && strlen(cut) == 7 && strncmp(cut, whole, 7) == 0);
    CHECK(strstr(whole, ":4:") != NULL && strstr(whole, "error:") != NULL && strstr(whole, "undeclared") != NULL);
    mlxshim_text_release(log);
    CHECK(mlxshim_faults_live_texts() == 0 && mlxshim_faults_live_libraries() == 1);
    CHECK(mlxshim_library_compile(device, "kernel void bad(", NULL, 0, 1, UNTOUCHED, NULL) == MLXSHIM_ERROR_COMPILATION);
    CHECK(mlxshim_faults_live_texts() == 0);
    mlxshim_text_release(NULL);
}

static void test_compile_options(void) {
    mlxshim_text_t log;
    CHECK(compile_text("#warning \"be careful\"\n", NULL, 0, 1, &log) == MLXSHIM_OK);
    CHECK(log_has(log, "be careful"));
    const char *both = "#if SEVEN != 7 || !defined(EMPTY)\n#error wrong macros\n#endif\n";
    CHECK(compile_text(both, "SEVEN=(3 + 4)\nEMPTY=\n", 0, 0, &log) == MLXSHIM_OK && log == NULL);
    CHECK(compile_text(both, "SEVEN=8\nEMPTY=\n", 0, 0, &log) == MLXSHIM_ERROR_COMPILATION);
    CHECK(log_has(log, "wrong macros"));
    const char *version = "#if __METAL_VERSION__ != 300\n#error wrong version\n#endif\n";
    CHECK(compile_text(version, NULL, 3 << 16, 1, &log) == MLXSHIM_OK && log == NULL);
    const char *fast = "#if !__FAST_MATH__\n#error precise\n#endif\n";
    CHECK(compile_text(fast, NULL, 0, 1, &log) == MLXSHIM_OK && log == NULL);
    CHECK(compile_text(fast, NULL, 0, 0, &log) == MLXSHIM_ERROR_COMPILATION);
    CHECK(log_has(log, "precise"));
    CHECK(compile_text(NULL, NULL, 0, 1, &log) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(log_has(log, "NULL"));
    CHECK(compile_text("\xff", NULL, 0, 1, &log) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(log_has(log, "UTF-8"));
    CHECK(mlxshim_faults_live_libraries() == 1 && mlxshim_faults_live_texts() == 0);
}

static void test_names(void) {
    char names[TEXT_SIZE];
    uint64_t length = mlxshim_library_function_names(library, names, sizeof names);
    CHECK(length == strlen("axpy\nreverse\nrotate_group\nplace\nadd_one\nspin\nwrite_far\n") && length == strlen(names));
    CHECK(mlxshim_library_function_names(library, NULL, 0) == length);
    const char *const all[] = {"axpy\n", "reverse\n", "rotate_group\n", "place\n", "add_one\n", "spin\n", "write_far\n"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(strstr(names, all[i]) != NULL);
    }
    mlxshim_library_t none = compile("");
    CHECK(mlxshim_library_function_names(none, names, sizeof names) == 0 && names[0] == '\0');
    mlxshim_library_release(none);
    mlxshim_library_release(NULL);
}

static void test_load(void) {
    mlxshim_library_t loaded = UNTOUCHED;
    char message[TEXT_SIZE] = "";
    CHECK(mlxshim_library_load(device, "/nonexistent.metallib", &loaded, message, sizeof message) ==
          MLXSHIM_ERROR_UNSUPPORTED);
    CHECK(loaded == UNTOUCHED && strstr(message, "metallib") != NULL);
}

/* ---- pipelines ---- */

static void test_no_kernel(void) {
    mlxshim_pipeline_t pipeline = UNTOUCHED;
    mlxshim_text_t log = NULL;
    CHECK(mlxshim_pipeline_create(library, "axpyy", NULL, 0, &pipeline, &log) == MLXSHIM_ERROR_NO_KERNEL);
    CHECK(pipeline == UNTOUCHED && log_has(log, "axpyy"));
    CHECK(mlxshim_pipeline_create(library, NULL, NULL, 0, &pipeline, &log) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(pipeline == UNTOUCHED && log_has(log, "NULL"));
    CHECK(mlxshim_pipeline_create(library, "axpy", NULL, 1, &pipeline, &log) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(pipeline == UNTOUCHED && log_has(log, "NULL"));
    CHECK(mlxshim_faults_live_pipelines() == 0);
    mlxshim_pipeline_release(NULL);
}

/* Checks the argument of a name. */
static void check_argument(mlxshim_pipeline_t pipeline, const char *name, bool threadgroup, int32_t index, int32_t written,
                           uint64_t bytes) {
    for (uint64_t i = 0; i < mlxshim_pipeline_argument_count(pipeline); i++) {
        struct mlxshim_argument argument = {.kind = -1};
        char text[TEXT_SIZE];
        uint64_t length = mlxshim_pipeline_argument(pipeline, i, &argument, text, sizeof text);
        CHECK(length == strlen(text));
        if (strcmp(text, name) == 0) {
            CHECK(threadgroup == (argument.kind == MLXSHIM_ARGUMENT_THREADGROUP));
            CHECK(argument.kind >= MLXSHIM_ARGUMENT_BUFFER && argument.kind <= MLXSHIM_ARGUMENT_THREADGROUP);
            CHECK(argument.index == index && argument.byte_size == bytes);
            CHECK(threadgroup || argument.written == written);
            CHECK(mlxshim_pipeline_argument(pipeline, i, &argument, NULL, 0) == length);
            return;
        }
    }
    CHECK(false);
}

static void test_pipeline(void) {
    mlxshim_pipeline_t axpy = new_pipeline("axpy");
    REQUIRE(axpy != NULL);
    CHECK(mlxshim_faults_live_pipelines() == 1);
    CHECK((mlxshim_pipeline_state(axpy) != NULL) == (mlxshim_backend_kind() == MLXSHIM_BACKEND_METAL));
    CHECK(mlxshim_pipeline_thread_execution_width(axpy) == 32);
    CHECK(mlxshim_pipeline_max_total_threads(axpy) >= 64);
    CHECK(mlxshim_pipeline_static_threadgroup_memory(axpy) == 0);
    CHECK(mlxshim_pipeline_argument_count(axpy) == 3);
    check_argument(axpy, "y", false, 0, 1, sizeof(float));
    check_argument(axpy, "x", false, 1, 0, sizeof(float));
    check_argument(axpy, "a", false, 2, 0, sizeof(float));
    mlxshim_pipeline_release(axpy);

    mlxshim_pipeline_t reverse = new_pipeline("reverse");
    CHECK(mlxshim_pipeline_argument_count(reverse) == 2);
    check_argument(reverse, "values", false, 3, 1, sizeof(uint32_t));
    check_argument(reverse, "group", true, 1, 1, sizeof(uint32_t));
    mlxshim_pipeline_release(reverse);

    mlxshim_pipeline_t rotate = new_pipeline("rotate_group");
    CHECK(mlxshim_pipeline_static_threadgroup_memory(rotate) == 64 * sizeof(uint32_t));
    mlxshim_pipeline_release(rotate);
    mlxshim_pipeline_t place = new_pipeline("place");
    CHECK(mlxshim_pipeline_max_total_threads(place) == 64);
    mlxshim_pipeline_release(place);
    CHECK(mlxshim_faults_live_pipelines() == 0);

    uint64_t sizes[3] = {0};
    mlxshim_device_max_threads_per_threadgroup(device, sizes);
    CHECK(sizes[0] >= 64 && sizes[1] >= 64 && sizes[2] >= 64);
    CHECK(mlxshim_device_max_threadgroup_memory(device) >= 16384);
}

/* Whether a kernel does not use the argument of a name. */
static bool is_unused(mlxshim_pipeline_t pipeline, const char *name) {
    for (uint64_t i = 0; i < mlxshim_pipeline_argument_count(pipeline); i++) {
        struct mlxshim_argument argument = {.unused = -1};
        char text[TEXT_SIZE];
        mlxshim_pipeline_argument(pipeline, i, &argument, text, sizeof text);
        if (strcmp(text, name) == 0) {
            CHECK(argument.unused == 0 || argument.unused == 1);
            return argument.unused == 1;
        }
    }
    CHECK(false);
    return false;
}

/* What a kernel does not use need not be bound, and threadgroup memory that it does not access may have 0 bytes. */
static void test_unused_arguments(void) {
    mlxshim_library_t sparing_library = compile(sparing_kernels);
    mlxshim_pipeline_t sparing = new_pipeline_of(sparing_library, "sparing", NULL, 0);
    REQUIRE(sparing != NULL);
    CHECK(mlxshim_pipeline_argument_count(sparing) == 6);
    CHECK(is_unused(sparing, "never") && is_unused(sparing, "other") && is_unused(sparing, "group"));
    CHECK(!is_unused(sparing, "out") && !is_unused(sparing, "spare") && !is_unused(sparing, "pieces"));
    mlxshim_buffer_t buffer = new_buffer(64 * sizeof(uint32_t));
    struct stream stream = {0};
    dispatch_line(&stream, sparing, 64, 32);
    bind_buffer(&stream, 0, buffer, 0);
    bind_bytes(&stream, 2, &(float[2]){1, 2}, 2 * sizeof(float));
    bind_threadgroup(&stream, 1, 0);
    run(&stream);
    const uint32_t *values = mlxshim_buffer_contents(buffer);
    CHECK(values[1] == 1 && values[63] == 63);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(sparing);
    mlxshim_pipeline_t fallback = new_pipeline_of(sparing_library, "fallback<float>", NULL, 0);
    REQUIRE(fallback != NULL);
    CHECK(!is_unused(fallback, "out") && !is_unused(fallback, "in"));
    mlxshim_pipeline_release(fallback);
    mlxshim_library_release(sparing_library);
}

/* Runs `times` with constants on the value 3. */
static int64_t times_three(mlxshim_library_t from, const struct mlxshim_function_constant *constants, uint64_t count) {
    mlxshim_pipeline_t pipeline = new_pipeline_of(from, "times", constants, count);
    mlxshim_buffer_t buffer = new_buffer(sizeof(int64_t));
    int64_t *value = mlxshim_buffer_contents(buffer);
    *value = 3;
    struct stream stream = {0};
    dispatch_line(&stream, pipeline, 1, 1);
    bind_buffer(&stream, 0, buffer, 0);
    run(&stream);
    int64_t result = *value;
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(pipeline);
    return result;
}

static void test_function_constants(void) {
    mlxshim_library_t specialized = compile(specialized_kernels);
    REQUIRE(specialized != NULL);
    const struct mlxshim_function_constant by_index[] = {{NULL, 0, MLXSHIM_TYPE_INT, 7}, {NULL, 1, MLXSHIM_TYPE_BOOL, 0}};
    const struct mlxshim_function_constant by_name[] = {{"factor", 9, MLXSHIM_TYPE_INT, (uint32_t)-5},
                                                        {"negative", 9, MLXSHIM_TYPE_BOOL, 1},
                                                        {"large", 9, MLXSHIM_TYPE_LONG, 1ULL << 40}};
    CHECK(times_three(specialized, by_index, 2) == 21);
    CHECK(times_three(specialized, by_name, 3) == 15 + (1LL << 40));

    mlxshim_pipeline_t pipeline = UNTOUCHED;
    mlxshim_text_t log = NULL;
    const struct mlxshim_function_constant unknown_type = {NULL, 0, 1000, 7};
    CHECK(mlxshim_pipeline_create(specialized, "times", &unknown_type, 1, &pipeline, &log) != MLXSHIM_OK);
    CHECK(pipeline == UNTOUCHED && log_has(log, "1000"));
    mlxshim_library_release(specialized);
    CHECK(mlxshim_faults_live_libraries() == 1 && mlxshim_faults_live_pipelines() == 0);
}

/* ---- commands ---- */

static void test_dispatch(void) {
    mlxshim_pipeline_t axpy = new_pipeline("axpy");
    mlxshim_buffer_t y = new_buffer(COUNT * sizeof(float));
    mlxshim_buffer_t x = new_buffer((COUNT + 3) * sizeof(float));
    float *ys = mlxshim_buffer_contents(y);
    float *xs = mlxshim_buffer_contents(x);
    for (int i = 0; i < COUNT; i++) {
        ys[i] = (float)i;
        xs[i + 3] = (float)(2 * i);
    }
    const float a = 0.5F;
    struct stream stream = {0};
    /* The last threadgroup of the second dispatch is not whole. */
    dispatch(&stream, axpy, MLXSHIM_DISPATCH_THREADGROUPS, (uint64_t[3]){1, 1, 1}, (uint64_t[3]){64, 1, 1});
    bind_buffer(&stream, 0, y, 0);
    bind_buffer(&stream, 1, x, 3 * sizeof(float));
    bind_bytes(&stream, 2, &a, sizeof a);
    dispatch_line(&stream, axpy, COUNT - 1, 64);
    bind_bytes(&stream, 2, &a, sizeof a);
    bind_buffer(&stream, 1, x, 3 * sizeof(float));
    bind_buffer(&stream, 0, y, 0);
    run(&stream);
    bool right = true;
    for (int i = 0; i < COUNT; i++) {
        int times = (i < 64) + (i < COUNT - 1);
        right &= ys[i] == (float)(i + times * i);
    }
    CHECK(right);
    mlxshim_buffer_release(x);
    mlxshim_buffer_release(y);
    mlxshim_pipeline_release(axpy);
}

static void test_dimensions(void) {
    mlxshim_pipeline_t place = new_pipeline("place");
    mlxshim_buffer_t out = new_buffer(7 * 5 * 3 * sizeof(uint32_t));
    struct stream stream = {0};
    dispatch(&stream, place, MLXSHIM_DISPATCH_THREADS, (uint64_t[3]){7, 5, 3}, (uint64_t[3]){4, 4, 2});
    bind_buffer(&stream, 0, out, 0);
    run(&stream);
    const uint32_t *places = mlxshim_buffer_contents(out);
    bool right = true;
    for (uint32_t i = 0; i < 7 * 5 * 3; i++) {
        right &= places[i] == i % 7 + 100 * (i / 7 % 5) + 10000 * (i / 35);
    }
    CHECK(right);
    mlxshim_buffer_release(out);
    mlxshim_pipeline_release(place);
}

/* A dispatch must not count the threadgroup memory of the one before: together they would have too much. */
static void test_threadgroup_memory(void) {
    mlxshim_pipeline_t reverse = new_pipeline("reverse");
    mlxshim_pipeline_t rotate = new_pipeline("rotate_group");
    mlxshim_buffer_t buffer = new_buffer(128 * sizeof(uint32_t));
    uint32_t *values = mlxshim_buffer_contents(buffer);
    for (uint32_t i = 0; i < 128; i++) {
        values[i] = i;
    }
    struct stream stream = {0};
    dispatch_line(&stream, reverse, 128, 64);
    bind_buffer(&stream, 3, buffer, 0);
    bind_threadgroup(&stream, 1, mlxshim_device_max_threadgroup_memory(device));
    dispatch_line(&stream, rotate, 128, 64);
    bind_buffer(&stream, 0, buffer, 0);
    run(&stream);
    bool right = true;
    for (uint32_t i = 0; i < 128; i++) {
        right &= values[i] == i / 64 * 64 + 63 - (i + 1) % 64;
    }
    CHECK(right);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(rotate);
    mlxshim_pipeline_release(reverse);
}

/* Every command sees what those before it wrote, across all kinds of commands. */
static void test_order(void) {
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    mlxshim_buffer_t first = new_buffer(COUNT * sizeof(uint32_t));
    mlxshim_buffer_t second = new_buffer(COUNT * sizeof(uint32_t));
    struct stream stream = {0};
    fill(&stream, first, 0, COUNT * sizeof(uint32_t), 1);
    for (int i = 0; i < 3; i++) {
        dispatch_line(&stream, add_one, COUNT, 256);
        bind_buffer(&stream, 0, first, 0);
    }
    copy(&stream, first, 0, second, 0, COUNT * sizeof(uint32_t));
    concurrent(&stream, 1);
    dispatch_line(&stream, add_one, COUNT, 256);
    bind_buffer(&stream, 0, first, 0);
    dispatch_line(&stream, add_one, COUNT, 256);
    bind_buffer(&stream, 0, second, 0);
    begin(&stream, MLXSHIM_COMMAND_BARRIER);
    dispatch_line(&stream, add_one, COUNT, 256);
    bind_buffer(&stream, 0, second, 0);
    concurrent(&stream, 0);
    dispatch_line(&stream, add_one, COUNT, 256);
    bind_buffer(&stream, 0, second, 0);
    copy(&stream, second, 4, first, 8, 5);
    copy(&stream, second, 0, second, 4, 4);
    fill(&stream, first, 3, 1, 0xFF);
    run(&stream);
    const uint32_t *in_second = mlxshim_buffer_contents(second);
    const uint32_t *in_first = mlxshim_buffer_contents(first);
    CHECK(in_second[0] == 0x01010101 + 6 && in_second[COUNT - 1] == 0x01010101 + 6);
    CHECK(in_second[1] == in_second[0]);
    CHECK(in_first[0] == (0xFF000000 | (0x010101 + 4)) && in_first[1] == 0x01010101 + 4);
    CHECK(in_first[2] == 0x01010101 + 6 && in_first[3] == 0x01010107);
    mlxshim_buffer_release(second);
    mlxshim_buffer_release(first);
    mlxshim_pipeline_release(add_one);
}

static void test_empty_stream(void) {
    struct stream stream = {0};
    run(&stream);
    mlxshim_event_t event = new_event();
    mlxshim_command_buffer_t commands = NULL;
    mlxshim_text_t log = NULL;
    CHECK(mlxshim_queue_submit(queue, NULL, NULL, 0, event, 1, &commands, &log) == MLXSHIM_OK);
    CHECK(mlxshim_event_wait(event, 1, WAIT_MILLIS) == MLXSHIM_OK);
    uint64_t start = 0;
    uint64_t end = 0;
    mlxshim_command_buffer_gpu_times(commands, &start, &end);
    CHECK(start > 0 && start <= end);
    int32_t failure = -1;
    char text[TEXT_SIZE] = "?";
    CHECK(mlxshim_command_buffer_failure(commands, &failure, text, sizeof text) == 0);
    CHECK(failure == MLXSHIM_FAILURE_NONE && text[0] == '\0');
    mlxshim_command_buffer_release(commands);
    mlxshim_command_buffer_release(NULL);
    CHECK(mlxshim_queue_submit(queue, NULL, NULL, 8, event, 2, &commands, &log) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(log_has(log, "NULL") && mlxshim_event_signaled_value(event) == 1);
    mlxshim_event_release(event);
}

/* The second queue waits for what the first does only once the CPU lets it. */
static void test_events_between_queues(void) {
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    mlxshim_queue_t other = new_queue();
    mlxshim_buffer_t buffer = new_buffer(sizeof(uint32_t));
    mlxshim_event_t gate = new_event();
    mlxshim_event_t handover = new_event();
    mlxshim_event_t done = new_event();
    struct stream after = {0};
    event_command(&after, MLXSHIM_COMMAND_WAIT, handover, 7);
    dispatch_line(&after, add_one, 1, 1);
    bind_buffer(&after, 0, buffer, 0);
    struct stream before = {0};
    event_command(&before, MLXSHIM_COMMAND_WAIT, gate, 1);
    fill(&before, buffer, 0, sizeof(uint32_t), 2);
    event_command(&before, MLXSHIM_COMMAND_SIGNAL, handover, 7);
    mlxshim_command_buffer_t second = submit_to(other, &after, done, 2);
    mlxshim_command_buffer_t first = submit_to(queue, &before, done, 1);
    CHECK(mlxshim_event_wait(done, 1, 20) == MLXSHIM_ERROR_TIMEOUT);
    CHECK(mlxshim_command_buffer_status(second) < MLXSHIM_STATUS_COMPLETED);
    CHECK(mlxshim_event_signal(gate, 1) == MLXSHIM_OK);
    CHECK(mlxshim_event_wait(done, 2, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(mlxshim_command_buffer_status(second) == MLXSHIM_STATUS_COMPLETED);
    CHECK(*(uint32_t *)mlxshim_buffer_contents(buffer) == 0x02020203);
    mlxshim_command_buffer_release(first);
    mlxshim_command_buffer_release(second);
    mlxshim_event_release(done);
    mlxshim_event_release(handover);
    mlxshim_event_release(gate);
    mlxshim_buffer_release(buffer);
    mlxshim_queue_release(other);
    mlxshim_pipeline_release(add_one);
}

static void test_queue_refused(void) {
    mlxshim_queue_t created = UNTOUCHED;
    char message[TEXT_SIZE] = "";
    CHECK(mlxshim_queue_create(device, NULL, 0, &created, message, sizeof message) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_queue_create(device, "\xff", 1, &created, message, sizeof message) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(created == UNTOUCHED && strlen(message) > 0);
    mlxshim_queue_release(NULL);
    mlxshim_residency_set_t set = NULL;
    REQUIRE(mlxshim_residency_set_create(device, NULL, 0, &set, NULL, 0) == MLXSHIM_OK);
    CHECK(mlxshim_queue_add_residency_set(queue, set) == MLXSHIM_OK);
    CHECK(mlxshim_queue_remove_residency_set(queue, set) == MLXSHIM_OK);
    CHECK(mlxshim_queue_add_residency_set(queue, NULL) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_queue_remove_residency_set(queue, NULL) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    mlxshim_residency_set_release(set);
    CHECK(reaches(mlxshim_faults_live_queues, 1));
}

/* ---- failures ---- */

/* Runs a stream that must fail, and checks what is told of it. */
static void check_failing(const struct stream *stream, int32_t failure) {
    mlxshim_event_t event = new_event();
    mlxshim_command_buffer_t commands = submit_to(queue, stream, event, 3);
    REQUIRE(commands != NULL);
    CHECK(mlxshim_event_wait(event, 3, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(mlxshim_command_buffer_status(commands) == MLXSHIM_STATUS_ERROR);
    int32_t reported = -1;
    char text[TEXT_SIZE];
    uint64_t length = mlxshim_command_buffer_failure(commands, &reported, text, sizeof text);
    CHECK(reported == failure && length > 0 && length == strlen(text));
    bool tells = mlxshim_backend_kind() == MLXSHIM_BACKEND_HOST || stream->count == 0 ||
                 strstr(text, "\nencoder 1 of 1 faulted") != NULL;
    CHECK(tells);
    mlxshim_command_buffer_release(commands);
    mlxshim_event_release(event);
    struct stream nothing = {0};
    run(&nothing);
}

static void test_injected_failures(void) {
    struct stream nothing = {0};
    for (int32_t failure = MLXSHIM_FAILURE_FAULT; failure <= MLXSHIM_FAILURE_OTHER; failure++) {
        mlxshim_faults_set_command_buffer_failure(failure);
        mlxshim_event_t event = new_event();
        mlxshim_command_buffer_t commands = submit_to(queue, &nothing, event, 1);
        mlxshim_faults_set_command_buffer_failure(MLXSHIM_FAILURE_NONE);
        CHECK(mlxshim_event_wait(event, 1, WAIT_MILLIS) == MLXSHIM_OK);
        int32_t reported = -1;
        CHECK(mlxshim_command_buffer_failure(commands, &reported, NULL, 0) > 0 && reported == failure);
        CHECK(mlxshim_command_buffer_status(commands) == MLXSHIM_STATUS_ERROR);
        mlxshim_command_buffer_release(commands);
        mlxshim_event_release(event);
    }
}

static void test_fault(void) {
    mlxshim_pipeline_t write_far = new_pipeline("write_far");
    mlxshim_buffer_t buffer = new_buffer(4096);
    struct stream stream = {0};
    dispatch_line(&stream, write_far, 100, 32);
    bind_buffer(&stream, 0, buffer, 0);
    check_failing(&stream, MLXSHIM_FAILURE_FAULT);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(write_far);
}

/* A kernel must not access threadgroup memory of 0 bytes. */
static void test_no_threadgroup_memory(void) {
    mlxshim_pipeline_t reverse = new_pipeline("reverse");
    mlxshim_buffer_t buffer = new_buffer(64 * sizeof(uint32_t));
    struct stream stream = {0};
    dispatch_line(&stream, reverse, 64, 32);
    bind_buffer(&stream, 3, buffer, 0);
    bind_threadgroup(&stream, 1, 0);
    check_failing(&stream, MLXSHIM_FAILURE_FAULT);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(reverse);
}

static void test_endless_kernel(void) {
    mlxshim_pipeline_t spin = new_pipeline("spin");
    mlxshim_buffer_t buffer = new_buffer(4);
    struct stream stream = {0};
    dispatch_line(&stream, spin, 64, 32);
    bind_buffer(&stream, 0, buffer, 0);
    mlxshim_faults_set_kernel_timeout(50);
    check_failing(&stream, MLXSHIM_FAILURE_TIMEOUT);
    mlxshim_faults_set_kernel_timeout(0);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(spin);
}

/* ---- malformed streams ---- */

struct malformed {
    enum { DISPATCH, COPY, FILL, EVENT, CONCURRENT } base;
    uint64_t word;        /* its word that is replaced */
    uint64_t value;       /* by this one */
    const char *reported; /* what the log must have */
};

#define PAIR(first, second) ((uint64_t)(first) | (uint64_t)(second) << 32)

/* The words of a dispatch: 0 opcode, 1 pipeline, 2 unit, 3 grid, 6 threadgroup, 9 count, 10 buffer, 13 bytes, 16 memory. */
static const struct malformed malformed[] = {
    {DISPATCH, 0, PAIR(0, 144), "opcode"},
    {DISPATCH, 0, PAIR(8, 144), "opcode"},
    {DISPATCH, 0, PAIR(0xFFFFFFFF, 144), "4294967295"},
    {DISPATCH, 0, PAIR(MLXSHIM_COMMAND_DISPATCH, 0), " 0 bytes"},
    {DISPATCH, 0, PAIR(MLXSHIM_COMMAND_DISPATCH, 72), "72"},
    {DISPATCH, 0, PAIR(MLXSHIM_COMMAND_DISPATCH, 141), "141"},
    {DISPATCH, 0, PAIR(MLXSHIM_COMMAND_DISPATCH, 152), "152"},
    {DISPATCH, 0, PAIR(MLXSHIM_COMMAND_DISPATCH, 0xFFFFFFF8), "4294967288"},
    {DISPATCH, 0, PAIR(MLXSHIM_COMMAND_BARRIER, 144), "144"},
    {DISPATCH, 1, 0, "NULL"},
    {DISPATCH, 2, 2000, "2000"},
    {DISPATCH, 2, UINT64_MAX, "18446744073709551615"},
    {DISPATCH, 3, 0, "0"},
    {DISPATCH, 4, 0, "0"},
    {DISPATCH, 5, 0, "0"},
    {DISPATCH, 3, 1ULL << 32, "4294967296"},
    {DISPATCH, 3, UINT64_MAX, "18446744073709551615"},
    {DISPATCH, 6, 0, "0"},
    {DISPATCH, 7, 0, "0"},
    {DISPATCH, 8, 0, "0"},
    {DISPATCH, 6, 4000, "4000"},
    {DISPATCH, 7, 33, "1056"},
    {DISPATCH, 8, UINT64_MAX, "18446744073709551615"},
    {DISPATCH, 9, 2, "bindings"},
    {DISPATCH, 9, 4, "binding"},
    {DISPATCH, 9, UINT64_MAX, "binding"},
    {DISPATCH, 10, PAIR(0, 0), "kind"},
    {DISPATCH, 10, PAIR(4000, 0), "4000"},
    {DISPATCH, 10, PAIR(MLXSHIM_BIND_BUFFER, 31), "31"},
    {DISPATCH, 10, PAIR(MLXSHIM_BIND_BUFFER, 0xFFFFFFFF), "4294967295"},
    {DISPATCH, 11, 0, "NULL"},
    {DISPATCH, 12, 4096, "4096"},
    {DISPATCH, 12, UINT64_MAX, "18446744073709551615"},
    {DISPATCH, 13, PAIR(MLXSHIM_BIND_BYTES, 31), "31"},
    {DISPATCH, 14, 0, " 0 bytes for"},
    {DISPATCH, 14, 25, "beyond the command"},
    {DISPATCH, 14, 4097, "4097"},
    {DISPATCH, 14, UINT64_MAX, "18446744073709551615"},
    {DISPATCH, 16, PAIR(MLXSHIM_BIND_THREADGROUP, 31), "31"},
    {DISPATCH, 16, PAIR(MLXSHIM_BIND_BUFFER, 0), "binding"},
    {DISPATCH, 17, 8, "8"},
    {DISPATCH, 17, 1 << 20, "1048576"},
    {DISPATCH, 17, UINT64_MAX - 15, "18446744073709551600"},
    {COPY, 0, PAIR(MLXSHIM_COMMAND_COPY, 40), "40"},
    {COPY, 0, PAIR(MLXSHIM_COMMAND_COPY, 56), "56"},
    {COPY, 1, 0, "NULL"},
    {COPY, 3, 0, "NULL"},
    {COPY, 5, 0, "0"},
    {COPY, 5, 4097, "4097"},
    {COPY, 5, UINT64_MAX, "18446744073709551615"},
    {COPY, 2, 4089, "4089"},
    {COPY, 2, UINT64_MAX, "18446744073709551615"},
    {COPY, 4, 4093, "4093"},
    {COPY, 4, UINT64_MAX - 3, "18446744073709551612"},
    {FILL, 0, PAIR(MLXSHIM_COMMAND_FILL, 32), "32"},
    {FILL, 1, 0, "NULL"},
    {FILL, 2, 4093, "4093"},
    {FILL, 3, 0, "0"},
    {FILL, 3, 4097, "4097"},
    {FILL, 4, 256, "256"},
    {FILL, 4, UINT64_MAX, "18446744073709551615"},
    {EVENT, 0, PAIR(MLXSHIM_COMMAND_SIGNAL, 16), "16"},
    {EVENT, 0, PAIR(MLXSHIM_COMMAND_WAIT, 32), "32"},
    {EVENT, 1, 0, "NULL"},
    {CONCURRENT, 0, PAIR(MLXSHIM_COMMAND_CONCURRENT, 8), "8"},
    {CONCURRENT, 1, 2000, "2000"},
};

struct bases {
    mlxshim_pipeline_t pipeline;
    mlxshim_buffer_t buffer;
    mlxshim_buffer_t other;
    mlxshim_event_t event;
};

static struct stream base_stream(const struct bases *bases, int base) {
    struct stream stream = {0};
    const float a = 1;
    switch (base) {
        case DISPATCH:
            dispatch(&stream, bases->pipeline, MLXSHIM_DISPATCH_THREADS, (uint64_t[3]){64, 1, 1},
                     (uint64_t[3]){32, 1, 1});
            bind_buffer(&stream, 0, bases->buffer, 0);
            bind_bytes(&stream, 2, &a, sizeof a);
            bind_threadgroup(&stream, 0, 16);
            break;
        case COPY: copy(&stream, bases->buffer, 0, bases->other, 0, 8); break;
        case FILL: fill(&stream, bases->buffer, 0, 8, 1); break;
        case EVENT: event_command(&stream, MLXSHIM_COMMAND_SIGNAL, bases->event, 1); break;
        default: concurrent(&stream, 1);
    }
    return stream;
}

/* Submits the first bytes of a stream, which must be refused, from memory that ends where the bytes end. */
static void check_refused(const struct stream *stream, uint64_t length, mlxshim_event_t event, const char *reported) {
    char *exact = malloc(length);
    memcpy(exact, stream->words, length);
    mlxshim_command_buffer_t commands = UNTOUCHED;
    mlxshim_text_t log = NULL;
    CHECK(mlxshim_queue_submit(queue, NULL, exact, length, event, 1, &commands, &log) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(commands == UNTOUCHED && log_has(log, reported));
    free(exact);
}

static void test_malformed_streams(void) {
    struct bases bases = {new_pipeline("axpy"), new_buffer(4096), new_buffer(4096), new_event()};
    mlxshim_event_t event = new_event();
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct stream stream = {0};
        fill(&stream, bases.buffer, 0, 4, 0xEE);
        struct stream bad = base_stream(&bases, malformed[i].base);
        bad.words[malformed[i].word] = malformed[i].value;
        memcpy(stream.words + stream.count, bad.words, bad.count * sizeof(uint64_t));
        stream.count += bad.count;
        check_refused(&stream, stream.count * sizeof(uint64_t), event, malformed[i].reported);
        check_refused(&stream, stream.count * sizeof(uint64_t), event, "byte 40 ");
    }
    struct stream overlap = {0};
    copy(&overlap, bases.buffer, 8, bases.buffer, 15, 8);
    check_refused(&overlap, overlap.count * sizeof(uint64_t), event, "overlap");
    mlxshim_pipeline_t rotate = new_pipeline("rotate_group");
    struct stream too_much = {0};
    dispatch_line(&too_much, rotate, 64, 64);
    bind_buffer(&too_much, 0, bases.buffer, 0);
    bind_threadgroup(&too_much, 0, mlxshim_device_max_threadgroup_memory(device));
    check_refused(&too_much, too_much.count * sizeof(uint64_t), event, "threadgroup memory");
    mlxshim_pipeline_release(rotate);
    for (int base = DISPATCH; base <= CONCURRENT; base++) {
        struct stream stream = base_stream(&bases, base);
        for (uint64_t length = 1; length < stream.count * sizeof(uint64_t); length++) {
            check_refused(&stream, length, event, "byte 0 ");
        }
    }
    CHECK(*(uint32_t *)mlxshim_buffer_contents(bases.buffer) == 0);
    CHECK(mlxshim_event_signaled_value(event) == 0 && mlxshim_event_signaled_value(bases.event) == 0);
    CHECK(reaches(mlxshim_faults_live_command_buffers, 0) && mlxshim_faults_live_texts() == 0);
    mlxshim_event_release(event);
    mlxshim_event_release(bases.event);
    mlxshim_buffer_release(bases.other);
    mlxshim_buffer_release(bases.buffer);
    mlxshim_pipeline_release(bases.pipeline);
}

/* ---- lifetimes ---- */

static void test_released_in_flight(void) {
    mlxshim_library_t own = compile(kernels);
    mlxshim_pipeline_t add_one = new_pipeline_of(own, "add_one", NULL, 0);
    mlxshim_library_release(own);
    mlxshim_queue_t own_queue = new_queue();
    mlxshim_buffer_t result = new_buffer(64);
    mlxshim_buffer_t buffer = new_buffer(64);
    mlxshim_event_t signalled = new_event();
    mlxshim_event_t done = new_event();
    struct stream stream = {0};
    fill(&stream, buffer, 0, 64, 0);
    dispatch_line(&stream, add_one, 16, 16);
    bind_buffer(&stream, 0, buffer, 0);
    event_command(&stream, MLXSHIM_COMMAND_SIGNAL, signalled, 1);
    event_command(&stream, MLXSHIM_COMMAND_WAIT, signalled, 1);
    copy(&stream, buffer, 0, result, 0, 64);
    mlxshim_faults_hold_queues(1);
    mlxshim_command_buffer_t commands = submit_to(own_queue, &stream, done, 1);
    mlxshim_buffer_release(buffer);
    mlxshim_event_release(signalled);
    mlxshim_pipeline_release(add_one);
    mlxshim_queue_release(own_queue);
    mlxshim_command_buffer_release(commands);
    CHECK(mlxshim_event_wait(done, 1, 20) == MLXSHIM_ERROR_TIMEOUT);
    if (mlxshim_backend_kind() == MLXSHIM_BACKEND_METAL) {
        /* The stand-in counts objects, not handles. */
        CHECK(mlxshim_faults_live_buffers() == 2 && mlxshim_faults_live_events() == 2);
    }
    mlxshim_faults_hold_queues(0);
    CHECK(mlxshim_event_wait(done, 1, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(((uint32_t *)mlxshim_buffer_contents(result))[15] == 1);
    CHECK(reaches(mlxshim_faults_live_command_buffers, 0) && reaches(mlxshim_faults_live_buffers, 1));
    CHECK(reaches(mlxshim_faults_live_events, 1) && reaches(mlxshim_faults_live_queues, 1));
    CHECK(reaches(mlxshim_faults_live_pipelines, 0) && reaches(mlxshim_faults_live_libraries, 1));
    mlxshim_event_release(done);
    mlxshim_buffer_release(result);
}

static void *submit_many(void *unused) {
    (void)unused;
    mlxshim_queue_t own = new_queue();
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    mlxshim_buffer_t buffer = new_buffer(256 * sizeof(uint32_t));
    mlxshim_event_t event = new_event();
    for (uint64_t i = 1; i <= MAX_COMMAND_BUFFERS / 2; i++) {
        struct stream stream = {0};
        dispatch_line(&stream, add_one, 256, 64);
        bind_buffer(&stream, 0, buffer, 0);
        mlxshim_command_buffer_release(submit_to(own, &stream, event, i));
    }
    CHECK(mlxshim_event_wait(event, MAX_COMMAND_BUFFERS / 2, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(((uint32_t *)mlxshim_buffer_contents(buffer))[255] == MAX_COMMAND_BUFFERS / 2);
    mlxshim_event_release(event);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(add_one);
    mlxshim_queue_release(own);
    return NULL;
}

static void test_across_threads(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, submit_many, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

/* ---- faults ---- */

static void test_create_fails(void) {
    mlxshim_text_t log = NULL;
    mlxshim_faults_fail_create(1, 1);
    CHECK(compile_text("", NULL, 0, 1, &log) == MLXSHIM_ERROR_OUT_OF_MEMORY && log_has(log, "memory"));
    mlxshim_faults_fail_create(1, 1);
    mlxshim_pipeline_t pipeline = UNTOUCHED;
    CHECK(mlxshim_pipeline_create(library, "axpy", NULL, 0, &pipeline, &log) == MLXSHIM_ERROR_OUT_OF_MEMORY);
    CHECK(pipeline == UNTOUCHED && log_has(log, "memory"));
    mlxshim_faults_fail_create(1, 1);
    mlxshim_queue_t created = UNTOUCHED;
    CHECK(mlxshim_queue_create(device, NULL, 1, &created, NULL, 0) == MLXSHIM_ERROR_OUT_OF_MEMORY);
    CHECK(created == UNTOUCHED);
    mlxshim_event_t event = new_event();
    mlxshim_faults_fail_create(1, 1);
    mlxshim_command_buffer_t commands = UNTOUCHED;
    CHECK(mlxshim_queue_submit(queue, NULL, NULL, 0, event, 1, &commands, &log) == MLXSHIM_ERROR_OUT_OF_MEMORY);
    CHECK(commands == UNTOUCHED && log_has(log, "memory") && mlxshim_event_signaled_value(event) == 0);
    mlxshim_event_release(event);
}

/* What only Metal refuses: old systems, and GPUs that are not Apple's. */
static void test_old_metal(void) {
    mlxshim_text_t log = NULL;
    mlxshim_faults_set_no_residency_sets(1);
    const char *fast = "#if !__FAST_MATH__\n#error precise\n#endif\n";
    CHECK(compile_text(fast, NULL, 0, 1, &log) == MLXSHIM_OK && log == NULL);
    CHECK(compile_text(fast, NULL, 0, 0, &log) == MLXSHIM_ERROR_COMPILATION && log_has(log, "precise"));
    const struct mlxshim_function_constant bfloat = {NULL, 0, MLXSHIM_TYPE_BFLOAT, 0};
    mlxshim_pipeline_t pipeline = UNTOUCHED;
    CHECK(mlxshim_pipeline_create(library, "axpy", &bfloat, 1, &pipeline, &log) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(pipeline == UNTOUCHED && log_has(log, "121"));
    mlxshim_faults_set_no_residency_sets(2);
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    mlxshim_buffer_t buffer = new_buffer(400);
    mlxshim_event_t event = new_event();
    mlxshim_command_buffer_t commands = UNTOUCHED;
    struct stream whole = {0};
    dispatch_line(&whole, add_one, 96, 32);
    bind_buffer(&whole, 0, buffer, 0);
    fill(&whole, buffer, 4, 4, 1);
    run(&whole);
    struct stream part = {0};
    dispatch_line(&part, add_one, 100, 32);
    bind_buffer(&part, 0, buffer, 0);
    CHECK(mlxshim_queue_submit(queue, NULL, part.words, part.count * 8, event, 1, &commands, &log) ==
          MLXSHIM_ERROR_UNSUPPORTED);
    CHECK(commands == UNTOUCHED && log_has(log, "100 threads in threadgroups of 32"));
    const uint64_t ranges[][2] = {{1, 4}, {4, 3}};
    for (int i = 0; i < 2; i++) {
        struct stream odd = {0};
        fill(&odd, buffer, ranges[i][0], ranges[i][1], 1);
        CHECK(mlxshim_queue_submit(queue, NULL, odd.words, odd.count * 8, event, 1, &commands, &log) ==
              MLXSHIM_ERROR_UNSUPPORTED);
        CHECK(commands == UNTOUCHED && log_has(log, "multiples of 4"));
    }
    mlxshim_faults_clear();
    mlxshim_event_release(event);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(add_one);
}

static void test_capture(void) {
    char message[TEXT_SIZE] = "";
    CHECK(mlxshim_capture_start(device, "/tmp/none.gputrace", message, sizeof message) == MLXSHIM_ERROR_UNSUPPORTED);
    CHECK(strlen(message) > 0);
    mlxshim_capture_stop();
}

/* What only Metal does: it records, if the environment lets it. */
static void test_recording(void) {
    char message[TEXT_SIZE] = "";
    char folder[] = "/tmp/compute_contract_test.XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    char file[sizeof folder + sizeof "/trace"];
    snprintf(file, sizeof file, "%s/trace", folder);
    setenv("MTL_CAPTURE_ENABLED", "1", 1);
    CHECK(mlxshim_capture_start(device, NULL, message, sizeof message) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_capture_start(device, "/nonexistent/trace", message, sizeof message) == MLXSHIM_ERROR_UNSUPPORTED);
    CHECK(strstr(message, "/nonexistent/trace: ") != NULL);
    CHECK(mlxshim_capture_start(device, file, NULL, 0) == MLXSHIM_OK);
    CHECK(mlxshim_capture_start(device, file, message, sizeof message) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(message, "already") != NULL);
    mlxshim_capture_stop();
    mlxshim_capture_stop();
    CHECK(unlink(file) == 0);
    unsetenv("MTL_CAPTURE_ENABLED");
    CHECK(rmdir(folder) == 0);
}

/* ---- rounds ---- */

static void run_round(void) {
    mlxshim_faults_clear();
    REQUIRE(mlxshim_device_open(&device, NULL, 0) == MLXSHIM_OK);
    library = compile(kernels);
    queue = new_queue();
    REQUIRE(library != NULL && queue != NULL);
    test_compile_error();
    test_compile_options();
    test_names();
    test_load();
    test_no_kernel();
    test_pipeline();
    test_unused_arguments();
    test_function_constants();
    test_dispatch();
    test_dimensions();
    test_threadgroup_memory();
    test_order();
    test_empty_stream();
    test_events_between_queues();
    test_queue_refused();
    test_injected_failures();
    test_fault();
    test_no_threadgroup_memory();
    test_endless_kernel();
    test_malformed_streams();
    test_released_in_flight();
    test_across_threads();
    test_create_fails();
    test_capture();
    if (mlxshim_backend_kind() == MLXSHIM_BACKEND_METAL) {
        test_old_metal();
        test_recording();
    }
    mlxshim_queue_release(queue);
    mlxshim_library_release(library);
    mlxshim_device_release(device);
    CHECK(reaches(mlxshim_faults_live_buffers, 0) && reaches(mlxshim_faults_live_events, 0));
    CHECK(reaches(mlxshim_faults_live_residency_sets, 0) && reaches(mlxshim_faults_live_libraries, 0));
    CHECK(reaches(mlxshim_faults_live_pipelines, 0) && reaches(mlxshim_faults_live_queues, 0));
    CHECK(reaches(mlxshim_faults_live_command_buffers, 0) && reaches(mlxshim_faults_live_texts, 0));
    CHECK(reaches(mlxshim_faults_live_devices, 0));
}

/* Kilobytes that the process has mapped for its data; 0 on systems without /proc/self/statm. */
static unsigned long mapped_kilobytes(void) {
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm != NULL) {
        if (fscanf(statm, "%*u %*u %*u %*u %*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(statm);
    }
    return pages * ((unsigned long)sysconf(_SC_PAGESIZE) / 1024);
}

int main(int count, char **arguments) {
    mlxshim_configure_compiler(NULL, NULL, getenv("MLXSHIM_COMPILER_CACHE"));
    int rounds = count > 1 ? atoi(arguments[1]) : 1;
    for (int round = 0; round < rounds; round++) {
        run_round();
    }
    printf("mlxshim compute contract: %lu passed, %lu failed (%d rounds, %lu kB mapped at the end)\n", checks_passed,
           checks_failed, rounds, mapped_kilobytes());
    fflush(stdout);
    return checks_failed == 0 && rounds > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
