#import "standin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "live_objects.h"

NSString *const MTLLibraryErrorDomain = @"MTLLibraryErrorDomain";

NSError *standin_error(NSString *domain, NSInteger code, const char *text) {
    NSString *reason = [NSString stringWithUTF8String:text == NULL ? "" : text];
    NSDictionary *details = [NSDictionary dictionaryWithObject:reason forKey:NSLocalizedDescriptionKey];
    return [NSError errorWithDomain:domain code:code userInfo:details];
}

/* Returns the error for a status and a log of the compiler, autoreleased, and frees the log. nil if memory ran out. */
static NSError *error_of(int32_t status, char *log) {
    NSError *error = nil;
    if (status == MLXSHIM_OK && log != NULL) {
        error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorCompileWarning, log);
    } else if (status == MLXSHIM_ERROR_NO_KERNEL) {
        error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorFunctionNotFound, log);
    } else if (status == MLXSHIM_ERROR_UNSUPPORTED) {
        error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorUnsupported, log);
    } else if (status == MLXSHIM_ERROR_COMPILATION) {
        error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorCompileFailure, log);
    }
    free(log);
    return error;
}

/* ---- options ---- */

@interface StandInCompileOptions : MTLCompileOptions {
@public
    NSDictionary *macros;
    BOOL fast_math;
    NSUInteger language_version;
}
@end

#pragma clang diagnostic push
/* Classes that Metal.h declares have their methods in a subclass, as in residency_set.m. */
#pragma clang diagnostic ignored "-Wincomplete-implementation"

@implementation MTLCompileOptions

+ (id)allocWithZone:(NSZone *)zone {
    return NSAllocateObject([StandInCompileOptions class], 0, zone);
}

@end

#pragma clang diagnostic pop

@implementation StandInCompileOptions

- (instancetype)init {
    self = [super init];
    fast_math = YES;
    return self;
}

- (void)dealloc {
    use_autorelease_pool();
    [macros release];
    [super dealloc];
}

- (BOOL)respondsToSelector:(SEL)selector {
    use_autorelease_pool();
    bool too_new = (sel_isEqual(selector, @selector(setMathMode:)) ||
                    sel_isEqual(selector, @selector(setMathFloatingPointFunctions:))) &&
                   faults_no_residency_sets() == SYSTEM_TOO_OLD;
    return !too_new && [super respondsToSelector:selector];
}

- (void)setPreprocessorMacros:(NSDictionary *)dictionary {
    use_autorelease_pool();
    [macros release];
    macros = [dictionary copy];
}

- (void)setFastMathEnabled:(BOOL)enabled {
    use_autorelease_pool();
    fast_math = enabled;
}

- (void)setMathMode:(MTLMathMode)mode {
    use_autorelease_pool();
    if (faults_no_residency_sets() == SYSTEM_TOO_OLD) {
        report_misuse("setMathMode: before macOS 15");
    }
    fast_math = mode == MTLMathModeFast;
}

- (void)setMathFloatingPointFunctions:(MTLMathFloatingPointFunctions)functions {
    use_autorelease_pool();
    if (fast_math != (functions == MTLMathFloatingPointFunctionsFast)) {
        report_misuse("a math mode with the functions of another");
    }
}

- (void)setLanguageVersion:(MTLLanguageVersion)version {
    use_autorelease_pool();
    language_version = version;
}

@end

/* Returns the macros as msl.h takes them, a line each. */
static NSString *lines_of(NSDictionary *macros) {
    NSMutableString *lines = [NSMutableString string];
    for (NSString *name in macros) {
        [lines appendFormat:@"%@=%@\n", name, [macros objectForKey:name]];
    }
    return lines;
}

/* ---- constants ---- */

@interface StandInConstantValues : MTLFunctionConstantValues {
@public
    struct mlxshim_function_constant *constants;
    size_t count;
}
@end

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wincomplete-implementation"

@implementation MTLFunctionConstantValues

+ (id)allocWithZone:(NSZone *)zone {
    return NSAllocateObject([StandInConstantValues class], 0, zone);
}

@end

#pragma clang diagnostic pop

static size_t size_of(MTLDataType type) {
    switch ((int)type) {
        case MTLDataTypeBool:
        case MTLDataTypeChar:
        case MTLDataTypeUChar:
            return 1;
        case MTLDataTypeHalf:
        case MTLDataTypeShort:
        case MTLDataTypeUShort:
        case MLXSHIM_TYPE_BFLOAT:
            return 2;
        case MTLDataTypeLong:
        case MTLDataTypeULong:
            return 8;
        default:
            return 4;
    }
}

@implementation StandInConstantValues

- (void)dealloc {
    use_autorelease_pool();
    for (size_t i = 0; i < count; i++) {
        free((char *)constants[i].name);
    }
    free(constants);
    [super dealloc];
}

- (void)add:(const void *)value type:(MTLDataType)type name:(const char *)name index:(NSUInteger)index {
    if ((int)type == MLXSHIM_TYPE_BFLOAT && faults_no_residency_sets() == SYSTEM_TOO_OLD) {
        report_misuse("a function constant of type bfloat before macOS 14");
    }
    constants = realloc(constants, (count + 1) * sizeof *constants);
    constants[count] = (struct mlxshim_function_constant){.name = name == NULL ? NULL : strdup(name),
                                                          .index = index, .type = type};
    memcpy(&constants[count].bits, value, size_of(type));
    count++;
}

