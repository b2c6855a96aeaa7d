#import "standin.h"

#include <Block.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "live_objects.h"
#include "pages.h"

/*
 * The byte that fills new and discarded storage. Apple documents that Metal clears a new buffer, but uncleared recycled
 * storage has been observed, so a caller that promises zeros has to write them.
 */
#define GARBAGE 0xCD

/* What a device returns that does not change a state. */
#define NO_PURGEABLE_STATE ((MTLPurgeableState)0)

@interface StandInBuffer : NSObject <MTLBuffer, StandInAllocation> {
@public
    void *pages;
    NSUInteger length;
    struct page_run run; /* the pages, or empty if the caller owns them */
    MTLStorageMode storage_mode;
    void (^deallocator)(void *, NSUInteger);
    pthread_mutex_t lock; /* guards label and purgeable_state */
    NSString *label;
    MTLPurgeableState purgeable_state;
}
@end

static NSUInteger whole_pages(NSUInteger length) {
    NSUInteger mask = (NSUInteger)getpagesize() - 1;
    return (length + mask) & ~mask;
}

/* Creates the object of a buffer. Caller has called faults_admit. */
static StandInBuffer *buffer_new(void *pages, NSUInteger length, MTLStorageMode storage_mode) {
    StandInBuffer *buffer = [[StandInBuffer alloc] init];
    buffer->pages = pages;
    buffer->length = length;
    buffer->storage_mode = storage_mode;
    buffer->purgeable_state = MTLPurgeableStateNonVolatile;
    pthread_mutex_init(&buffer->lock, NULL);
    return buffer;
}

id<MTLBuffer> standin_buffer_new(NSUInteger length, MTLStorageMode storage_mode) {
    NSUInteger bytes = whole_pages(length);
    if (!faults_admit(BUFFERS, bytes)) {
        return nil;
    }
    struct page_run run;
    if (page_run_new(bytes, &run) != PAGES_OK) {
        live_objects_remove(BUFFERS, bytes);
        return nil;
    }
    if (storage_mode != MTLStorageModePrivate) {
        memset(run.start, GARBAGE, bytes);
    }
    StandInBuffer *buffer = buffer_new(run.start, faults_empty_create() ? 0 : length, storage_mode);
    buffer->run = run;
    return buffer;
}

id<MTLBuffer> standin_buffer_new_no_copy(void *pages, NSUInteger length, void (^deallocator)(void *, NSUInteger)) {
    if (!faults_admit(BUFFERS, 0)) {
        return nil;
    }
    StandInBuffer *buffer = buffer_new(pages, faults_empty_wrap() ? 0 : length, MTLStorageModeShared);
    if (deallocator != nil) {
        buffer->deallocator = Block_copy(deallocator);
    }
    return buffer;
}

static void retain_object(void *object) {
    [(id)object retain];
}

static void release_object(void *object) {
    @autoreleasepool {
        [(id)object release];
    }
}

static void keep_nothing(void *object) {
    (void)object;
}

struct compute_range standin_buffer_range(id<MTLBuffer> buffer, NSUInteger offset, NSUInteger length, BOOL retained) {
    return (struct compute_range){.owner = {.object = buffer,
                                            .retain = retained ? retain_object : keep_nothing,
                                            .release = retained ? release_object : keep_nothing},
                                  .bytes = (char *)((StandInBuffer *)buffer)->pages + offset,
                                  .length = length};
}

@implementation StandInBuffer

- (void)dealloc {
    use_autorelease_pool();
    if (run.bytes > 0) {
        page_run_free(run);
    }
    if (deallocator != nil) {
        deallocator(pages, length);
        Block_release(deallocator);
    }
    pthread_mutex_destroy(&lock);
    [label release];
    live_objects_remove(BUFFERS, run.bytes);
    [super dealloc];
}

- (NSUInteger)length {
    use_autorelease_pool();
    return length;
}

- (void *)contents {
    use_autorelease_pool();
    return storage_mode == MTLStorageModePrivate ? NULL : pages;
}

- (uint64_t)allocatedSize {
    return whole_pages(length);
}

- (void)didModifyRange:(NSRange)range {
    use_autorelease_pool();
    if (storage_mode != MTLStorageModeManaged || range.location > length || range.length > length - range.location) {
        report_misuse("didModifyRange: outside a managed buffer");
    }
}

- (NSString *)label {
    pthread_mutex_lock(&lock);
    NSString *current = [label retain];
    pthread_mutex_unlock(&lock);
    use_autorelease_pool();
    return [current autorelease];
}

- (void)setLabel:(NSString *)name {
    use_autorelease_pool();
    NSString *copy = [name copy];
    pthread_mutex_lock(&lock);
    NSString *replaced = label;
    label = copy;
    pthread_mutex_unlock(&lock);
    [replaced release];
}

- (MTLPurgeableState)setPurgeableState:(MTLPurgeableState)state {
    use_autorelease_pool();
    if (state != MTLPurgeableStateKeepCurrent && faults_refuse_purgeable()) {
        return NO_PURGEABLE_STATE;
    }
    pthread_mutex_lock(&lock);
    MTLPurgeableState previous = purgeable_state;
    if (state != MTLPurgeableStateKeepCurrent) {
        purgeable_state = state == MTLPurgeableStateVolatile && faults_purge() ? MTLPurgeableStateEmpty : state;
    }
    if (state != MTLPurgeableStateKeepCurrent && purgeable_state == MTLPurgeableStateEmpty &&
        storage_mode != MTLStorageModePrivate) {
        memset(pages, GARBAGE, run.bytes);
    }
    pthread_mutex_unlock(&lock);
    return previous;
}

@end
