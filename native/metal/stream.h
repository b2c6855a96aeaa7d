/*
 * The command streams of mlxshim.h: reading one, and checking it. mlxshim.m says how these sources are written.
 *
 * A stream is read twice. The first pass checks it, because Metal's validation ends the process on a misuse, and the
 * second, in commands.m, encodes it.
 */
#ifndef STREAM_H
#define STREAM_H

#include "shim.h"

/* ---- reading a stream ---- */

#define WORD sizeof(uint64_t)
#define DISPATCH_WORDS 10 /* with the opcode, without the bindings */

/* What a device can do. */
struct limits {
    MTLSize threads_per_threadgroup;
    uint64_t threadgroup_memory;
    bool partial_threadgroups; /* whether the threadgroups at a grid's edges may be smaller */
    bool any_bytes;            /* whether copies and fills may begin and end anywhere, not only at multiples of 4 */
};

struct stream {
    const char *bytes;
    uint64_t length;
    uint64_t command;  /* where the current command begins */
    uint64_t position; /* of the next byte in it */
    uint64_t end;      /* where it ends */
    uint32_t opcode;
    struct limits limits;
    struct text reason; /* what is wrong with the stream */
};

struct dispatch {
    id<MTLComputePipelineState> state;
    uint64_t unit;
    uint64_t grid[3];
    uint64_t threadgroup[3];
    uint64_t bindings;
};

struct copy {
    id<MTLBuffer> source;
    uint64_t source_offset;
    id<MTLBuffer> destination;
    uint64_t destination_offset;
    uint64_t length;
};

struct fill {
    id<MTLBuffer> buffer;
    uint64_t offset;
    uint64_t length;
    uint64_t byte;
};

struct event {
    id<MTLSharedEvent> event;
    uint64_t value;
};

struct binding {
    uint32_t kind;
    uint32_t index;
    id<MTLBuffer> buffer;
    uint64_t offset;
    uint64_t length;
    const char *bytes;
};

static inline struct limits limits_of(id<MTLDevice> device) {
    bool apple = [device supportsFamily:MTLGPUFamilyApple4];
    return (struct limits){.threads_per_threadgroup = [device maxThreadsPerThreadgroup],
                           .threadgroup_memory = [device maxThreadgroupMemoryLength],
                           .partial_threadgroups = apple || [device supportsFamily:MTLGPUFamilyMac2],
                           .any_bytes = apple};
}

/* Reads 8 bytes, which the caller knows to be there. */
static inline uint64_t read_word(struct stream *stream) {
    uint64_t word;
    memcpy(&word, stream->bytes + stream->position, WORD);
    stream->position += WORD;
    return word;
}

static inline id read_handle(struct stream *stream) {
    return (id)(uintptr_t)read_word(stream);
}

/* Reads two numbers that share 8 bytes. */
static inline void read_pair(struct stream *stream, uint32_t *out_first, uint32_t *out_second) {
    memcpy(out_first, stream->bytes + stream->position, sizeof *out_first);
    memcpy(out_second, stream->bytes + stream->position + sizeof *out_first, sizeof *out_second);
    stream->position += WORD;
}

static inline struct copy read_copy(struct stream *stream) {
    struct copy copy;
    copy.source = read_handle(stream);
    copy.source_offset = read_word(stream);
    copy.destination = read_handle(stream);
    copy.destination_offset = read_word(stream);
    copy.length = read_word(stream);
    return copy;
}

static inline struct fill read_fill(struct stream *stream) {
    struct fill fill;
    fill.buffer = read_handle(stream);
    fill.offset = read_word(stream);
    fill.length = read_word(stream);
    fill.byte = read_word(stream);
    return fill;
}

static inline struct event read_event(struct stream *stream) {
    struct event event;
    event.event = read_handle(stream);
    event.value = read_word(stream);
    return event;
}

/* Reads a dispatch up to its bindings. */
static inline struct dispatch read_dispatch(struct stream *stream) {
    struct dispatch dispatch;
    dispatch.state = [(NSArray *)read_handle(stream) objectAtIndex:0];
    dispatch.unit = read_word(stream);
    for (int i = 0; i < 3; i++) {
        dispatch.grid[i] = read_word(stream);
    }
    for (int i = 0; i < 3; i++) {
        dispatch.threadgroup[i] = read_word(stream);
    }
    dispatch.bindings = read_word(stream);
    return dispatch;
}

