/* mlxshim.h on Metal: queues and command buffers. mlxshim.m says how these sources are written, and why. */
#import <objc/objc-sync.h>
#import <objc/runtime.h>

#include "shim.h"
#include "stream.h"

_Static_assert(MLXSHIM_STATUS_COMMITTED == MTLCommandBufferStatusCommitted &&
                   MLXSHIM_STATUS_SCHEDULED == MTLCommandBufferStatusScheduled &&
                   MLXSHIM_STATUS_COMPLETED == MTLCommandBufferStatusCompleted &&
                   MLXSHIM_STATUS_ERROR == MTLCommandBufferStatusError,
               "the status of a command buffer is passed on as it comes");

/* ---- queue ---- */

int32_t mlxshim_queue_create(mlxshim_device_t device, const char *label, uint64_t max_command_buffers,
                             mlxshim_queue_t *out_queue, char *message, uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        NSString *name;
        if (device == NULL || out_queue == NULL || max_command_buffers == 0 || !read_label(label, &name)) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason,
                        "device or out_queue is NULL, the label is not UTF-8, or there may be 0 command buffers");
        }
        id<MTLDevice> metal = (id<MTLDevice>)device;
        id<MTLCommandQueue> queue = [metal newCommandQueueWithMaxCommandBufferCount:max_command_buffers];
        if (queue == nil) {
            append(&reason, "no memory left for a queue");
            return fail_out_of_memory(metal, &reason);
        }
        [queue setLabel:name];
        *out_queue = (mlxshim_queue_t)queue;
        return MLXSHIM_OK;
    }
}

void mlxshim_queue_release(mlxshim_queue_t queue) {
    release_handle(queue);
}

/* Residency sets are locked as in mlxshim.m, because Metal's are not thread-safe. */

#pragma clang diagnostic push
/* The compiler does not see that a residency set exists only where queues have these methods. */
#pragma clang diagnostic ignored "-Wunguarded-availability-new"

int32_t mlxshim_queue_add_residency_set(mlxshim_queue_t queue, mlxshim_residency_set_t set) {
    if (set == NULL) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    @autoreleasepool {
        objc_sync_enter((id)set);
        [(id<MTLCommandQueue>)queue addResidencySet:(id<MTLResidencySet>)set];
        objc_sync_exit((id)set);
        return MLXSHIM_OK;
    }
}

int32_t mlxshim_queue_remove_residency_set(mlxshim_queue_t queue, mlxshim_residency_set_t set) {
    if (set == NULL) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    @autoreleasepool {
        objc_sync_enter((id)set);
        [(id<MTLCommandQueue>)queue removeResidencySet:(id<MTLResidencySet>)set];
        objc_sync_exit((id)set);
        return MLXSHIM_OK;
    }
}

#pragma clang diagnostic pop

/* ---- encoding a stream ---- */

/* A command buffer that is being encoded. At most one encoder is open. */
struct encoding {
    id<MTLCommandBuffer> buffer;
    id<MTLComputeCommandEncoder> compute;
    id<MTLBlitCommandEncoder> blit;
    MTLDispatchType type;          /* of the dispatches that follow */
    uint32_t threadgroup_memories; /* a bit for each index that has threadgroup memory in `compute` */
    NSMutableArray *events;        /* keeps them alive, because Metal does not promise to */
};

static void end_encoders(struct encoding *encoding) {
    [encoding->compute endEncoding];
    [encoding->blit endEncoding];
    encoding->compute = nil;
    encoding->blit = nil;
    encoding->threadgroup_memories = 0;
}

/* Opens an encoder for dispatches, unless one is open. Returns false if Metal makes none. */
static bool begin_compute(struct encoding *encoding) {
    if (encoding->compute == nil) {
        end_encoders(encoding);
        encoding->compute = [encoding->buffer computeCommandEncoderWithDispatchType:encoding->type];
    }
    return encoding->compute != nil;
}

static bool begin_blit(struct encoding *encoding) {
    if (encoding->blit == nil) {
        end_encoders(encoding);
        encoding->blit = [encoding->buffer blitCommandEncoder];
    }
    return encoding->blit != nil;
}

