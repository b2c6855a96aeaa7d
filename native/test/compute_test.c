/*
 * Tests the compute part of the host shim: a kernel that fails ends its command buffer alone, queues run side by side,
 * and no stream of commands harms the process. The contract test has what all shims have in common.
 *
 *   compute_test plain        leaves out kernels that need fibers, which ThreadSanitizer cannot follow, and those that
 *                             are interrupted, because it holds their signals back
 *   compute_test [OPTIONS]    compiles kernels with these options, such as the target if this program is emulated
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "compute_objects.h"
#include "mlxshim_faults.h"

#define THREADS 4
#define TEXT_SIZE 1024
#define WAIT_MILLIS 60000
#define STREAM_BYTES 8192

static const char source[] =
    "#include <metal_stdlib>\n"
    "using namespace metal;\n"
    "kernel void axpy(device float *y [[buffer(0)]], device const float *x [[buffer(1)]],\n"
    "                 constant float &a [[buffer(2)]], uint i [[thread_position_in_grid]]) {\n"
    "    y[i] += a * x[i];\n"
    "}\n"
    "kernel void add_one(device uint *values [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
    "    values[i] += 1;\n"
    "}\n"
    "kernel void add_one_below_64(device uint *values [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
    "    if (i < 64) {\n"
    "        values[i] += 1;\n"
    "    }\n"
    "}\n"
    "kernel void copy_argument(device uint *out [[buffer(0)]], device const uint *in [[buffer(1)]],\n"
    "                          uint i [[thread_position_in_grid]]) {\n"
    "    out[i] = in[i];\n"
    "}\n"
    "kernel void sum_groups(device uint *out [[buffer(0)]], device const uint *in [[buffer(1)]],\n"
    "                       threadgroup uint *sums [[threadgroup(0)]], uint i [[thread_position_in_grid]],\n"
    "                       uint lane [[thread_index_in_simdgroup]],\n"
    "                       uint simdgroup [[simdgroup_index_in_threadgroup]],\n"
    "                       uint thread_index [[thread_index_in_threadgroup]],\n"
    "                       uint group [[threadgroup_position_in_grid]]) {\n"
    "    uint sum = simd_sum(in[i]);\n"
    "    if (lane == 0) {\n"
    "        sums[simdgroup] = sum;\n"
    "    }\n"
    "    threadgroup_barrier(mem_flags::mem_threadgroup);\n"
    "    if (thread_index == 0) {\n"
    "        out[group] = sums[0] + sums[1];\n"
    "    }\n"
    "}\n"
    "kernel void write_far(device uint *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
    "    out[-(1l << 40)] = i;\n"
    "}\n"
    "kernel void write_far_after_barrier(device uint *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
    "    threadgroup_barrier(mem_flags::mem_none);\n"
    "    if (i == 40) {\n"
    "        out[-(1l << 40)] = i;\n"
    "    }\n"
    "}\n"
    "kernel void spin(device volatile uint *flag [[buffer(0)]]) {\n"
    "    while (*flag == 0) {\n"
    "    }\n"
    "}\n";

static mlxshim_library_t library;

/* ---- helpers ---- */

static mlxshim_pipeline_t new_pipeline(const char *name) {
    mlxshim_pipeline_t pipeline = NULL;
    mlxshim_text_t log = NULL;
    CHECK(mlxshim_pipeline_create(library, name, NULL, 0, &pipeline, &log) == MLXSHIM_OK);
    mlxshim_text_release(log);
    return pipeline;
}

static uint32_t *words_of(mlxshim_buffer_t buffer) {
    return mlxshim_buffer_contents(buffer);
}

/* A correct kernel may wait for long for a CPU. */
static void clear_faults(void) {
    mlxshim_faults_clear();
    mlxshim_faults_set_kernel_timeout(WAIT_MILLIS);
}

/* A stream that is written. */
struct stream {
    uint64_t bytes[STREAM_BYTES / 8];
    bool pairs[STREAM_BYTES / 8]; /* which words begin a command or a binding */
    uint64_t length;
    uint64_t command; /* where the last command begins */
};

static void put(struct stream *stream, uint64_t word) {
    stream->bytes[stream->length / 8] = word;
    stream->length += 8;
    ((uint32_t *)&stream->bytes[stream->command / 8])[1] = (uint32_t)(stream->length - stream->command);
}