/* Reads a binding whose bytes the caller has checked. */
static inline struct binding read_binding(struct stream *stream) {
    struct binding binding = {0};
    read_pair(stream, &binding.kind, &binding.index);
    if (binding.kind == MLXSHIM_BIND_BUFFER) {
        binding.buffer = read_handle(stream);
        binding.offset = read_word(stream);
        return binding;
    }
    binding.length = read_word(stream);
    if (binding.kind == MLXSHIM_BIND_BYTES) {
        binding.bytes = stream->bytes + stream->position;
        stream->position += (binding.length + WORD - 1) / WORD * WORD;
    }
    return binding;
}

/* ---- checking a stream: each function returns MLXSHIM_OK, or why the current command is wrong ---- */

/* Begins the reason for a failure of the current command. */
static inline struct text *reason_of(struct stream *stream) {
    append(&stream->reason, "the command at byte ");
    append_number(&stream->reason, stream->command);
    append(&stream->reason, " of the stream: ");
    return &stream->reason;
}

static inline int32_t reject(struct stream *stream, const char *why) {
    return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason_of(stream), why);
}

static inline int32_t reject_number(struct stream *stream, uint64_t number, const char *why) {
    append_number(reason_of(stream), number);
    return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &stream->reason, why);
}

static inline int32_t reject_above(struct stream *stream, uint64_t number, const char *what, uint64_t limit) {
    append_number(reason_of(stream), number);
    append(&stream->reason, what);
    append(&stream->reason, ", above ");
    append_number(&stream->reason, limit);
    return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &stream->reason, ", the most there may be");
}

static inline int32_t check_range(struct stream *stream, id<MTLBuffer> buffer, uint64_t offset, uint64_t length) {
    if (buffer == nil) {
        return reject(stream, "a buffer is NULL");
    }
    if (length == 0) {
        return reject(stream, "there are 0 bytes to write");
    }
    uint64_t size = [buffer length];
    if (offset > size || length > size - offset) {
        append_number(reason_of(stream), length);
        append(&stream->reason, " bytes from offset ");
        append_number(&stream->reason, offset);
        append(&stream->reason, " on are beyond a buffer of ");
        append_number(&stream->reason, size);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &stream->reason, " bytes");
    }
    if (!stream->limits.any_bytes && (offset % 4 != 0 || length % 4 != 0)) {
        append_number(reason_of(stream), length);
        append(&stream->reason, " bytes from offset ");
        append_number(&stream->reason, offset);
        return fail(MLXSHIM_ERROR_UNSUPPORTED, &stream->reason,
                    " on: this GPU copies and fills multiples of 4 bytes, from multiples of 4 on");
    }
    return MLXSHIM_OK;
}

static inline int32_t check_copy(struct stream *stream) {
    struct copy copy = read_copy(stream);
    int32_t status = check_range(stream, copy.source, copy.source_offset, copy.length);
    if (status == MLXSHIM_OK) {
        status = check_range(stream, copy.destination, copy.destination_offset, copy.length);
    }
    bool overlap = copy.source == copy.destination && copy.source_offset < copy.destination_offset + copy.length &&
                   copy.destination_offset < copy.source_offset + copy.length;
    if (status == MLXSHIM_OK && overlap) {
        append_number(reason_of(stream), copy.length);
        append(&stream->reason, " bytes from offset ");
        append_number(&stream->reason, copy.source_offset);
        append(&stream->reason, " on overlap the place in the same buffer that they are copied to, offset ");
        append_number(&stream->reason, copy.destination_offset);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &stream->reason, "");
    }
    return status;
}

static inline int32_t check_fill(struct stream *stream) {
    struct fill fill = read_fill(stream);
    if (fill.byte > UINT8_MAX) {
        return reject_number(stream, fill.byte, " is not a byte to fill with");
    }
    return check_range(stream, fill.buffer, fill.offset, fill.length);
}

static inline int32_t check_event(struct stream *stream) {
    return read_event(stream).event == nil ? reject(stream, "the event is NULL") : MLXSHIM_OK;
}

static inline int32_t check_concurrent(struct stream *stream) {
    uint64_t concurrent = read_word(stream);
    return concurrent > 1 ? reject_number(stream, concurrent, " is neither 1, concurrent, nor 0") : MLXSHIM_OK;
}

/* For a grid whose last threadgroups are not whole, on a GPU that runs only whole ones. */
static inline int32_t reject_partial(struct stream *stream, uint64_t grid, uint64_t threadgroup) {
    append(reason_of(stream), "a grid of ");
    append_number(&stream->reason, grid);
    append(&stream->reason, " threads in threadgroups of ");
    append_number(&stream->reason, threadgroup);
    return fail(MLXSHIM_ERROR_UNSUPPORTED, &stream->reason, ": this GPU runs only whole threadgroups");
}

