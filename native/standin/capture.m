#import "standin.h"

#include <stdlib.h>

/* ---- descriptor ---- */

@interface StandInCaptureDescriptor : MTLCaptureDescriptor {
@public
    id object;
    MTLCaptureDestination destination;
    NSURL *url;
}
@end

/* Captures write an empty file, where Metal writes a trace. */
@interface StandInCaptureManager : MTLCaptureManager {
@public
    NSString *file; /* nil while nothing is captured */
}
@end

#pragma clang diagnostic push
/* Classes that Metal.h declares have their methods in a subclass, as in residency_set.m. */
#pragma clang diagnostic ignored "-Wincomplete-implementation"

@implementation MTLCaptureDescriptor

+ (id)allocWithZone:(NSZone *)zone {
    return NSAllocateObject([StandInCaptureDescriptor class], 0, zone);
}

@end

@implementation MTLCaptureManager

+ (MTLCaptureManager *)sharedCaptureManager {
    use_autorelease_pool();
    static StandInCaptureManager *shared;
    @synchronized(self) {
        if (shared == nil) {
            shared = NSAllocateObject([StandInCaptureManager class], 0, NULL);
        }
    }
    return shared;
}

@end

#pragma clang diagnostic pop

@implementation StandInCaptureDescriptor

- (void)dealloc {
    use_autorelease_pool();
    [object release];
    [url release];
    [super dealloc];
}

- (void)setCaptureObject:(id)captured {
    use_autorelease_pool();
    [object release];
    object = [captured retain];
}

- (void)setDestination:(MTLCaptureDestination)place {
    use_autorelease_pool();
    destination = place;
}

- (void)setOutputURL:(NSURL *)place {
    use_autorelease_pool();
    [url release];
    url = [place retain];
}

@end

/* ---- manager ---- */

@implementation StandInCaptureManager

- (BOOL)supportsDestination:(MTLCaptureDestination)destination {
    use_autorelease_pool();
    return destination == MTLCaptureDestinationGPUTraceDocument && getenv("MTL_CAPTURE_ENABLED") != NULL;
}

- (BOOL)startCaptureWithDescriptor:(MTLCaptureDescriptor *)descriptor error:(NSError **)error {
    use_autorelease_pool();
    StandInCaptureDescriptor *wanted = (StandInCaptureDescriptor *)descriptor;
    if (file != nil || ![self supportsDestination:wanted->destination] || wanted->object == nil) {
        report_misuse("a capture that is the second, or of an unsupported destination, or of no object");
        return NO;
    }
    if (![[NSFileManager defaultManager] createFileAtPath:[wanted->url path] contents:[NSData data] attributes:nil]) {
        *error = standin_error(@"MTLCaptureErrorDomain", 3, "the file cannot be created");
        return NO;
    }
    file = [[wanted->url path] copy];
    return YES;
}

- (BOOL)isCapturing {
    use_autorelease_pool();
    return file != nil;
}

- (void)stopCapture {
    use_autorelease_pool();
    if (file == nil) {
        report_misuse("stopCapture without a capture");
    }
    [file release];
    file = nil;
}

@end
