/*
 * Command buffers of the host shim. A command stream is checked and turned into the commands of compute.h in one pass.
 * If a check fails, the commands are dropped.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "mlxshim_host_compute.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mlxshim_command_buffer {
    struct compute_commands *commands;
};

/* The event that gets its value at the end of a command buffer. */
struct completion {
    mlxshim_event_t event;
    uint64_t value;
};

/* A stream that is read. */
struct stream {
    const char *bytes;
    uint64_t length;
    uint64_t position;  /* of the next byte */
    uint64_t command;   /* where the current command begins */
    struct compute_commands *commands;
    char error[MESSAGE_SIZE]; /* what is wrong with the stream */
    bool out_of_memory;
};

#define WORD sizeof(uint64_t)

/* ---- reading ---- */

/* Writes what is wrong with the current command. Returns false. */
__attribute__((format(printf, 2, 3))) static bool reject(struct stream *stream, const char *format, ...) {
    int length = snprintf(stream->error, sizeof stream->error, "the command at byte %" PRIu64 " of the stream: ",
                          stream->command);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(stream->error + length, sizeof stream->error - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

/* Whether an operation that takes memory succeeded. */
static bool admit(struct stream *stream, bool succeeded) {
    stream->out_of_memory = !succeeded;
    return succeeded;
}

/* Reads 8 bytes, which the caller knows to be there. */
static uint64_t read_word(struct stream *stream) {
    uint64_t word;
    memcpy(&word, stream->bytes + stream->position, WORD);
    stream->position += WORD;
    return word;
}

static void *read_handle(struct stream *stream) {
    return (void *)(uintptr_t)read_word(stream);
}

/* Reads a pair of numbers that share 8 bytes: an opcode and a length, or a kind and an index. */
static void read_pair(struct stream *stream, uint32_t out_pair[2]) {
    memcpy(out_pair, stream->bytes + stream->position, WORD);
    stream->position += WORD;
}

/* ---- objects ---- */

static void retain_buffer(void *object) {
    buffer_retain(object);
}

static void release_buffer(void *object) {
    mlxshim_buffer_release(object);
}

static struct compute_range range_of(mlxshim_buffer_t buffer, uint64_t offset, uint64_t length) {
    return (struct compute_range){
        .owner = {buffer, retain_buffer, release_buffer}, .bytes = (char *)buffer->pages + offset, .length = length};
}

static void retain_event(void *object) {
    event_retain(object);
}

static void release_event(void *object) {
    mlxshim_event_release(object);
}

static void signal_event(void *object, uint64_t value) {
    event_raise(object, value);
}

static bool wait_for_event(void *object, uint64_t value, uint64_t millis) {
    return mlxshim_event_wait(object, value, millis) == MLXSHIM_OK;
}

static struct compute_event event_of(mlxshim_event_t event) {
    return (struct compute_event){
        .owner = {event, retain_event, release_event}, .signal = signal_event, .wait = wait_for_event};
}

static bool check_range(struct stream *stream, mlxshim_buffer_t buffer, uint64_t offset, uint64_t length,
                        const char *what) {
    if (buffer == NULL) {
        return reject(stream, "%s is NULL", what);
    }
    if (length == 0) {
        return reject(stream, "0 bytes of %s", what);
    }
    if (offset > buffer->length || length > buffer->length - offset) {
        return reject(stream, "%" PRIu64 " bytes from offset %" PRIu64 " are beyond the %" PRIu64 " bytes of %s",
                      length, offset, buffer->length, what);
    }
    return true;
}

/* ---- commands other than dispatches ---- */

static bool read_copy(struct stream *stream) {
    mlxshim_buffer_t from = read_handle(stream);
    uint64_t from_offset = read_word(stream);
    mlxshim_buffer_t to = read_handle(stream);
    uint64_t to_offset = read_word(stream);
    uint64_t length = read_word(stream);
    if (!check_range(stream, from, from_offset, length, "the source buffer") ||
        !check_range(stream, to, to_offset, length, "the destination buffer")) {
        return false;
    }
    uint64_t distance = from_offset < to_offset ? to_offset - from_offset : from_offset - to_offset;
    if (from == to && distance < length) {
        return reject(stream, "%" PRIu64 " bytes from offset %" PRIu64 " overlap those from offset %" PRIu64, length,
                      from_offset, to_offset);
    }
    return admit(
        stream, compute_copy(stream->commands, range_of(from, from_offset, length), range_of(to, to_offset, length)));
}

static bool read_fill(struct stream *stream) {
    mlxshim_buffer_t buffer = read_handle(stream);
    uint64_t offset = read_word(stream);
    uint64_t length = read_word(stream);
    uint64_t byte = read_word(stream);
    if (byte > UINT8_MAX) {
        return reject(stream, "%" PRIu64 " is no byte to fill with", byte);
    }
    return check_range(stream, buffer, offset, length, "the buffer") &&
           admit(stream, compute_fill(stream->commands, range_of(buffer, offset, length), (uint8_t)byte));
}

static bool read_event(struct stream *stream, bool signals) {
    mlxshim_event_t event = read_handle(stream);
    uint64_t value = read_word(stream);
    if (event == NULL) {
        return reject(stream, "the event is NULL");
    }
    return admit(stream, signals ? compute_signal(stream->commands, event_of(event), value)
                                 : compute_wait(stream->commands, event_of(event), value));
}

/* Commands run one after the other here, which a concurrent part allows. */
static bool read_concurrent(struct stream *stream) {
    uint64_t concurrent = read_word(stream);
    return concurrent <= 1 || reject(stream, "%" PRIu64 " is neither 1, concurrent, nor 0", concurrent);
}

/* ---- dispatches ---- */

#define DISPATCH_WORDS 10 /* with the opcode, without the bindings */

struct sizes {
    uint64_t grid[3]; /* threads */
    uint64_t threadgroup[3];
};

static bool read_sizes(struct stream *stream, mlxshim_pipeline_t pipeline, struct sizes *out_sizes) {
    uint64_t unit = read_word(stream);
    uint64_t grid[3];
    for (int i = 0; i < 3; i++) {
        grid[i] = read_word(stream);
    }
    for (int i = 0; i < 3; i++) {
        out_sizes->threadgroup[i] = read_word(stream);
    }
    if (unit != MLXSHIM_DISPATCH_THREADS && unit != MLXSHIM_DISPATCH_THREADGROUPS) {
        return reject(stream, "%" PRIu64 " is no unit of a grid", unit);
    }
    uint64_t group = 1;
    uint64_t total = 1;
    for (int i = 0; i < 3; i++) {
        uint64_t threads = out_sizes->threadgroup[i];
        if (grid[i] == 0 || threads == 0) {
            return reject(stream, "a size of 0: grid %" PRIu64 ", threadgroup %" PRIu64 " in dimension %d", grid[i],
                          threads, i);
        }
        if (threads > KERNEL_MAX_THREADS) {
            return reject(stream, "a threadgroup of %" PRIu64 " threads in dimension %d, above the device's %d",
                          threads, i, KERNEL_MAX_THREADS);
        }
        group *= threads;
        uint64_t factor = unit == MLXSHIM_DISPATCH_THREADS ? 1 : threads;
        if (grid[i] > UINT32_MAX / factor || __builtin_mul_overflow(total, grid[i] * factor, &total)) {
            return reject(stream, "a grid of %" PRIu64 " in dimension %d has too many threads", grid[i], i);
        }
        out_sizes->grid[i] = grid[i] * factor;
    }
    uint64_t most = mlxshim_pipeline_max_total_threads(pipeline);
    if (group > most) {
        return reject(stream, "a threadgroup of %" PRIu64 " threads, above the kernel's %" PRIu64, group, most);
    }
    return true;
}

static bool bind_buffer(struct stream *stream, uint32_t index, struct compute_arguments *arguments) {
    mlxshim_buffer_t buffer = read_handle(stream);
    uint64_t offset = read_word(stream);
    if (buffer == NULL) {
        return reject(stream, "the buffer of argument %" PRIu32 " is NULL", index);
    }
    if (offset >= buffer->length) {
        return reject(stream, "offset %" PRIu64 " of argument %" PRIu32 " is beyond its buffer of %" PRIu64 " bytes",
                      offset, index, buffer->length);
    }
    arguments->buffers[index] = range_of(buffer, offset, buffer->length - offset);
    arguments->constants[index].bytes = NULL;
    return true;
}

static bool bind_bytes(struct stream *stream, uint64_t end, uint32_t index, struct compute_arguments *arguments) {
    uint64_t length = read_word(stream);
    uint64_t padded = (length + WORD - 1) / WORD * WORD;
    if (length == 0 || length > MLXSHIM_MAX_BYTES) {
        return reject(stream, "%" PRIu64 " bytes for argument %" PRIu32 ": there may be 1 to %d", length, index,
                      MLXSHIM_MAX_BYTES);
    }
    if (padded > end - stream->position) {
        return reject(stream, "the %" PRIu64 " bytes of argument %" PRIu32 " end beyond the command", length, index);
    }
    arguments->constants[index].bytes = stream->bytes + stream->position;
    arguments->constants[index].length = length;
    stream->position += padded;
    return true;
}

static bool bind_threadgroup(struct stream *stream, uint32_t index, struct compute_arguments *arguments) {
    uint64_t length = read_word(stream);
    if (length % 16 != 0 || length > HOST_MAX_THREADGROUP_MEMORY) {
        return reject(stream, "%" PRIu64 " bytes of threadgroup memory %" PRIu32 ": no multiple of 16, or above %d",
                      length, index, HOST_MAX_THREADGROUP_MEMORY);
    }
    arguments->threadgroup_lengths[index] = length;
    return true;
}

static bool read_binding(struct stream *stream, uint64_t end, struct compute_arguments *arguments) {
    uint32_t pair[2];
    if (end - stream->position < 2 * WORD) {
        return reject(stream, "a binding ends beyond the command");
    }
    read_pair(stream, pair);
    uint32_t kind = pair[0];
    uint32_t index = pair[1];
    if (kind < MLXSHIM_BIND_BUFFER || kind > MLXSHIM_BIND_THREADGROUP) {
        return reject(stream, "%" PRIu32 " is no kind of a binding", kind);
    }
    if (index >= MLXSHIM_BUFFER_ARGUMENTS) {
        return reject(stream, "argument %" PRIu32 " is above %d, the highest", index, MLXSHIM_BUFFER_ARGUMENTS - 1);
    }
    if (kind == MLXSHIM_BIND_BYTES) {
        return bind_bytes(stream, end, index, arguments);
    }
    if (kind == MLXSHIM_BIND_THREADGROUP) {
        return bind_threadgroup(stream, index, arguments);
    }
    if (end - stream->position < 2 * WORD) {
        return reject(stream, "a binding ends beyond the command");
    }
    return bind_buffer(stream, index, arguments);
}

static bool read_bindings(struct stream *stream, uint64_t end, mlxshim_pipeline_t pipeline,
                          struct compute_arguments *arguments) {
    uint64_t count = read_word(stream);
    for (uint64_t i = 0; i < count; i++) {
        if (!read_binding(stream, end, arguments)) {
            return false;
        }
    }
    if (stream->position != end) {
        return reject(stream, "%" PRIu64 " bytes behind its %" PRIu64 " bindings", end - stream->position, count);
    }
    uint64_t memory = mlxshim_pipeline_static_threadgroup_memory(pipeline);
    for (int i = 0; i < MLXSHIM_THREADGROUP_ARGUMENTS; i++) {
        memory += arguments->threadgroup_lengths[i];
    }
    if (memory > HOST_MAX_THREADGROUP_MEMORY) {
        return reject(stream, "%" PRIu64 " bytes of threadgroup memory, above the device's %d", memory,
                      HOST_MAX_THREADGROUP_MEMORY);
    }
    return true;
}

static bool read_dispatch(struct stream *stream, uint64_t end) {
    mlxshim_pipeline_t pipeline = read_handle(stream);
    if (pipeline == NULL) {
        return reject(stream, "the pipeline is NULL");
    }
    struct sizes sizes;
    struct compute_arguments arguments = {0};
    return read_sizes(stream, pipeline, &sizes) && read_bindings(stream, end, pipeline, &arguments) &&
           admit(stream, compute_dispatch(stream->commands, pipeline->kernel, &arguments, sizes.grid,
                                          sizes.threadgroup));
}

/* ---- a stream ---- */

/* The words of a command with its opcode; of a dispatch without its bindings. 0 for what is no opcode. */
static uint64_t words_of(uint32_t opcode) {
    switch (opcode) {
        case MLXSHIM_COMMAND_DISPATCH: return DISPATCH_WORDS;
        case MLXSHIM_COMMAND_COPY: return 6;
        case MLXSHIM_COMMAND_FILL: return 5;
        case MLXSHIM_COMMAND_SIGNAL:
        case MLXSHIM_COMMAND_WAIT: return 3;
        case MLXSHIM_COMMAND_BARRIER: return 1;
        case MLXSHIM_COMMAND_CONCURRENT: return 2;
        default: return 0;
    }
}

static bool read_command(struct stream *stream) {
    stream->command = stream->position;
    uint64_t left = stream->length - stream->position;
    if (left < WORD) {
        return reject(stream, "%" PRIu64 " bytes are no command", left);
    }
    uint32_t pair[2];
    read_pair(stream, pair);
    uint32_t opcode = pair[0];
    uint64_t length = pair[1];
    uint64_t least = words_of(opcode) * WORD;
    if (least == 0) {
        return reject(stream, "%" PRIu32 " is no opcode", opcode);
    }
    bool fits = opcode == MLXSHIM_COMMAND_DISPATCH ? length >= least && length % WORD == 0 : length == least;
    if (!fits || length > left) {
        return reject(stream, "a length of %" PRIu64 " bytes with opcode %" PRIu32 ", with %" PRIu64 " bytes left",
                      length, opcode, left);
    }
    switch (opcode) {
        case MLXSHIM_COMMAND_DISPATCH: return read_dispatch(stream, stream->command + length);
        case MLXSHIM_COMMAND_COPY: return read_copy(stream);
        case MLXSHIM_COMMAND_FILL: return read_fill(stream);
        case MLXSHIM_COMMAND_CONCURRENT: return read_concurrent(stream);
        case MLXSHIM_COMMAND_BARRIER: return true;
        default: return read_event(stream, opcode == MLXSHIM_COMMAND_SIGNAL);
    }
}

/* ---- command buffer ---- */

static void complete(void *context) {
    struct completion completion = *(struct completion *)context;
    free(context);
    event_raise_and_release(completion.event, completion.value);
}

/* Caller has called handle_new. */
static int32_t submit(mlxshim_queue_t queue, struct stream *stream, const struct completion *completion,
                      mlxshim_command_buffer_t command_buffer, mlxshim_text_t *out_log) {
    struct completion *context = malloc(sizeof *context);
    command_buffer->commands = compute_commands_new();
    stream->commands = command_buffer->commands;
    bool valid = admit(stream, context != NULL && command_buffer->commands != NULL);
    while (valid && stream->position < stream->length) {
        valid = read_command(stream);
    }
    if (!valid) {
        free(context);
        compute_commands_release(command_buffer->commands);
        return stream->out_of_memory
                   ? fail_with_log(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a command buffer", out_log)
                   : fail_with_log(MLXSHIM_ERROR_INVALID_ARGUMENT, stream->error, out_log);
    }
    *context = *completion;
    event_retain(completion->event);
    compute_commit(queue->queue, command_buffer->commands, complete, context);
    return MLXSHIM_OK;
}

int32_t mlxshim_queue_submit(mlxshim_queue_t queue, const char *label, const void *commands, uint64_t commands_length,
                             mlxshim_event_t event, uint64_t value, mlxshim_command_buffer_t *out_command_buffer,
                             mlxshim_text_t *out_log) {
    if (queue == NULL || event == NULL || out_command_buffer == NULL || (commands == NULL && commands_length > 0) ||
        (label != NULL && !is_utf8(label))) {
        return fail_with_log(MLXSHIM_ERROR_INVALID_ARGUMENT,
                             "queue, commands, event or out_command_buffer is NULL, or the label is not UTF-8",
                             out_log);
    }
    mlxshim_command_buffer_t command_buffer = handle_new(COMMAND_BUFFERS, sizeof *command_buffer);
    if (command_buffer == NULL) {
        return fail_with_log(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a command buffer", out_log);
    }
    struct stream stream = {.bytes = commands, .length = commands_length};
    struct completion completion = {.event = event, .value = value};
    int32_t status = submit(queue, &stream, &completion, command_buffer, out_log);
    if (status != MLXSHIM_OK) {
        handle_free(COMMAND_BUFFERS, command_buffer);
        return status;
    }
    *out_command_buffer = command_buffer;
    return finish_with_log(MLXSHIM_OK, NULL, out_log);
}

void mlxshim_command_buffer_release(mlxshim_command_buffer_t command_buffer) {
    if (command_buffer != NULL) {
        compute_commands_release(command_buffer->commands);
        handle_free(COMMAND_BUFFERS, command_buffer);
    }
}

int32_t mlxshim_command_buffer_status(mlxshim_command_buffer_t command_buffer) {
    return compute_status(command_buffer->commands);
}

void mlxshim_command_buffer_gpu_times(mlxshim_command_buffer_t command_buffer, uint64_t *out_start,
                                      uint64_t *out_end) {
    compute_times(command_buffer->commands, out_start, out_end);
}

uint64_t mlxshim_command_buffer_failure(mlxshim_command_buffer_t command_buffer, int32_t *out_failure, char *text,
                                        uint64_t text_capacity) {
    const char *failure;
    *out_failure = compute_failure(command_buffer->commands, &failure);
    return copy_text(failure, text, text_capacity);
}