static inline int32_t check_sizes(struct stream *stream, const struct dispatch *dispatch) {
    MTLSize size = stream->limits.threads_per_threadgroup;
    const uint64_t most[3] = {size.width, size.height, size.depth};
    bool threads = dispatch->unit == MLXSHIM_DISPATCH_THREADS;
    if (!threads && dispatch->unit != MLXSHIM_DISPATCH_THREADGROUPS) {
        return reject_number(stream, dispatch->unit, " is not a unit of a grid");
    }
    uint64_t group = 1;
    uint64_t total = 1;
    for (int i = 0; i < 3; i++) {
        uint64_t in_grid = dispatch->grid[i];
        uint64_t in_group = dispatch->threadgroup[i];
        if (in_grid == 0 || in_group == 0) {
            return reject_number(stream, (uint64_t)i, " is a dimension in which the grid or threadgroup has size 0");
        }
        if (in_group > most[i]) {
            return reject_above(stream, in_group, " threads of a threadgroup in one dimension", most[i]);
        }
        if (in_grid > UINT32_MAX / (threads ? 1 : in_group)) {
            return reject_above(stream, in_grid, " threads or threadgroups of a grid in one dimension",
                                UINT32_MAX / (threads ? 1 : in_group));
        }
        if (__builtin_mul_overflow(total, in_grid * (threads ? 1 : in_group), &total)) {
            return reject(stream, "the grid has more than 18446744073709551615 threads");
        }
        if (threads && in_grid % in_group != 0 && !stream->limits.partial_threadgroups) {
            return reject_partial(stream, in_grid, in_group);
        }
        group *= in_group;
    }
    uint64_t limit = [dispatch->state maxTotalThreadsPerThreadgroup];
    return group > limit ? reject_above(stream, group, " threads of a threadgroup", limit) : MLXSHIM_OK;
}

/* Checks that the next binding lies within the command, and that its kind, index and length are allowed. */
static inline int32_t check_binding_head(struct stream *stream, struct binding *out_head) {
    struct stream ahead = *stream;
    if (stream->end - stream->position < 2 * WORD) {
        return reject(stream, "a binding ends beyond the command");
    }
    read_pair(&ahead, &out_head->kind, &out_head->index);
    out_head->length = read_word(&ahead);
    if (out_head->kind < MLXSHIM_BIND_BUFFER || out_head->kind > MLXSHIM_BIND_THREADGROUP) {
        return reject_number(stream, out_head->kind, " is not a kind of binding");
    }
    if (out_head->index >= MLXSHIM_BUFFER_ARGUMENTS) {
        return reject_above(stream, out_head->index, " is the index of an argument", MLXSHIM_BUFFER_ARGUMENTS - 1);
    }
    if (out_head->kind == MLXSHIM_BIND_BYTES && (out_head->length == 0 || out_head->length > MLXSHIM_MAX_BYTES)) {
        return reject_number(stream, out_head->length, " bytes for an argument, which may have 1 to 4096");
    }
    uint64_t rest = out_head->kind == MLXSHIM_BIND_BUFFER  ? WORD
                    : out_head->kind == MLXSHIM_BIND_BYTES ? (out_head->length + WORD - 1) / WORD * WORD
                                                           : 0;
    return rest > stream->end - ahead.position ? reject(stream, "a binding ends beyond the command") : MLXSHIM_OK;
}

static inline int32_t check_bound_buffer(struct stream *stream, const struct binding *binding) {
    if (binding->buffer == nil) {
        return reject_number(stream, binding->index, " is the index of an argument whose buffer is NULL");
    }
    uint64_t length = [binding->buffer length];
    if (binding->offset >= length) {
        append(reason_of(stream), "offset ");
        append_number(&stream->reason, binding->offset);
        append(&stream->reason, " of argument ");
        append_number(&stream->reason, binding->index);
        append(&stream->reason, " is beyond a buffer of ");
        append_number(&stream->reason, length);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &stream->reason, " bytes");
    }
    return MLXSHIM_OK;
}

/* Checks the length of threadgroup memory, and writes it to `lengths`. A later binding of the index replaces it. */
static inline int32_t check_threadgroup_memory(struct stream *stream, const struct binding *binding,
                                        uint64_t lengths[MLXSHIM_THREADGROUP_ARGUMENTS]) {
    if (binding->length % 16 != 0) {
        return reject_number(stream, binding->length, " bytes of threadgroup memory, not a multiple of 16");
    }
    if (binding->length > stream->limits.threadgroup_memory) {
        return reject_above(stream, binding->length, " bytes of threadgroup memory", stream->limits.threadgroup_memory);
    }
    lengths[binding->index] = binding->length;
    return MLXSHIM_OK;
}

