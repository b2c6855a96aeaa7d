#import "standin.h"

#include <pthread.h>
#include <sched.h>

#include "faults.h"
#include "live_objects.h"

/*
 * The class of the objects that MTLResidencySetDescriptor's alloc creates. Metal.h declares MTLResidencySetDescriptor
 * without instance variables, and with GCC's runtime its implementation cannot add any.
 */
@interface StandInResidencySetDescriptor : MTLResidencySetDescriptor {
@public
    NSString *label;
    NSUInteger initial_capacity;
}
@end

@implementation MTLResidencySetDescriptor

+ (id)allocWithZone:(NSZone *)zone {
    return NSAllocateObject([StandInResidencySetDescriptor class], 0, zone);
}

- (void)setLabel:(NSString *)name {
    [self doesNotRecognizeSelector:_cmd];
}

- (void)setInitialCapacity:(NSUInteger)capacity {
    [self doesNotRecognizeSelector:_cmd];
}

@end

@implementation StandInResidencySetDescriptor

- (void)dealloc {
    use_autorelease_pool();
    [label release];
    [super dealloc];
}

- (void)setLabel:(NSString *)name {
    use_autorelease_pool();
    [label release];
    label = [name copy];
}

- (void)setInitialCapacity:(NSUInteger)capacity {
    use_autorelease_pool();
    initial_capacity = capacity;
}

@end

/* Not thread-safe, as in Metal. If two threads use a set at once, it reports the misuse and stays consistent. */
@interface StandInResidencySet : NSObject <MTLResidencySet> {
@public
    NSString *label;
    NSMutableSet *members;
    NSMutableSet *added;
    NSMutableSet *removed;
    uint64_t allocated_size;
    pthread_mutex_t occupied;
}
@end

id<MTLResidencySet> standin_residency_set_new(MTLResidencySetDescriptor *descriptor, NSError **error) {
    if (!faults_admit(RESIDENCY_SETS, 0)) {
        /* Not all ASCII, because macOS describes errors in the user's language. */
        NSString *reason = [NSString stringWithUTF8String:"kein Speicher für eine Residenzmenge — 🍏"];
        NSDictionary *details = [NSDictionary dictionaryWithObject:reason forKey:NSLocalizedDescriptionKey];
        *error = [NSError errorWithDomain:@"StandIn" code:1 userInfo:details];
        return nil;
    }
    StandInResidencySetDescriptor *wanted = (StandInResidencySetDescriptor *)descriptor;
    StandInResidencySet *set = [[StandInResidencySet alloc] init];
    set->label = [wanted->label copy];
    set->members = [[NSMutableSet alloc] initWithCapacity:wanted->initial_capacity];
    set->added = [[NSMutableSet alloc] init];
    set->removed = [[NSMutableSet alloc] init];
    pthread_mutex_init(&set->occupied, NULL);
    return set;
}

@implementation StandInResidencySet

- (void)enter {
    use_autorelease_pool();
    if (pthread_mutex_trylock(&occupied) != 0) {
        report_misuse("two threads are in one residency set at once");
        pthread_mutex_lock(&occupied);
    }
    /* Lets other threads run while this one holds the set, so that a missing lock shows more often. */
    sched_yield();
}

- (void)leave {
    pthread_mutex_unlock(&occupied);
}

- (void)dealloc {
    use_autorelease_pool();
    [label release];
    [members release];
    [added release];
    [removed release];
    pthread_mutex_destroy(&occupied);
    live_objects_remove(RESIDENCY_SETS, 0);
    [super dealloc];
}

- (void)addAllocation:(id<MTLAllocation>)allocation {
    [self enter];
    [removed removeObject:allocation];
    [added addObject:allocation];
    [self leave];
}

- (void)removeAllocation:(id<MTLAllocation>)allocation {
    [self enter];
    [added removeObject:allocation];
    [removed addObject:allocation];
    [self leave];
}

- (void)commit {
    [self enter];
    [members minusSet:removed];
    [members unionSet:added];
    [removed removeAllObjects];
    [added removeAllObjects];
    allocated_size = 0;
    for (id<StandInAllocation> member in members) {
        allocated_size += [member allocatedSize];
    }
    [self leave];
}

- (void)requestResidency {
    [self enter];
    [self leave];
}

- (void)endResidency {
    [self enter];
    [self leave];
}

/* Apple documents that the count and the size change only with a commit. */
- (NSUInteger)allocationCount {
    [self enter];
    NSUInteger count = [members count];
    [self leave];
    return count;
}

- (uint64_t)allocatedSize {
    [self enter];
    uint64_t size = allocated_size;
    [self leave];
    return size;
}

@end