static void put_handle(struct stream *stream, const void *handle) {
    put(stream, (uintptr_t)handle);
}

static void put_pair(struct stream *stream, uint32_t first, uint32_t second) {
    uint32_t pair[2] = {first, second};
    uint64_t word;
    memcpy(&word, pair, sizeof word);
    stream->pairs[stream->length / 8] = true;
    put(stream, word);
}

static void put_command(struct stream *stream, uint32_t opcode) {
    stream->command = stream->length;
    put_pair(stream, opcode, 8);
    ((uint32_t *)&stream->bytes[stream->command / 8])[1] = 8;
}

/* A dispatch over a grid of threads of one dimension. Bindings follow. */
static void put_dispatch(struct stream *stream, mlxshim_pipeline_t pipeline, uint64_t threads, uint64_t threadgroup,
                         uint64_t bindings) {
    put_command(stream, MLXSHIM_COMMAND_DISPATCH);
    put_handle(stream, pipeline);
    uint64_t words[] = {MLXSHIM_DISPATCH_THREADS, threads, 1, 1, threadgroup, 1, 1, bindings};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        put(stream, words[i]);
    }
}

static void put_buffer(struct stream *stream, uint32_t index, mlxshim_buffer_t buffer, uint64_t offset) {
    put_pair(stream, MLXSHIM_BIND_BUFFER, index);
    put_handle(stream, buffer);
    put(stream, offset);
}

static void put_bytes(struct stream *stream, uint32_t index, const void *bytes, uint64_t length) {
    put_pair(stream, MLXSHIM_BIND_BYTES, index);
    put(stream, length);
    for (uint64_t i = 0; i < length; i += 8) {
        uint64_t word = 0;
        memcpy(&word, (const char *)bytes + i, length - i < 8 ? length - i : 8);
        put(stream, word);
    }
}

static void put_event(struct stream *stream, uint32_t opcode, mlxshim_event_t event, uint64_t value) {
    put_command(stream, opcode);
    put_handle(stream, event);
    put(stream, value);
}

/* Adds one to `count` numbers of a buffer. */
static void put_add_one(struct stream *stream, mlxshim_pipeline_t add_one, mlxshim_buffer_t buffer, uint64_t count) {
    put_dispatch(stream, add_one, count, 32, 1);
    put_buffer(stream, 0, buffer, 0);
}

static mlxshim_command_buffer_t submit(mlxshim_queue_t queue, const struct stream *stream, mlxshim_event_t event,
                                       uint64_t value) {
    mlxshim_command_buffer_t commands = NULL;
    mlxshim_text_t log = NULL;
    int32_t status =
        mlxshim_queue_submit(queue, "commands", stream->bytes, stream->length, event, value, &commands, &log);
    if (!CHECK(status == MLXSHIM_OK)) {
        char text[TEXT_SIZE] = "";
        mlxshim_text_copy(log, text, sizeof text);
        fprintf(stderr, "%s\n", text);
    }
    mlxshim_text_release(log);
    return commands;
}

/* Submits a stream and waits for its end. Returns the failure, with its text. */
static int32_t run(mlxshim_queue_t queue, const struct stream *stream, char text[TEXT_SIZE]) {
    mlxshim_event_t event = new_event();
    mlxshim_command_buffer_t commands = submit(queue, stream, event, 1);
    CHECK(mlxshim_event_wait(event, 1, WAIT_MILLIS) == MLXSHIM_OK);
    int32_t failure = MLXSHIM_FAILURE_OTHER;
    uint64_t length = mlxshim_command_buffer_failure(commands, &failure, text, TEXT_SIZE);
    CHECK(length == strlen(text));
    int32_t status = failure == MLXSHIM_FAILURE_NONE ? MLXSHIM_STATUS_COMPLETED : MLXSHIM_STATUS_ERROR;
    CHECK(mlxshim_command_buffer_status(commands) == status);
    mlxshim_command_buffer_release(commands);
    mlxshim_event_release(event);
    return failure;
}

static void run_well(mlxshim_queue_t queue, const struct stream *stream) {
    char text[TEXT_SIZE] = "";
    if (!CHECK(run(queue, stream, text) == MLXSHIM_FAILURE_NONE)) {
        fprintf(stderr, "%s\n", text);
    }
}