static void encode_bindings(struct encoding *encoding, struct stream *stream, uint64_t count) {
    uint32_t threadgroup_memories = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct binding binding = read_binding(stream);
        switch (binding.kind) {
            case MLXSHIM_BIND_BUFFER:
                [encoding->compute setBuffer:binding.buffer offset:binding.offset atIndex:binding.index];
                break;
            case MLXSHIM_BIND_BYTES:
                [encoding->compute setBytes:binding.bytes length:binding.length atIndex:binding.index];
                break;
            default:
                [encoding->compute setThreadgroupMemoryLength:binding.length atIndex:binding.index];
                threadgroup_memories |= 1U << binding.index;
        }
    }
    /* An encoder keeps what earlier dispatches set, and their threadgroup memory would count for this one too. */
    for (uint32_t index = 0; index < MLXSHIM_THREADGROUP_ARGUMENTS; index++) {
        if ((encoding->threadgroup_memories & ~threadgroup_memories) >> index & 1) {
            [encoding->compute setThreadgroupMemoryLength:0 atIndex:index];
        }
    }
    encoding->threadgroup_memories = threadgroup_memories;
}

static bool is_whole(const struct dispatch *dispatch) {
    return dispatch->grid[0] % dispatch->threadgroup[0] == 0 && dispatch->grid[1] % dispatch->threadgroup[1] == 0 &&
           dispatch->grid[2] % dispatch->threadgroup[2] == 0;
}

static bool encode_dispatch(struct encoding *encoding, struct stream *stream) {
    if (!begin_compute(encoding)) {
        return false;
    }
    struct dispatch dispatch = read_dispatch(stream);
    [encoding->compute setComputePipelineState:dispatch.state];
    encode_bindings(encoding, stream, dispatch.bindings);
    const uint64_t *threads = dispatch.threadgroup;
    MTLSize threadgroup = MTLSizeMake(threads[0], threads[1], threads[2]);
    MTLSize grid = MTLSizeMake(dispatch.grid[0], dispatch.grid[1], dispatch.grid[2]);
    if (dispatch.unit == MLXSHIM_DISPATCH_THREADGROUPS) {
        [encoding->compute dispatchThreadgroups:grid threadsPerThreadgroup:threadgroup];
    } else if (is_whole(&dispatch)) {
        MTLSize groups = MTLSizeMake(grid.width / threads[0], grid.height / threads[1], grid.depth / threads[2]);
        [encoding->compute dispatchThreadgroups:groups threadsPerThreadgroup:threadgroup];
    } else {
        [encoding->compute dispatchThreads:grid threadsPerThreadgroup:threadgroup];
    }
    return true;
}

static bool encode_copy(struct encoding *encoding, struct stream *stream) {
    if (!begin_blit(encoding)) {
        return false;
    }
    struct copy copy = read_copy(stream);
    [encoding->blit copyFromBuffer:copy.source
                      sourceOffset:copy.source_offset
                          toBuffer:copy.destination
                 destinationOffset:copy.destination_offset
                              size:copy.length];
    return true;
}

static bool encode_fill(struct encoding *encoding, struct stream *stream) {
    if (!begin_blit(encoding)) {
        return false;
    }
    struct fill fill = read_fill(stream);
    [encoding->blit fillBuffer:fill.buffer range:NSMakeRange(fill.offset, fill.length) value:(uint8_t)fill.byte];
    return true;
}

static void encode_event(struct encoding *encoding, struct event event, bool signals) {
    end_encoders(encoding);
    [encoding->events addObject:event.event];
    if (signals) {
        [encoding->buffer encodeSignalEvent:event.event value:event.value];
    } else {
        [encoding->buffer encodeWaitForEvent:event.event value:event.value];
    }
}

static void encode_barrier(struct encoding *encoding) {
    if (encoding->compute != nil && encoding->type == MTLDispatchTypeConcurrent) {
        [encoding->compute memoryBarrierWithScope:MTLBarrierScopeBuffers];
    }
}

static void encode_concurrent(struct encoding *encoding, struct stream *stream) {
    MTLDispatchType type = read_word(stream) == 1 ? MTLDispatchTypeConcurrent : MTLDispatchTypeSerial;
    if (type != encoding->type) {
        end_encoders(encoding);
        encoding->type = type;
    }
}

/* Returns false if Metal makes no encoder. */
static bool encode_command(struct encoding *encoding, struct stream *stream) {
    next_command(stream);
    switch (stream->opcode) {
        case MLXSHIM_COMMAND_DISPATCH: return encode_dispatch(encoding, stream);
        case MLXSHIM_COMMAND_COPY: return encode_copy(encoding, stream);
        case MLXSHIM_COMMAND_FILL: return encode_fill(encoding, stream);
        case MLXSHIM_COMMAND_BARRIER: encode_barrier(encoding); return true;
        case MLXSHIM_COMMAND_CONCURRENT: encode_concurrent(encoding, stream); return true;
        default: encode_event(encoding, read_event(stream), stream->opcode == MLXSHIM_COMMAND_SIGNAL); return true;
    }
}

