#import "standin.h"

#include <stdatomic.h>

#include "faults.h"
#include "live_objects.h"

/* ---- descriptor of a command buffer ---- */

@interface StandInCommandBufferDescriptor : MTLCommandBufferDescriptor {
@public
    BOOL retains_references;
    MTLCommandBufferErrorOption error_options;
}
@end

#pragma clang diagnostic push
/* Classes that Metal.h declares have their methods in a subclass, as in residency_set.m. */
#pragma clang diagnostic ignored "-Wincomplete-implementation"

@implementation MTLCommandBufferDescriptor

+ (id)allocWithZone:(NSZone *)zone {
    return NSAllocateObject([StandInCommandBufferDescriptor class], 0, zone);
}

@end

#pragma clang diagnostic pop

@implementation StandInCommandBufferDescriptor

- (instancetype)init {
    self = [super init];
    retains_references = YES;
    return self;
}

- (void)setRetainedReferences:(BOOL)retained {
    use_autorelease_pool();
    retains_references = retained;
}

- (void)setErrorOptions:(MTLCommandBufferErrorOption)options {
    use_autorelease_pool();
    error_options = options;
}

@end

/* ---- queue ---- */

@interface StandInQueue : NSObject <StandInQueue> {
@public
    id<MTLDevice> device;
    struct compute_queue *queue;
    NSUInteger most;            /* command buffers that may exist and not be complete */
    atomic_ulong in_flight;     /* command buffers that exist and are not complete */
    NSMutableSet *residency_sets; /* guarded by @synchronized (self) */
}
@end

id<MTLCommandQueue> standin_queue_new(id<MTLDevice> device, NSUInteger most) {
    if (!faults_admit(QUEUES, 0)) {
        return nil;
    }
    StandInQueue *queue = [[StandInQueue alloc] init];
    queue->device = [device retain];
    queue->most = most;
    queue->residency_sets = [[NSMutableSet alloc] init];
    queue->queue = compute_queue_new();
    if (queue->queue == NULL) {
        [queue release];
        return nil;
    }
    return queue;
}

@implementation StandInQueue

- (void)dealloc {
    use_autorelease_pool();
    if (queue != NULL) {
        compute_queue_release(queue);
    }
    [residency_sets release];
    [device release];
    live_objects_remove(QUEUES, 0);
    [super dealloc];
}

- (void)setLabel:(NSString *)label {
    use_autorelease_pool();
}

- (id<MTLDevice>)device {
    use_autorelease_pool();
    return device;
}

- (struct compute_queue *)queue {
    return queue;
}

- (void)commandBufferEnded {
    atomic_fetch_sub(&in_flight, 1);
}

/* Metal blocks the thread while too many command buffers exist: forever, if this thread has to commit them. */
- (id<MTLCommandBuffer>)commandBufferWithDescriptor:(MTLCommandBufferDescriptor *)descriptor {
    use_autorelease_pool();
    StandInCommandBufferDescriptor *wanted = (StandInCommandBufferDescriptor *)descriptor;
    bool reports = wanted->error_options & MTLCommandBufferErrorOptionEncoderExecutionStatus;
    id<MTLCommandBuffer> buffer = standin_command_buffer_new(self, wanted->retains_references, reports);
    if (buffer != nil && atomic_fetch_add(&in_flight, 1) >= most) {
        report_misuse("more command buffers than the queue's maximum");
    }
    return [buffer autorelease];
}

- (void)addResidencySet:(id<MTLResidencySet>)set {
    use_autorelease_pool();
    @synchronized(self) {
        [residency_sets addObject:set];
    }
}

- (void)removeResidencySet:(id<MTLResidencySet>)set {
    use_autorelease_pool();
    @synchronized(self) {
        if (![residency_sets containsObject:set]) {
            report_misuse("removal of a residency set that the queue does not have");
        }
        [residency_sets removeObject:set];
    }
}

@end