static bool has_text(const char *text, const char *part) {
    bool has = strstr(text, part) != NULL;
    if (!has) {
        fprintf(stderr, "no \"%s\" in \"%s\"\n", part, text);
    }
    return has;
}

/* ---- kernels ---- */

static void test_axpy(void) {
    enum { COUNT = 10007 };
    mlxshim_queue_t queue = new_queue();
    mlxshim_pipeline_t axpy = new_pipeline("axpy");
    mlxshim_buffer_t y = new_buffer(COUNT * sizeof(float));
    mlxshim_buffer_t x = new_buffer(COUNT * sizeof(float) + 256);
    float *in = (float *)mlxshim_buffer_contents(x) + 64;
    float *out = mlxshim_buffer_contents(y);
    for (int i = 0; i < COUNT; i++) {
        in[i] = (float)i;
        out[i] = 1;
    }
    float a = 0.5F;
    struct stream stream = {0};
    put_dispatch(&stream, axpy, COUNT, 256, 3);
    put_buffer(&stream, 0, y, 0);
    put_buffer(&stream, 1, x, 256);
    put_bytes(&stream, 2, &a, sizeof a);
    run_well(queue, &stream);
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        wrong += out[i] == 1 + 0.5F * (float)i ? 0 : 1;
    }
    CHECK(wrong == 0);
    mlxshim_buffer_release(x);
    mlxshim_buffer_release(y);
    mlxshim_pipeline_release(axpy);
    mlxshim_queue_release(queue);
}

static void test_threadgroup_memory(void) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_pipeline_t sum = new_pipeline("sum_groups");
    mlxshim_buffer_t in = new_buffer(640 * sizeof(uint32_t));
    mlxshim_buffer_t out = new_buffer(10 * sizeof(uint32_t));
    for (uint32_t i = 0; i < 640; i++) {
        words_of(in)[i] = i;
    }
    struct stream stream = {0};
    put_dispatch(&stream, sum, 640, 64, 3);
    put_buffer(&stream, 0, out, 0);
    put_buffer(&stream, 1, in, 0);
    put_pair(&stream, MLXSHIM_BIND_THREADGROUP, 0);
    put(&stream, 16);
    run_well(queue, &stream);
    for (uint32_t i = 0; i < 10; i++) {
        CHECK(words_of(out)[i] == 64 * 64 * i + 63 * 32);
    }
    mlxshim_buffer_release(in);
    mlxshim_buffer_release(out);
    mlxshim_pipeline_release(sum);
    mlxshim_queue_release(queue);
}

/* Kernels of real projects read arguments that they do not need. None writes one. */
static void test_argument_that_is_not_bound(void) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_pipeline_t copy = new_pipeline("copy_argument");
    mlxshim_buffer_t out = new_buffer(1024);
    memset(mlxshim_buffer_contents(out), 7, 1024);
    struct stream stream = {0};
    put_dispatch(&stream, copy, 256, 32, 1);
    put_buffer(&stream, 0, out, 0);
    run_well(queue, &stream);
    CHECK(words_of(out)[0] == 0 && words_of(out)[255] == 0);
    struct stream writing = {0};
    put_dispatch(&writing, copy, 256, 32, 1);
    put_buffer(&writing, 1, out, 0);
    char text[TEXT_SIZE] = "";
    CHECK(run(queue, &writing, text) == MLXSHIM_FAILURE_FAULT);
    CHECK(has_text(text, "kernel copy_argument: invalid access"));
    mlxshim_buffer_release(out);
    mlxshim_pipeline_release(copy);
    mlxshim_queue_release(queue);
}

