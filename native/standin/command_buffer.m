#import "standin.h"

#include <Block.h>
#include <pthread.h>
#include <unistd.h>

#include "faults.h"
#include "live_objects.h"

NSString *const MTLCommandBufferErrorDomain = @"MTLCommandBufferErrorDomain";
NSString *const MTLCommandBufferEncoderInfoErrorKey = @"MTLCommandBufferEncoderInfoErrorKey";

/* The time from the last command to the end of a command buffer, in which Metal runs handlers. */
#define SETTLING_MICROS 300

@interface StandInEncoderInfo : NSObject <MTLCommandBufferEncoderInfo> {
@public
    MTLCommandEncoderErrorState state;
}
@end

@implementation StandInEncoderInfo

- (MTLCommandEncoderErrorState)errorState {
    use_autorelease_pool();
    return state;
}

@end

@interface StandInCommandBuffer : NSObject <StandInCommandBuffer> {
@public
    id<StandInQueue> queue;
    struct compute_commands *commands;
    BOOL retains_references;
    BOOL reports_encoders;
    BOOL encoder_open;
    BOOL committed;
    NSUInteger encoders;
    void (^handler)(id<MTLCommandBuffer>);
    pthread_mutex_t lock; /* guards `completed` */
    pthread_cond_t change;
    BOOL completed;
}
@end

id<MTLCommandBuffer> standin_command_buffer_new(id<StandInQueue> queue, BOOL retains_references,
                                                BOOL reports_encoders) {
    if (!faults_admit(COMMAND_BUFFERS, 0)) {
        return nil;
    }
    struct compute_commands *commands = compute_commands_new();
    if (commands == NULL) {
        live_objects_remove(COMMAND_BUFFERS, 0);
        return nil;
    }
    StandInCommandBuffer *buffer = [[StandInCommandBuffer alloc] init];
    buffer->queue = [queue retain];
    buffer->commands = commands;
    buffer->retains_references = retains_references;
    buffer->reports_encoders = reports_encoders;
    pthread_mutex_init(&buffer->lock, NULL);
    pthread_cond_init(&buffer->change, NULL);
    return buffer;
}

/* Ends a command buffer, on a thread of its queue. Handlers run before Metal counts it as complete. */
static void complete(void *context) {
    @autoreleasepool {
        StandInCommandBuffer *buffer = context;
        usleep(SETTLING_MICROS);
        if (buffer->handler != nil) {
            buffer->handler(buffer);
        }
        [buffer->queue commandBufferEnded];
        pthread_mutex_lock(&buffer->lock);
        buffer->completed = YES;
        pthread_cond_broadcast(&buffer->change);
        pthread_mutex_unlock(&buffer->lock);
        [buffer release];
    }
}

static NSInteger code_of(int32_t failure) {
    switch (failure) {
        case MLXSHIM_FAILURE_FAULT: return MTLCommandBufferErrorPageFault;
        case MLXSHIM_FAILURE_TIMEOUT: return MTLCommandBufferErrorTimeout;
        case MLXSHIM_FAILURE_OUT_OF_MEMORY: return MTLCommandBufferErrorOutOfMemory;
        default: return MTLCommandBufferErrorInternal;
    }
}

@implementation StandInCommandBuffer

- (void)dealloc {
    use_autorelease_pool();
    if (encoder_open) {
        report_misuse("a command buffer was released before endEncoding");
    }
    if (!committed) {
        [queue commandBufferEnded];
    }
    if (handler != nil) {
        Block_release(handler);
    }
    compute_commands_release(commands);
    [queue release];
    pthread_cond_destroy(&change);
    pthread_mutex_destroy(&lock);
    live_objects_remove(COMMAND_BUFFERS, 0);
    [super dealloc];
}

- (struct compute_commands *)commands {
    return commands;
}

- (BOOL)retainsReferences {
    return retains_references;
}

- (void)encoderEnded {
    encoder_open = NO;
}

- (void)setLabel:(NSString *)label {
    use_autorelease_pool();
}

/* Reports a misuse unless commands can be encoded. */
- (void)checkOpen:(const char *)misuse {
    if (committed || encoder_open) {
        report_misuse(misuse);
    }
}

- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type {
    use_autorelease_pool();
    [self checkOpen:"an encoder after the commit, or while another is open"];
    encoder_open = YES;
    encoders++;
    return [standin_compute_encoder_new(self) autorelease];
}

- (id<MTLBlitCommandEncoder>)blitCommandEncoder {
    use_autorelease_pool();
    [self checkOpen:"an encoder after the commit, or while another is open"];
    encoder_open = YES;
    encoders++;
    return [standin_blit_encoder_new(self) autorelease];
}

- (void)encodeWaitForEvent:(id<MTLEvent>)event value:(uint64_t)value {
    use_autorelease_pool();
    [self checkOpen:"a wait after the commit, or while an encoder is open"];
    compute_wait(commands, standin_compute_event(event), value);
}

- (void)encodeSignalEvent:(id<MTLEvent>)event value:(uint64_t)value {
    use_autorelease_pool();
    [self checkOpen:"a signal after the commit, or while an encoder is open"];
    compute_signal(commands, standin_compute_event(event), value);
}

- (void)addCompletedHandler:(void (^)(id<MTLCommandBuffer> buffer))completed_handler {
    use_autorelease_pool();
    if (committed || handler != nil) {
        report_misuse("a completed handler after the commit, or a second one");
        return;
    }
    handler = Block_copy(completed_handler);
}

- (void)commit {
    use_autorelease_pool();
    [self checkOpen:"a second commit, or one while an encoder is open"];
    committed = YES;
    [self retain];
    compute_commit([queue queue], commands, complete, self);
}

- (BOOL)isCompleted {
    pthread_mutex_lock(&lock);
    BOOL current = completed;
    pthread_mutex_unlock(&lock);
    return current;
}

- (void)waitUntilCompleted {
    use_autorelease_pool();
    if (!committed) {
        report_misuse("waitUntilCompleted before the commit");
        return;
    }
    pthread_mutex_lock(&lock);
    while (!completed) {
        pthread_cond_wait(&change, &lock);
    }
    pthread_mutex_unlock(&lock);
}

- (MTLCommandBufferStatus)status {
    use_autorelease_pool();
    if (!committed) {
        return MTLCommandBufferStatusNotEnqueued;
    }
    int32_t status = compute_status(commands);
    return status >= MLXSHIM_STATUS_COMPLETED && ![self isCompleted] ? MTLCommandBufferStatusScheduled
                                                                    : (MTLCommandBufferStatus)status;
}

/* The encoders in order: the last faulted, and those before it were affected. */
- (NSArray *)encoderInfos {
    NSMutableArray *infos = [NSMutableArray array];
    for (NSUInteger i = 1; i <= encoders; i++) {
        StandInEncoderInfo *info = [[[StandInEncoderInfo alloc] init] autorelease];
        info->state = i == encoders ? MTLCommandEncoderErrorStateFaulted : MTLCommandEncoderErrorStateAffected;
        [infos addObject:info];
    }
    return infos;
}

- (NSError *)error {
    use_autorelease_pool();
    const char *text;
    int32_t failure = [self isCompleted] ? compute_failure(commands, &text) : MLXSHIM_FAILURE_NONE;
    if (failure == MLXSHIM_FAILURE_NONE) {
        return nil;
    }
    NSMutableDictionary *details = [NSMutableDictionary dictionary];
    [details setObject:[NSString stringWithUTF8String:text] forKey:NSLocalizedDescriptionKey];
    if (reports_encoders) {
        [details setObject:[self encoderInfos] forKey:MTLCommandBufferEncoderInfoErrorKey];
    }
    return [NSError errorWithDomain:MTLCommandBufferErrorDomain code:code_of(failure) userInfo:details];
}

- (double)GPUStartTime {
    use_autorelease_pool();
    uint64_t start;
    uint64_t end;
    compute_times(commands, &start, &end);
    return [self isCompleted] ? (double)start / 1e9 : 0;
}

- (double)GPUEndTime {
    use_autorelease_pool();
    uint64_t start;
    uint64_t end;
    compute_times(commands, &start, &end);
    return [self isCompleted] ? (double)end / 1e9 : 0;
}

@end