static inline int32_t check_bindings(struct stream *stream, const struct dispatch *dispatch) {
    uint64_t lengths[MLXSHIM_THREADGROUP_ARGUMENTS] = {0};
    for (uint64_t i = 0; i < dispatch->bindings; i++) {
        struct binding binding;
        int32_t status = check_binding_head(stream, &binding);
        if (status == MLXSHIM_OK) {
            binding = read_binding(stream);
            status = binding.kind == MLXSHIM_BIND_BUFFER ? check_bound_buffer(stream, &binding)
                     : binding.kind == MLXSHIM_BIND_THREADGROUP
                         ? check_threadgroup_memory(stream, &binding, lengths)
                         : MLXSHIM_OK;
        }
        if (status != MLXSHIM_OK) {
            return status;
        }
    }
    if (stream->position != stream->end) {
        return reject_number(stream, stream->end - stream->position, " bytes are behind the bindings");
    }
    uint64_t memory = [dispatch->state staticThreadgroupMemoryLength];
    for (int i = 0; i < MLXSHIM_THREADGROUP_ARGUMENTS; i++) {
        memory += lengths[i];
    }
    uint64_t limit = stream->limits.threadgroup_memory;
    return memory > limit ? reject_above(stream, memory, " bytes of threadgroup memory", limit) : MLXSHIM_OK;
}

static inline int32_t check_dispatch(struct stream *stream) {
    uint64_t pipeline;
    memcpy(&pipeline, stream->bytes + stream->position, WORD);
    if (pipeline == 0) {
        return reject(stream, "the pipeline is NULL");
    }
    struct dispatch dispatch = read_dispatch(stream);
    int32_t status = check_sizes(stream, &dispatch);
    return status == MLXSHIM_OK ? check_bindings(stream, &dispatch) : status;
}

/* The words of a command with its opcode; of a dispatch without its bindings. 0 for an unknown opcode. */
static inline uint64_t words_of(uint32_t opcode) {
    switch (opcode) {
        case MLXSHIM_COMMAND_DISPATCH: return DISPATCH_WORDS;
        case MLXSHIM_COMMAND_COPY: return 6;
        case MLXSHIM_COMMAND_FILL: return 5;
        case MLXSHIM_COMMAND_SIGNAL: return 3;
        case MLXSHIM_COMMAND_WAIT: return 3;
        case MLXSHIM_COMMAND_BARRIER: return 1;
        case MLXSHIM_COMMAND_CONCURRENT: return 2;
        default: return 0;
    }
}

/* Moves to the next command. The caller knows that its first 8 bytes are there. */
static inline void next_command(struct stream *stream) {
    uint32_t length;
    stream->command = stream->end;
    stream->position = stream->command;
    read_pair(stream, &stream->opcode, &length);
    stream->end = stream->command + length;
}

static inline int32_t check_command(struct stream *stream) {
    uint64_t left = stream->length - stream->end;
    if (left < WORD) {
        stream->command = stream->end;
        return reject_number(stream, left, " bytes are no command");
    }
    next_command(stream);
    uint64_t length = stream->end - stream->command;
    uint64_t least = words_of(stream->opcode) * WORD;
    if (least == 0) {
        return reject_number(stream, stream->opcode, " is not an opcode");
    }
    bool longer = stream->opcode == MLXSHIM_COMMAND_DISPATCH && length > least && length % WORD == 0;
    if ((length != least && !longer) || length > left) {
        append(reason_of(stream), "opcode ");
        append_number(&stream->reason, stream->opcode);
        append(&stream->reason, " with a length of ");
        append_number(&stream->reason, length);
        append(&stream->reason, " bytes, of ");
        append_number(&stream->reason, left);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &stream->reason, " that are left");
    }
    switch (stream->opcode) {
        case MLXSHIM_COMMAND_DISPATCH: return check_dispatch(stream);
        case MLXSHIM_COMMAND_COPY: return check_copy(stream);
        case MLXSHIM_COMMAND_FILL: return check_fill(stream);
        case MLXSHIM_COMMAND_CONCURRENT: return check_concurrent(stream);
        case MLXSHIM_COMMAND_BARRIER: return MLXSHIM_OK;
        default: return check_event(stream);
    }
}

static inline int32_t check_stream(struct stream *stream) {
    int32_t status = MLXSHIM_OK;
    while (status == MLXSHIM_OK && stream->end < stream->length) {
        status = check_command(stream);
    }
    return status;
}

#endif
