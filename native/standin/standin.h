/*
 * Declarations that the classes of the stand-in share. Where Apple's documentation allows several behaviours, these
 * classes have the one that is hardest for a caller. Apple's validation layer ends the process on a misuse; the
 * stand-in writes a line to standard error instead, and each test requires standard error to be empty.
 */
#ifndef STANDIN_H
#define STANDIN_H

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <stdio.h>

/* The part of Metal's MTLAllocation that residency sets use and mlxshim.m does not. */
@protocol StandInAllocation <MTLAllocation>
- (uint64_t)allocatedSize;
@end

/* Each returns an object that the caller owns, or nil. Caller has checked the length. */
id<MTLBuffer> standin_buffer_new(NSUInteger length, MTLStorageMode storage_mode);
id<MTLBuffer> standin_buffer_new_no_copy(void *pages, NSUInteger length, void (^deallocator)(void *, NSUInteger));
id<MTLSharedEvent> standin_event_new(void);
id<MTLResidencySet> standin_residency_set_new(MTLResidencySetDescriptor *descriptor, NSError **error);

/*
 * Autoreleases an object. Metal may do so in any method, and the stand-in does in every one. GNUstep then writes a
 * warning to standard error for each message that is sent without an autorelease pool.
 */
static inline void use_autorelease_pool(void) {
    [[[NSObject alloc] init] autorelease];
}

static inline void report_misuse(const char *what) {
    fprintf(stderr, "stand-in Metal: %s\n", what);
}

#endif