static void test_copies_and_fills(void) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_buffer_t buffer = new_buffer(4096);
    mlxshim_buffer_t hidden = NULL;
    CHECK(mlxshim_buffer_create(device, 4096, MLXSHIM_STORAGE_PRIVATE, 0, &hidden, NULL, 0) == MLXSHIM_OK);
    struct stream stream = {0};
    put_command(&stream, MLXSHIM_COMMAND_FILL);
    put_handle(&stream, hidden);
    put(&stream, 100);
    put(&stream, 50);
    put(&stream, 9);
    put_command(&stream, MLXSHIM_COMMAND_COPY);
    put_handle(&stream, hidden);
    put(&stream, 98);
    put_handle(&stream, buffer);
    put(&stream, 4096 - 54);
    put(&stream, 54);
    run_well(queue, &stream);
    const char *bytes = mlxshim_buffer_contents(buffer);
    CHECK(bytes[4096 - 54] == 0 && bytes[4096 - 53] == 0 && bytes[4096 - 52] == 9 && bytes[4093] == 9);
    CHECK(bytes[4094] == 0 && bytes[4095] == 0);
    mlxshim_buffer_release(hidden);
    mlxshim_buffer_release(buffer);
    mlxshim_queue_release(queue);
}

/* ---- failures ---- */

static void check_failing_kernel(const char *name, int32_t failure, const char *part, const char *place) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_pipeline_t failing = new_pipeline(name);
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    mlxshim_buffer_t buffer = new_buffer(4096);
    struct stream stream = {0};
    put_add_one(&stream, add_one, buffer, 1024);
    put_dispatch(&stream, failing, 64, 64, 1);
    put_buffer(&stream, 0, buffer, 4092);
    put_add_one(&stream, add_one, buffer, 1024);
    char text[TEXT_SIZE] = "";
    CHECK(run(queue, &stream, text) == failure);
    CHECK(has_text(text, part) && has_text(text, name) && has_text(text, place));
    /* What comes before the failure has run, and what follows has not. */
    CHECK(words_of(buffer)[0] == 1);
    struct stream next = {0};
    put_add_one(&next, add_one, buffer, 1024);
    run_well(queue, &next);
    CHECK(words_of(buffer)[0] == 2);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(add_one);
    mlxshim_pipeline_release(failing);
    mlxshim_queue_release(queue);
}

static void test_endless_kernel(void) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_pipeline_t spin = new_pipeline("spin");
    mlxshim_buffer_t flag = new_buffer(4096);
    struct stream stream = {0};
    put_dispatch(&stream, spin, 1, 1, 1);
    put_buffer(&stream, 0, flag, 0);
    char text[TEXT_SIZE] = "";
    mlxshim_faults_clear();
    CHECK(run(queue, &stream, text) == MLXSHIM_FAILURE_TIMEOUT);
    CHECK(has_text(text, "kernel spin: ran for longer than 300 ms"));
    mlxshim_faults_set_kernel_timeout(20);
    CHECK(run(queue, &stream, text) == MLXSHIM_FAILURE_TIMEOUT);
    CHECK(has_text(text, "kernel spin: ran for longer than 20 ms"));
    clear_faults();
    mlxshim_buffer_release(flag);
    mlxshim_pipeline_release(spin);
    mlxshim_queue_release(queue);
}

static void test_injected_failures(void) {
    mlxshim_queue_t queue = new_queue();
    struct stream nothing = {0};
    char text[TEXT_SIZE] = "";
    for (int32_t failure = MLXSHIM_FAILURE_FAULT; failure <= MLXSHIM_FAILURE_OTHER; failure++) {
        mlxshim_faults_set_command_buffer_failure(failure);
        CHECK(run(queue, &nothing, text) == failure);
        CHECK(text[0] != '\0');
    }
    clear_faults();
    run_well(queue, &nothing);
    mlxshim_queue_release(queue);
}