static bool encode_stream(struct encoding *encoding, struct stream *stream) {
    bool encoded = true;
    while (encoded && stream->end < stream->length) {
        encoded = encode_command(encoding, stream);
    }
    end_encoders(encoding);
    return encoded;
}

/* ---- command buffer: an array of the id<MTLCommandBuffer>, and the event and its value that mark the end ---- */

static id<MTLCommandBuffer> buffer_of(mlxshim_command_buffer_t command_buffer) {
    return [(NSArray *)command_buffer objectAtIndex:0];
}

/*
 * Raises the event at the end of the command buffer: the GPU does so as the last command, and the completed handler if
 * the command buffer failed before that. The handler runs on a thread of Metal, and must not enter the JVM. It captures
 * plain pointers, because not every runtime retains the objects that a block captures.
 */
static void commit_with_event(struct encoding *encoding, struct event completion) {
    encode_event(encoding, completion, true);
    void *event = completion.event;
    uint64_t value = completion.value;
    void *events = [encoding->events retain];
    [encoding->buffer addCompletedHandler:^(id<MTLCommandBuffer> completed) {
      (void)completed;
      @autoreleasepool {
          if ([(id<MTLSharedEvent>)event signaledValue] < value) {
              [(id<MTLSharedEvent>)event setSignaledValue:value];
          }
          [(id)events release];
      }
    }];
    [encoding->buffer commit];
}

/* Returns a command buffer, autoreleased, that says which encoder failed, and keeps its buffers and pipelines alive. */
static id<MTLCommandBuffer> new_buffer(id<MTLCommandQueue> queue, NSString *label) {
    MTLCommandBufferDescriptor *descriptor = [[[MTLCommandBufferDescriptor alloc] init] autorelease];
    [descriptor setErrorOptions:MTLCommandBufferErrorOptionEncoderExecutionStatus];
    [descriptor setRetainedReferences:YES];
    id<MTLCommandBuffer> buffer = [queue commandBufferWithDescriptor:descriptor];
    [buffer setLabel:label];
    return buffer;
}

/* Returns the handle, which the caller owns. */
static mlxshim_command_buffer_t handle_of(id<MTLCommandBuffer> buffer, struct event completion) {
    NSMutableArray *handle = [[objc_getClass("NSMutableArray") alloc] init];
    [handle addObject:buffer];
    [handle addObject:completion.event];
    [handle addObject:[objc_getClass("NSNumber") numberWithUnsignedLongLong:completion.value]];
    return (mlxshim_command_buffer_t)handle;
}

int32_t mlxshim_queue_submit(mlxshim_queue_t queue, const char *label, const void *commands, uint64_t commands_length,
                             mlxshim_event_t event, uint64_t value, mlxshim_command_buffer_t *out_command_buffer,
                             mlxshim_text_t *out_log) {
    @autoreleasepool {
        NSString *name;
        if (queue == NULL || (commands == NULL && commands_length > 0) || event == NULL || out_command_buffer == NULL ||
            !read_label(label, &name)) {
            return finish(MLXSHIM_ERROR_INVALID_ARGUMENT,
                          "queue, commands, event or out_command_buffer is NULL, or the label is not UTF-8", out_log);
        }
        id<MTLDevice> device = [(id<MTLCommandQueue>)queue device];
        char log[LOG_SIZE];
        struct stream stream = {.bytes = commands,
                                .length = commands_length,
                                .limits = limits_of(device),
                                .reason = text_in(log, sizeof log)};
        int32_t status = check_stream(&stream);
        if (status != MLXSHIM_OK) {
            return finish(status, log, out_log);
        }
        struct encoding encoding = {.buffer = new_buffer((id<MTLCommandQueue>)queue, name),
                                    .type = MTLDispatchTypeSerial,
                                    .events = [[[objc_getClass("NSMutableArray") alloc] init] autorelease]};
        stream.end = 0;
        if (encoding.buffer == nil || !encode_stream(&encoding, &stream)) {
            append(&stream.reason, "no memory left for a command buffer");
            fail_out_of_memory(device, &stream.reason);
            return finish(MLXSHIM_ERROR_OUT_OF_MEMORY, log, out_log);
        }
        struct event completion = {.event = (id<MTLSharedEvent>)event, .value = value};
        *out_command_buffer = handle_of(encoding.buffer, completion);
        commit_with_event(&encoding, completion);
        return finish(MLXSHIM_OK, NULL, out_log);
    }
}

