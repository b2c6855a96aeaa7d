/*
 * What the classes of the stand-in share. Where Apple's documentation leaves Metal a choice, they take the one that is
 * hardest on a caller. What Apple's validation layer ends the process for is a line on standard error here, which
 * every test requires to stay empty.
 */
#ifndef STANDIN_H
#define STANDIN_H

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <stdio.h>

/* What Metal asks of everything that a residency set takes, and mlxshim.m does not ask for. */
@protocol StandInAllocation <MTLAllocation>
- (uint64_t)allocatedSize;
@end

/* Each owned by the caller, or nil. The lengths have been checked. */
id<MTLBuffer> standin_buffer_new(NSUInteger length, MTLStorageMode storage_mode);
id<MTLBuffer> standin_buffer_new_no_copy(void *pages, NSUInteger length, void (^deallocator)(void *, NSUInteger));
id<MTLSharedEvent> standin_event_new(void);
id<MTLResidencySet> standin_residency_set_new(MTLResidencySetDescriptor *descriptor, NSError **error);

/*
 * Metal may autorelease objects in any method. The stand-in does in every one, so that GNUstep warns on standard error
 * of each message that is sent without an autorelease pool.
 */
static inline void use_autorelease_pool(void) {
    [[[NSObject alloc] init] autorelease];
}

static inline void report_misuse(const char *what) {
    fprintf(stderr, "stand-in Metal: %s\n", what);
}

#endif