/* Creating calls that fail release what they have created, and leave their result untouched. */
static void test_failing_creations(void) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_event_t event = new_event();
    mlxshim_text_t log = NULL;
    mlxshim_library_t other_library = NULL;
    mlxshim_pipeline_t pipeline = NULL;
    mlxshim_queue_t other_queue = NULL;
    mlxshim_command_buffer_t commands = NULL;
    char message[TEXT_SIZE] = "";
    mlxshim_faults_fail_create(1, 4);
    CHECK(mlxshim_library_compile(device, source, NULL, 0, 1, &other_library, &log) == MLXSHIM_ERROR_OUT_OF_MEMORY);
    CHECK(log != NULL && other_library == NULL);
    mlxshim_text_release(log);
    CHECK(mlxshim_pipeline_create(library, "axpy", NULL, 0, &pipeline, &log) == MLXSHIM_ERROR_OUT_OF_MEMORY);
    CHECK(log != NULL && pipeline == NULL);
    mlxshim_text_release(log);
    CHECK(mlxshim_queue_create(device, NULL, 1, &other_queue, message, sizeof message) ==
          MLXSHIM_ERROR_OUT_OF_MEMORY);
    CHECK(message[0] != '\0' && other_queue == NULL);
    CHECK(mlxshim_queue_submit(queue, NULL, NULL, 0, event, 1, &commands, &log) == MLXSHIM_ERROR_OUT_OF_MEMORY);
    CHECK(log != NULL && commands == NULL && mlxshim_event_signaled_value(event) == 0);
    mlxshim_text_release(log);
    clear_faults();
    CHECK(mlxshim_faults_live_libraries() == 1 && mlxshim_faults_live_pipelines() == 0);
    CHECK(mlxshim_faults_live_queues() == 1 && mlxshim_faults_live_command_buffers() == 0);
    CHECK(mlxshim_faults_live_texts() == 0);
    struct stream nothing = {0};
    run_well(queue, &nothing);
    mlxshim_event_release(event);
    mlxshim_queue_release(queue);
}

/* ---- queues ---- */