void mlxshim_command_buffer_release(mlxshim_command_buffer_t command_buffer) {
    release_handle(command_buffer);
}

/*
 * Waits for the end of a command buffer whose event has the value already. The GPU raises the event before Metal counts
 * the command buffer as complete, but this ABI promises that it is.
 */
static void settle(mlxshim_command_buffer_t command_buffer) {
    NSArray *handle = (NSArray *)command_buffer;
    uint64_t value = [(NSNumber *)[handle objectAtIndex:2] unsignedLongLongValue];
    if ([buffer_of(command_buffer) status] < MTLCommandBufferStatusCompleted &&
        [(id<MTLSharedEvent>)[handle objectAtIndex:1] signaledValue] >= value) {
        [buffer_of(command_buffer) waitUntilCompleted];
    }
}

int32_t mlxshim_command_buffer_status(mlxshim_command_buffer_t command_buffer) {
    @autoreleasepool {
        settle(command_buffer);
        return (int32_t)[buffer_of(command_buffer) status];
    }
}

#define NANOS_PER_SECOND 1e9

void mlxshim_command_buffer_gpu_times(mlxshim_command_buffer_t command_buffer, uint64_t *out_start,
                                      uint64_t *out_end) {
    @autoreleasepool {
        settle(command_buffer);
        *out_start = (uint64_t)([buffer_of(command_buffer) GPUStartTime] * NANOS_PER_SECOND);
        *out_end = (uint64_t)([buffer_of(command_buffer) GPUEndTime] * NANOS_PER_SECOND);
    }
}

static int32_t failure_of(NSError *error) {
    if (![[error domain] isEqualToString:MTLCommandBufferErrorDomain]) {
        return MLXSHIM_FAILURE_OTHER;
    }
    switch ([error code]) {
        case MTLCommandBufferErrorPageFault:
        case MTLCommandBufferErrorInvalidResource:
        case MTLCommandBufferErrorStackOverflow:
            return MLXSHIM_FAILURE_FAULT;
        case MTLCommandBufferErrorTimeout:
            return MLXSHIM_FAILURE_TIMEOUT;
        case MTLCommandBufferErrorOutOfMemory:
            return MLXSHIM_FAILURE_OUT_OF_MEMORY;
        default:
            return MLXSHIM_FAILURE_OTHER;
    }
}

static const char *name_of(MTLCommandEncoderErrorState state) {
    switch (state) {
        case MTLCommandEncoderErrorStateCompleted: return " completed";
        case MTLCommandEncoderErrorStateAffected: return " was affected";
        case MTLCommandEncoderErrorStatePending: return " had not begun";
        case MTLCommandEncoderErrorStateFaulted: return " faulted";
        default: return " is in an unknown state";
    }
}

/* Appends a line for each encoder, in the order of the stream. */
static void append_encoders(struct text *text, NSError *error) {
    NSArray *encoders = [[error userInfo] objectForKey:MTLCommandBufferEncoderInfoErrorKey];
    for (NSUInteger i = 0; i < [encoders count]; i++) {
        append(text, "\nencoder ");
        append_number(text, i + 1);
        append(text, " of ");
        append_number(text, [encoders count]);
        append(text, name_of([(id<MTLCommandBufferEncoderInfo>)[encoders objectAtIndex:i] errorState]));
    }
}

uint64_t mlxshim_command_buffer_failure(mlxshim_command_buffer_t command_buffer, int32_t *out_failure, char *text,
                                        uint64_t text_capacity) {
    @autoreleasepool {
        settle(command_buffer);
        struct text report = text_in(text, text_capacity);
        if ([buffer_of(command_buffer) status] != MTLCommandBufferStatusError) {
            *out_failure = MLXSHIM_FAILURE_NONE;
            append(&report, "");
            return report.length;
        }
        NSError *error = [buffer_of(command_buffer) error];
        *out_failure = failure_of(error);
        append_string(&report, [error localizedDescription]);
        append_encoders(&report, error);
        return report.length;
    }
}