- (void)setConstantValue:(const void *)value type:(MTLDataType)type atIndex:(NSUInteger)index {
    use_autorelease_pool();
    if (index > 65535) {
        report_misuse("a function constant with an index above 65535");
    }
    [self add:value type:type name:NULL index:index];
}

- (void)setConstantValue:(const void *)value type:(MTLDataType)type withName:(NSString *)name {
    use_autorelease_pool();
    [self add:value type:type name:[name UTF8String] index:0];
}

@end

/* ---- functions ---- */

@interface StandInLibrary : NSObject <MTLLibrary> {
@public
    id<MTLDevice> device;
    struct msl_library *library;
    BOOL has_constants;
}
@end

@interface StandInFunction : NSObject <StandInFunction> {
@public
    struct msl_library *library;
    NSString *name;
    struct msl_kernel *kernel; /* NULL until the values of the constants are known */
    BOOL has_constants;
}
@end

@implementation StandInFunction

- (void)dealloc {
    use_autorelease_pool();
    if (kernel != NULL) {
        msl_kernel_release(kernel);
    }
    msl_library_release(library);
    [name release];
    [super dealloc];
}

- (MTLFunctionType)functionType {
    use_autorelease_pool();
    return MTLFunctionTypeKernel;
}

/* One entry stands for all constants. */
- (NSDictionary *)functionConstantsDictionary {
    return has_constants ? [NSDictionary dictionaryWithObject:[NSNull null] forKey:@"constant"]
                         : [NSDictionary dictionary];
}

- (NSString *)name {
    return name;
}

- (BOOL)compileWith:(StandInConstantValues *)values error:(NSError **)error {
    char *log = NULL;
    int32_t status = msl_kernel_new(library, [name UTF8String], values == nil ? NULL : values->constants,
                                    values == nil ? 0 : values->count, &kernel, &log);
    *error = error_of(status, log);
    return status == MLXSHIM_OK;
}

/* Apple's validation ends a process that makes a pipeline of a function whose constants have no values. */
- (struct msl_kernel *)compiledKernel:(NSError **)error {
    if (kernel == NULL && has_constants) {
        report_misuse("a pipeline of a function that was not specialized");
    }
    return kernel != NULL || [self compileWith:nil error:error] ? kernel : NULL;
}

@end

/* ---- libraries ---- */

static void configure_compiler(void) {
    msl_configure(NULL, NULL, getenv("MLXSHIM_COMPILER_CACHE"));
}

id<MTLLibrary> standin_library_new(id<MTLDevice> device, NSString *source, MTLCompileOptions *options,
                                   NSError **error) {
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure_compiler);
    if (!faults_admit(LIBRARIES, 0)) {
        return nil;
    }
    StandInCompileOptions *wanted = (StandInCompileOptions *)options;
    struct msl_options settings = {.macros = [lines_of(wanted->macros) UTF8String],
                                   .language_version = (int32_t)wanted->language_version,
                                   .fast_math = wanted->fast_math};
    StandInLibrary *library = [[StandInLibrary alloc] init];
    library->device = [device retain];
    library->has_constants = strstr([source UTF8String], "function_constant") != NULL;
    char *log = NULL;
    int32_t status = msl_library_new([source UTF8String], &settings, &library->library, &log);
    *error = error_of(status, log);
    if (status != MLXSHIM_OK) {
        [library release];
        return nil;
    }
    return library;
}

@implementation StandInLibrary

- (void)dealloc {
    use_autorelease_pool();
    if (library != NULL) {
        msl_library_release(library);
    }
    [device release];
    live_objects_remove(LIBRARIES, 0);
    [super dealloc];
}

- (id<MTLDevice>)device {
    use_autorelease_pool();
    return device;
}

- (NSArray *)functionNames {
    NSMutableArray *names = [NSMutableArray array];
    for (size_t i = 0; i < msl_library_kernel_count(library); i++) {
        [names addObject:[NSString stringWithUTF8String:msl_library_kernel_name(library, i)]];
    }
    return names;
}

- (StandInFunction *)newUnspecializedFunction:(NSString *)name {
    StandInFunction *function = [[StandInFunction alloc] init];
    msl_library_retain(library);
    function->library = library;
    function->name = [name copy];
    function->has_constants = has_constants;
    return function;
}

- (id<MTLFunction>)newFunctionWithName:(NSString *)name {
    use_autorelease_pool();
    return [[self functionNames] containsObject:name] ? [self newUnspecializedFunction:name] : nil;
}

- (id<MTLFunction>)newFunctionWithName:(NSString *)name
                        constantValues:(MTLFunctionConstantValues *)values
                                 error:(NSError **)error {
    use_autorelease_pool();
    StandInFunction *function = [self newUnspecializedFunction:name];
    if (![function compileWith:(StandInConstantValues *)values error:error]) {
        [function release];
        return nil;
    }
    return function;
}

@end