/* A queue that waits for an event of another, which was submitted later. */
static void test_queues_wait_for_each_other(void) {
    mlxshim_queue_t first = new_queue();
    mlxshim_queue_t second = new_queue();
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    mlxshim_buffer_t buffer = new_buffer(4096);
    mlxshim_event_t between = new_event();
    mlxshim_event_t done = new_event();
    struct stream waits = {0};
    put_event(&waits, MLXSHIM_COMMAND_WAIT, between, 5);
    put_command(&waits, MLXSHIM_COMMAND_COPY);
    put_handle(&waits, buffer);
    put(&waits, 0);
    put_handle(&waits, buffer);
    put(&waits, 2048);
    put(&waits, 2048);
    mlxshim_command_buffer_t waiting = submit(first, &waits, done, 1);
    struct stream signals = {0};
    put_add_one(&signals, add_one, buffer, 512);
    put_event(&signals, MLXSHIM_COMMAND_SIGNAL, between, 5);
    CHECK(mlxshim_event_signaled_value(done) == 0);
    run_well(second, &signals);
    CHECK(mlxshim_event_wait(done, 1, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(words_of(buffer)[512] == 1 && words_of(buffer)[1023] == 1);
    uint64_t start = 0;
    uint64_t end = 0;
    mlxshim_command_buffer_gpu_times(waiting, &start, &end);
    CHECK(start > 0 && end >= start);
    mlxshim_command_buffer_release(waiting);
    mlxshim_event_release(done);
    mlxshim_event_release(between);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(add_one);
    mlxshim_queue_release(second);
    mlxshim_queue_release(first);
}

/* All handles but one event are released while the commands are held back. */
static void test_release_in_flight(void) {
    mlxshim_faults_hold_queues(1);
    mlxshim_queue_t queue = new_queue();
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    mlxshim_buffer_t buffer = new_buffer(4096);
    mlxshim_event_t done = new_event();
    mlxshim_event_t signaled = new_event();
    struct stream stream = {0};
    put_add_one(&stream, add_one, buffer, 1024);
    put_event(&stream, MLXSHIM_COMMAND_SIGNAL, signaled, 3);
    mlxshim_command_buffer_t commands = submit(queue, &stream, done, 7);
    CHECK(mlxshim_command_buffer_status(commands) == MLXSHIM_STATUS_COMMITTED);
    mlxshim_command_buffer_release(commands);
    mlxshim_event_release(signaled);
    mlxshim_pipeline_release(add_one);
    mlxshim_buffer_release(buffer);
    mlxshim_queue_release(queue);
    CHECK(mlxshim_faults_live_buffers() == 1);
    CHECK(mlxshim_event_signaled_value(done) == 0);
    mlxshim_faults_hold_queues(0);
    CHECK(mlxshim_event_wait(done, 7, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(mlxshim_faults_live_buffers() == 0 && mlxshim_faults_live_events() == 1);
    mlxshim_event_release(done);
}

static void *submit_many(void *pipeline) {
    enum { ROUNDS = 200 };
    mlxshim_queue_t queue = new_queue();
    mlxshim_buffer_t buffer = new_buffer(64 * sizeof(uint32_t));
    mlxshim_event_t event = new_event();
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        struct stream stream = {0};
        put_add_one(&stream, pipeline, buffer, 64);
        put_add_one(&stream, pipeline, buffer, 64);
        mlxshim_command_buffer_release(submit(queue, &stream, event, i));
        if (i % 16 == 0) {
            CHECK(mlxshim_event_wait(event, i, WAIT_MILLIS) == MLXSHIM_OK);
        }
    }
    CHECK(mlxshim_event_wait(event, ROUNDS, WAIT_MILLIS) == MLXSHIM_OK);
    CHECK(words_of(buffer)[0] == 2 * ROUNDS && words_of(buffer)[63] == 2 * ROUNDS);
    mlxshim_event_release(event);
    mlxshim_buffer_release(buffer);
    mlxshim_queue_release(queue);
    return NULL;
}

static void test_queues_of_several_threads(void) {
    mlxshim_pipeline_t add_one = new_pipeline("add_one");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, submit_many, add_one) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    mlxshim_pipeline_release(add_one);
}

/* ---- streams ---- */

/* Numbers that tests of bounds look for. */
static const uint64_t numbers[] = {0,    1,    2,          7,          8,          15,        16,        31,
                                   32,   1023, 1024,       1025,       4096,       4097,      32768,     UINT32_MAX,
                                   1ULL << 32, INT64_MAX,  UINT64_MAX, UINT64_MAX - 7};

/* Which words of the stream are handles, which callers do not get wrong. */
static bool is_handle(uint64_t word, const void *const *handles) {
    for (; *handles != NULL; handles++) {
        if (word == (uintptr_t)*handles) {
            return true;
        }
    }
    return false;
}

static void submit_mutant(mlxshim_queue_t queue, struct stream *stream, uint64_t length, mlxshim_event_t event,
                          uint64_t *value) {
    mlxshim_command_buffer_t commands = NULL;
    mlxshim_text_t log = NULL;
    /* A copy of just this length: a sanitizer sees what is read behind it. */
    void *copy = malloc(length);
    memcpy(copy, stream->bytes, length);
    int32_t status = mlxshim_queue_submit(queue, NULL, copy, length, event, *value + 1, &commands, &log);
    free(copy);
    if (status == MLXSHIM_OK) {
        (*value)++;
        CHECK(mlxshim_event_wait(event, *value, WAIT_MILLIS) == MLXSHIM_OK);
        CHECK(log == NULL && commands != NULL);
    } else {
        CHECK(status == MLXSHIM_ERROR_INVALID_ARGUMENT && commands == NULL && log != NULL);
    }
    mlxshim_command_buffer_release(commands);
    mlxshim_text_release(log);
}

static void test_mutants_of_a_stream(void) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_pipeline_t add_one = new_pipeline("add_one_below_64");
    mlxshim_buffer_t buffer = new_buffer(1 << 20);
    mlxshim_event_t event = new_event();
    mlxshim_event_t other = new_event();
    const void *const handles[] = {queue, add_one, buffer, other, NULL};
    uint64_t eleven = 11;
    struct stream stream = {0};
    put_dispatch(&stream, add_one, 64, 32, 3);
    put_buffer(&stream, 0, buffer, 0);
    put_bytes(&stream, 5, &eleven, 5);
    put_pair(&stream, MLXSHIM_BIND_THREADGROUP, 3);
    put(&stream, 32);
    put_command(&stream, MLXSHIM_COMMAND_CONCURRENT);
    put(&stream, 1);
    put_command(&stream, MLXSHIM_COMMAND_BARRIER);
    put_command(&stream, MLXSHIM_COMMAND_COPY);
    put_handle(&stream, buffer);
    put(&stream, 0);
    put_handle(&stream, buffer);
    put(&stream, 16);
    put(&stream, 16);
    put_event(&stream, MLXSHIM_COMMAND_SIGNAL, other, 1);
    uint64_t value = 0;
    submit_mutant(queue, &stream, stream.length, event, &value);
    CHECK(value == 1);
    /* Some mutants dispatch billions of threads. */
    mlxshim_faults_set_kernel_timeout(50);
    for (uint64_t length = 1; length < stream.length; length++) {
        submit_mutant(queue, &stream, length, event, &value);
    }
    for (uint64_t i = 0; i < stream.length / 8; i++) {
        uint64_t word = stream.bytes[i];
        for (size_t k = 0; !is_handle(word, handles) && k < sizeof numbers / sizeof numbers[0]; k++) {
            uint32_t half = (uint32_t)numbers[k];
            if (stream.pairs[i] && half == MLXSHIM_BIND_BUFFER) {
                /* It would make a handle of the word behind it. */
                continue;
            }
            stream.bytes[i] = numbers[k];
            submit_mutant(queue, &stream, stream.length, event, &value);
            stream.bytes[i] = (word & UINT32_MAX) | (uint64_t)half << 32;
            submit_mutant(queue, &stream, stream.length, event, &value);
            stream.bytes[i] = (word >> 32 << 32) | half;
            submit_mutant(queue, &stream, stream.length, event, &value);
        }
        stream.bytes[i] = word;
    }
    clear_faults();
    mlxshim_event_release(other);
    mlxshim_event_release(event);
    mlxshim_buffer_release(buffer);
    mlxshim_pipeline_release(add_one);
    mlxshim_queue_release(queue);
}

static void test_copies_that_overlap(void) {
    mlxshim_queue_t queue = new_queue();
    mlxshim_buffer_t buffer = new_buffer(4096);
    mlxshim_event_t event = new_event();
    uint64_t value = 0;
    for (uint64_t offset = 0; offset < 40; offset++) {
        struct stream stream = {0};
        put_command(&stream, MLXSHIM_COMMAND_COPY);
        put_handle(&stream, buffer);
        put(&stream, 20);
        put_handle(&stream, buffer);
        put(&stream, offset);
        put(&stream, 10);
        uint64_t expected = value + (offset > 10 && offset < 30 ? 0 : 1);
        submit_mutant(queue, &stream, stream.length, event, &value);
        CHECK(value == expected);
    }
    mlxshim_event_release(event);
    mlxshim_buffer_release(buffer);
    mlxshim_queue_release(queue);
}

/* ---- all ---- */

static void compile(const char *options) {
    CHECK(mlxshim_configure_compiler(NULL, options, NULL) == MLXSHIM_OK);
    mlxshim_text_t log = NULL;
    int32_t status = mlxshim_library_compile(device, source, NULL, 0, 1, &library, &log);
    if (!CHECK(status == MLXSHIM_OK)) {
        char text[TEXT_SIZE] = "";
        mlxshim_text_copy(log, text, sizeof text);
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    mlxshim_text_release(log);
}

int main(int argc, char **argv) {
    bool plain_only = argc > 1 && strcmp(argv[1], "plain") == 0;
    setenv("MLXSHIM_KERNEL_TIMEOUT_MILLIS", "300", 1);
    clear_faults();
    CHECK(mlxshim_device_open(&device, NULL, 0) == MLXSHIM_OK);
    compile(argc > 1 && !plain_only ? argv[1] : NULL);
    test_axpy();
    test_argument_that_is_not_bound();
    test_copies_and_fills();
    check_failing_kernel("write_far", MLXSHIM_FAILURE_FAULT, "invalid access", "in threadgroup (0, 0, 0)");
    test_injected_failures();
    test_failing_creations();
    test_queues_wait_for_each_other();
    test_release_in_flight();
    test_queues_of_several_threads();
    test_copies_that_overlap();
    if (!plain_only) {
        test_threadgroup_memory();
        check_failing_kernel("write_far_after_barrier", MLXSHIM_FAILURE_FAULT, "invalid access",
                             "in threadgroup (0, 0, 0), thread 40");
        test_endless_kernel();
        test_mutants_of_a_stream();
    }
    mlxshim_library_release(library);
    mlxshim_device_release(device);
    CHECK(mlxshim_faults_live_libraries() == 0 && mlxshim_faults_live_pipelines() == 0);
    CHECK(mlxshim_faults_live_queues() == 0 && mlxshim_faults_live_command_buffers() == 0);
    CHECK(mlxshim_faults_live_buffers() == 0 && mlxshim_faults_live_events() == 0);
    CHECK(mlxshim_faults_live_texts() == 0);
    printf("%lu checks passed, %lu failed\n", atomic_load(&checks_passed), atomic_load(&checks_failed));
    return atomic_load(&checks_failed) == 0 ? 0 : 1;
}
