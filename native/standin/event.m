#import "standin.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "faults.h"
#include "live_objects.h"

#define NANOS_PER_SECOND 1000000000L

@interface StandInEvent : NSObject <MTLSharedEvent> {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    uint64_t value;
}
@end

id<MTLSharedEvent> standin_event_new(void) {
    return faults_admit(EVENTS, 0) ? [[StandInEvent alloc] init] : nil;
}

static void keep_nothing(void *object) {
    (void)object;
}

static void signal_event(void *object, uint64_t value) {
    @autoreleasepool {
        [(StandInEvent *)object setSignaledValue:value];
    }
}

/* The longest wait that does not overflow when it is added to the time. */
#define LONGEST_WAIT_MILLIS (24ULL * 60 * 60 * 1000)

static bool wait_for_event(void *object, uint64_t value, uint64_t millis) {
    @autoreleasepool {
        uint64_t wait = millis < LONGEST_WAIT_MILLIS ? millis : LONGEST_WAIT_MILLIS;
        return [(StandInEvent *)object waitUntilSignaledValue:value timeoutMS:wait];
    }
}

struct compute_event standin_compute_event(id<MTLEvent> event) {
    return (struct compute_event){.owner = {.object = event, .retain = keep_nothing, .release = keep_nothing},
                                  .signal = signal_event,
                                  .wait = wait_for_event};
}

@implementation StandInEvent

- (instancetype)init {
    self = [super init];
    pthread_mutex_init(&lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&raised, &attributes);
    pthread_condattr_destroy(&attributes);
    return self;
}

- (void)dealloc {
    use_autorelease_pool();
    pthread_cond_destroy(&raised);
    pthread_mutex_destroy(&lock);
    live_objects_remove(EVENTS, 0);
    [super dealloc];
}

- (uint64_t)signaledValue {
    use_autorelease_pool();
    pthread_mutex_lock(&lock);
    uint64_t current = value;
    pthread_mutex_unlock(&lock);
    return current;
}

/* Apple documents that a value which is not larger than the current one changes nothing. */
- (void)setSignaledValue:(uint64_t)larger {
    use_autorelease_pool();
    pthread_mutex_lock(&lock);
    if (larger > value) {
        value = larger;
        pthread_cond_broadcast(&raised);
    }
    pthread_mutex_unlock(&lock);
}

- (BOOL)waitUntilSignaledValue:(uint64_t)awaited timeoutMS:(uint64_t)milliseconds {
    use_autorelease_pool();
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += (time_t)(milliseconds / 1000);
    deadline.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (deadline.tv_nsec >= NANOS_PER_SECOND) {
        deadline.tv_sec++;
        deadline.tv_nsec -= NANOS_PER_SECOND;
    }
    pthread_mutex_lock(&lock);
    int waited = 0;
    while (value < awaited && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&raised, &lock, &deadline);
    }
    BOOL reached = value >= awaited;
    pthread_mutex_unlock(&lock);
    return reached;
}

@end
