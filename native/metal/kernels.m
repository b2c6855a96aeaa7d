/* mlxshim.h on Metal: libraries and pipelines, and captures. mlxshim.m says how these sources are written, and why. */
#import <objc/objc-sync.h>
#import <objc/runtime.h>

#include "shim.h"

_Static_assert(MLXSHIM_TYPE_FLOAT == MTLDataTypeFloat && MLXSHIM_TYPE_HALF == MTLDataTypeHalf &&
                   MLXSHIM_TYPE_INT == MTLDataTypeInt && MLXSHIM_TYPE_UINT == MTLDataTypeUInt &&
                   MLXSHIM_TYPE_SHORT == MTLDataTypeShort && MLXSHIM_TYPE_USHORT == MTLDataTypeUShort &&
                   MLXSHIM_TYPE_CHAR == MTLDataTypeChar && MLXSHIM_TYPE_UCHAR == MTLDataTypeUChar &&
                   MLXSHIM_TYPE_BOOL == MTLDataTypeBool && MLXSHIM_TYPE_LONG == MTLDataTypeLong &&
                   MLXSHIM_TYPE_ULONG == MTLDataTypeULong,
               "types of constants are passed to Metal as they come");

#pragma clang diagnostic push
/* The compiler does not see that this code asks for methods at run time. */
#pragma clang diagnostic ignored "-Wunguarded-availability-new"

_Static_assert(MLXSHIM_TYPE_BFLOAT == MTLDataTypeBFloat, "types of constants are passed to Metal as they come");

/* ---- systems ---- */

/* Whether the system is macOS 14 or later, which added the architecture of a device. */
static bool has_macos_14(id<MTLDevice> device) {
    return [device respondsToSelector:@selector(architecture)];
}

/* ---- text ---- */

void mlxshim_text_release(mlxshim_text_t text) {
    free(text);
}

uint64_t mlxshim_text_copy(mlxshim_text_t text, char *copy, uint64_t copy_capacity) {
    struct text whole = text_in(copy, copy_capacity);
    append(&whole, text->utf8);
    return whole.length;
}

/* ---- library ---- */

int32_t mlxshim_configure_compiler(const char *compiler, const char *options, const char *cache) {
    (void)compiler;
    (void)options;
    (void)cache;
    return MLXSHIM_OK;
}

/* Returns the string of `length` bytes of UTF-8, autoreleased; nil if they are not UTF-8. */
static NSString *string_of(const char *utf8, uint64_t length) {
    NSString *string = [[NSString alloc] initWithBytes:utf8 length:length encoding:NSUTF8StringEncoding];
    return [string autorelease];
}

/*
 * Returns the macros as a dictionary, autoreleased, or nil if a line is not NAME=VALUE; then `*out_line` is its number.
 * NSMutableDictionary is looked up at run time, as NSMutableArray and NSURL are elsewhere: these classes are
 * CoreFoundation's, and the dylib does not link it.
 */
static NSDictionary *read_macros(const char *macros, uint64_t *out_line) {
    NSMutableDictionary *dictionary = [[[objc_getClass("NSMutableDictionary") alloc] init] autorelease];
    for (*out_line = 1; *macros != '\0'; ++*out_line) {
        const char *end = strchr(macros, '\n');
        const char *equals = strchr(macros, '=');
        if (end == NULL || equals == NULL || equals > end || equals == macros) {
            return nil;
        }
        NSString *name = string_of(macros, (uint64_t)(equals - macros));
        NSString *value = string_of(equals + 1, (uint64_t)(end - equals - 1));
        if (name == nil || value == nil) {
            return nil;
        }
        [dictionary setObject:value forKey:name];
        macros = end + 1;
    }
    return dictionary;
}

/* The newest language version of the system, as in MTLLanguageVersion. Apple does not document what later ones do. */
static uint64_t newest_language(id<MTLDevice> device) {
    if (objc_getClass("MTL4CompilerDescriptor") != Nil) {
        return 4 << 16; /* macOS 26 */
    }
    if (objc_getClass("MTLResidencySetDescriptor") != Nil) {
        return 3 << 16 | 2; /* macOS 15 */
    }
    return has_macos_14(device) ? 3 << 16 | 1 : MTLLanguageVersion3_0;
}

static void append_version(struct text *text, uint64_t version) {
    append_number(text, version >> 16);
    append(text, ".");
    append_number(text, version & 0xFFFF);
}

static void set_fast_math(MTLCompileOptions *options, bool fast) {
    if ([options respondsToSelector:@selector(setMathMode:)]) {
        [options setMathMode:fast ? MTLMathModeFast : MTLMathModeSafe];
        [options setMathFloatingPointFunctions:fast ? MTLMathFloatingPointFunctionsFast
                                                    : MTLMathFloatingPointFunctionsPrecise];
    } else {
        [options setFastMathEnabled:fast ? YES : NO];
    }
}

/* Sets the options. Returns MLXSHIM_OK, or what is wrong with the arguments, in `reason`. */
static int32_t read_options(id<MTLDevice> device, const char *macros, int32_t language_version, bool fast_math,
                            MTLCompileOptions *options, struct text *reason) {
    set_fast_math(options, fast_math);
    if (macros != NULL) {
        uint64_t line;
        NSDictionary *dictionary = read_macros(macros, &line);
        if (dictionary == nil) {
            append(reason, "line ");
            append_number(reason, line);
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason,
                        " of the macros is not NAME=VALUE in UTF-8 and a newline");
        }
        [options setPreprocessorMacros:dictionary];
    }
    if (language_version < 0) {
        append(reason, "language version ");
        append_signed_number(reason, language_version);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, " is negative");
    }
    uint64_t newest = newest_language(device);
    if ((uint64_t)language_version > newest) {
        append(reason, "this system compiles Metal ");
        append_version(reason, newest);
        append(reason, " and earlier, not Metal ");
        append_version(reason, (uint64_t)language_version);
        return fail(MLXSHIM_ERROR_UNSUPPORTED, reason, "");
    }
    if (language_version != 0) {
        [options setLanguageVersion:(MTLLanguageVersion)language_version];
    }
    return MLXSHIM_OK;
}

/*
 * The status for an object that Metal did not make. Without an error Metal says nothing about the source, so memory ran
 * out.
 */
static int32_t status_of(NSError *error) {
    if (error == nil) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    bool unsupported = [[error domain] isEqualToString:MTLLibraryErrorDomain] &&
                       [error code] == MTLLibraryErrorUnsupported;
    return unsupported ? MLXSHIM_ERROR_UNSUPPORTED : MLXSHIM_ERROR_COMPILATION;
}

/* Writes what Metal says of an error; without one, that no memory is left for `what`. Returns the status. */
static int32_t finish_with_error(id<MTLDevice> device, NSError *error, const char *what, mlxshim_text_t *out_log) {
    if (error != nil) {
        return finish(status_of(error), [[error localizedDescription] UTF8String], out_log);
    }
    char log[LOG_SIZE];
    struct text reason = text_in(log, sizeof log);
    append(&reason, "no memory left for ");
    append(&reason, what);
    fail_out_of_memory(device, &reason);
    return finish(MLXSHIM_ERROR_OUT_OF_MEMORY, log, out_log);
}

int32_t mlxshim_library_compile(mlxshim_device_t device, const char *source, const char *macros,
                                int32_t language_version, int32_t fast_math, mlxshim_library_t *out_library,
                                mlxshim_text_t *out_log) {
    @autoreleasepool {
        id<MTLDevice> metal = (id<MTLDevice>)device;
        NSString *text = source == NULL ? nil : [NSString stringWithUTF8String:source];
        if (device == NULL || text == nil || out_library == NULL) {
            return finish(MLXSHIM_ERROR_INVALID_ARGUMENT,
                          "device, source or out_library is NULL, or the source is not UTF-8", out_log);
        }
        char log[LOG_SIZE];
        struct text reason = text_in(log, sizeof log);
        MTLCompileOptions *options = [[[MTLCompileOptions alloc] init] autorelease];
        int32_t status = read_options(metal, macros, language_version, fast_math != 0, options, &reason);
        if (status != MLXSHIM_OK) {
            return finish(status, log, out_log);
        }
        NSError *error = nil;
        id<MTLLibrary> library = [metal newLibraryWithSource:text options:options error:&error];
        if (library == nil) {
            return finish_with_error(metal, error, "a library", out_log);
        }
        *out_library = (mlxshim_library_t)library;
        /* With a library, the error has the compiler's warnings. */
        return finish(MLXSHIM_OK, [[error localizedDescription] UTF8String], out_log);
    }
}

int32_t mlxshim_library_load(mlxshim_device_t device, const char *path, mlxshim_library_t *out_library, char *message,
                             uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        NSString *name = path == NULL ? nil : [NSString stringWithUTF8String:path];
        if (device == NULL || out_library == NULL || name == nil) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason,
                        "device, path or out_library is NULL, or the path is not UTF-8");
        }
        id<MTLDevice> metal = (id<MTLDevice>)device;
        NSError *error = nil;
        id<MTLLibrary> library = [metal newLibraryWithURL:[objc_getClass("NSURL") fileURLWithPath:name] error:&error];
        if (library == nil) {
            append(&reason, "Metal cannot load ");
            append(&reason, path);
            append(&reason, ": ");
            append_string(&reason, [error localizedDescription]);
            int32_t status = status_of(error);
            return status == MLXSHIM_ERROR_COMPILATION ? MLXSHIM_ERROR_INVALID_ARGUMENT : status;
        }
        *out_library = (mlxshim_library_t)library;
        return MLXSHIM_OK;
    }
}

void mlxshim_library_release(mlxshim_library_t library) {
    release_handle(library);
}

uint64_t mlxshim_library_function_names(mlxshim_library_t library, char *text, uint64_t text_capacity) {
    @autoreleasepool {
        struct text names = text_in(text, text_capacity);
        NSArray *functions = [(id<MTLLibrary>)library functionNames];
        append(&names, "");
        for (NSUInteger i = 0; i < [functions count]; i++) {
            append_string(&names, [functions objectAtIndex:i]);
            append(&names, "\n");
        }
        return names.length;
    }
}

/* ---- pipeline: an array of the id<MTLComputePipelineState> and the id<MTLBinding> of each argument ---- */

static id<MTLComputePipelineState> state_of(mlxshim_pipeline_t pipeline) {
    return [(NSArray *)pipeline objectAtIndex:0];
}

/* The highest index of a function constant: Metal Shading Language Specification, section 5.8.1. */
#define LAST_CONSTANT 65535

static bool is_constant_type(id<MTLDevice> device, uint64_t type) {
    switch (type) {
        case MLXSHIM_TYPE_FLOAT:
        case MLXSHIM_TYPE_HALF:
        case MLXSHIM_TYPE_INT:
        case MLXSHIM_TYPE_UINT:
        case MLXSHIM_TYPE_SHORT:
        case MLXSHIM_TYPE_USHORT:
        case MLXSHIM_TYPE_CHAR:
        case MLXSHIM_TYPE_UCHAR:
        case MLXSHIM_TYPE_BOOL:
        case MLXSHIM_TYPE_LONG:
        case MLXSHIM_TYPE_ULONG:
            return true;
        default:
            return type == MLXSHIM_TYPE_BFLOAT && has_macos_14(device);
    }
}

/* Sets the values. Returns MLXSHIM_OK, or what is wrong with one of the constants, in `reason`. */
static int32_t read_constants(id<MTLDevice> device, const struct mlxshim_function_constant *constants, uint64_t count,
                              MTLFunctionConstantValues *values, struct text *reason) {
    for (uint64_t i = 0; i < count; i++) {
        const struct mlxshim_function_constant *constant = &constants[i];
        if (!is_constant_type(device, constant->type)) {
            append(reason, "this system has no function constants of type ");
            append_number(reason, constant->type);
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, "");
        }
        MTLDataType type = (MTLDataType)constant->type;
        if (constant->name != NULL) {
            NSString *name = [NSString stringWithUTF8String:constant->name];
            if (name == nil) {
                return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, "the name of a function constant is not UTF-8");
            }
            [values setConstantValue:&constant->bits type:type withName:name];
        } else if (constant->index <= LAST_CONSTANT) {
            [values setConstantValue:&constant->bits type:type atIndex:constant->index];
        } else {
            append(reason, "function constant ");
            append_number(reason, constant->index);
            append(reason, " is above ");
            append_number(reason, LAST_CONSTANT);
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, ", the highest index");
        }
    }
    return MLXSHIM_OK;
}

/*
 * Returns the function with its constants, autoreleased. On failure returns nil, and writes the status and the error. A
 * function that has constants must be made with their values, even if there are none.
 */
static id<MTLFunction> specialized(id<MTLLibrary> library, NSString *name, MTLFunctionConstantValues *values,
                                   int32_t *out_status, NSError **out_error) {
    id<MTLFunction> function = [[library newFunctionWithName:name] autorelease];
    if (function == nil || [function functionType] != MTLFunctionTypeKernel) {
        *out_status = MLXSHIM_ERROR_NO_KERNEL;
        return nil;
    }
    if ([[function functionConstantsDictionary] count] == 0) {
        return function;
    }
    function = [[library newFunctionWithName:name constantValues:values error:out_error] autorelease];
    *out_status = function == nil ? status_of(*out_error) : MLXSHIM_OK;
    return function;
}

/* Returns the array that is the handle, which the caller owns. */
static NSMutableArray *pipeline_new(id<MTLComputePipelineState> state, MTLComputePipelineReflection *reflection) {
    NSMutableArray *pipeline = [[objc_getClass("NSMutableArray") alloc] init];
    [pipeline addObject:state];
    NSArray *bindings = [reflection bindings];
    for (NSUInteger i = 0; i < [bindings count]; i++) {
        id<MTLBinding> binding = [bindings objectAtIndex:i];
        bool settable = [binding type] == MTLBindingTypeBuffer || [binding type] == MTLBindingTypeThreadgroupMemory;
        if (settable && [binding isArgument]) {
            [pipeline addObject:binding];
        }
    }
    return pipeline;
}

int32_t mlxshim_pipeline_create(mlxshim_library_t library, const char *name,
                                const struct mlxshim_function_constant *constants, uint64_t constant_count,
                                mlxshim_pipeline_t *out_pipeline, mlxshim_text_t *out_log) {
    @autoreleasepool {
        id<MTLLibrary> metal = (id<MTLLibrary>)library;
        NSString *label = name == NULL ? nil : [NSString stringWithUTF8String:name];
        if (library == NULL || label == nil || (constants == NULL && constant_count > 0) || out_pipeline == NULL) {
            return finish(MLXSHIM_ERROR_INVALID_ARGUMENT,
                          "library, name, constants or out_pipeline is NULL, or the name is not UTF-8", out_log);
        }
        id<MTLDevice> device = [metal device];
        char log[LOG_SIZE];
        struct text reason = text_in(log, sizeof log);
        MTLFunctionConstantValues *values = [[[MTLFunctionConstantValues alloc] init] autorelease];
        int32_t status = read_constants(device, constants, constant_count, values, &reason);
        if (status != MLXSHIM_OK) {
            return finish(status, log, out_log);
        }
        NSError *error = nil;
        id<MTLFunction> function = specialized(metal, label, values, &status, &error);
        if (function == nil && status == MLXSHIM_ERROR_NO_KERNEL) {
            append(&reason, "the library has no kernel ");
            append(&reason, name);
            return finish(status, log, out_log);
        }
        if (function == nil) {
            return finish_with_error(device, error, "a function", out_log);
        }
        MTLComputePipelineDescriptor *descriptor = [[[MTLComputePipelineDescriptor alloc] init] autorelease];
        [descriptor setLabel:label];
        [descriptor setComputeFunction:function];
        MTLComputePipelineReflection *reflection = nil;
        id<MTLComputePipelineState> state = [device newComputePipelineStateWithDescriptor:descriptor
                                                                                  options:MTLPipelineOptionBindingInfo
                                                                               reflection:&reflection
                                                                                    error:&error];
        if (state == nil) {
            return finish_with_error(device, error, "a pipeline", out_log);
        }
        *out_pipeline = (mlxshim_pipeline_t)pipeline_new(state, reflection);
        [state release];
        return finish(MLXSHIM_OK, [[error localizedDescription] UTF8String], out_log);
    }
}

void mlxshim_pipeline_release(mlxshim_pipeline_t pipeline) {
    release_handle(pipeline);
}

void *mlxshim_pipeline_state(mlxshim_pipeline_t pipeline) {
    @autoreleasepool {
        return state_of(pipeline);
    }
}

uint64_t mlxshim_pipeline_thread_execution_width(mlxshim_pipeline_t pipeline) {
    @autoreleasepool {
        return [state_of(pipeline) threadExecutionWidth];
    }
}

uint64_t mlxshim_pipeline_max_total_threads(mlxshim_pipeline_t pipeline) {
    @autoreleasepool {
        return [state_of(pipeline) maxTotalThreadsPerThreadgroup];
    }
}

uint64_t mlxshim_pipeline_static_threadgroup_memory(mlxshim_pipeline_t pipeline) {
    @autoreleasepool {
        return [state_of(pipeline) staticThreadgroupMemoryLength];
    }
}

uint64_t mlxshim_pipeline_argument_count(mlxshim_pipeline_t pipeline) {
    @autoreleasepool {
        return [(NSArray *)pipeline count] - 1;
    }
}

uint64_t mlxshim_pipeline_argument(mlxshim_pipeline_t pipeline, uint64_t position,
                                   struct mlxshim_argument *out_argument, char *name, uint64_t name_capacity) {
    @autoreleasepool {
        id<MTLBinding> binding = [(NSArray *)pipeline objectAtIndex:position + 1];
        bool threadgroup = [binding type] == MTLBindingTypeThreadgroupMemory;
        *out_argument = (struct mlxshim_argument){
            .kind = threadgroup ? MLXSHIM_ARGUMENT_THREADGROUP : MLXSHIM_ARGUMENT_BUFFER,
            .index = (int32_t)[binding index],
            .written = [binding access] == MTLBindingAccessReadOnly ? 0 : 1,
            .unused = [binding isUsed] ? 0 : 1,
            .byte_size = threadgroup ? [(id<MTLThreadgroupBinding>)binding threadgroupMemoryDataSize]
                                     : [(id<MTLBufferBinding>)binding bufferDataSize]};
        return copy_string([binding name], name, name_capacity);
    }
}

uint64_t mlxshim_device_max_threadgroup_memory(mlxshim_device_t device) {
    @autoreleasepool {
        return [(id<MTLDevice>)device maxThreadgroupMemoryLength];
    }
}

void mlxshim_device_max_threads_per_threadgroup(mlxshim_device_t device, uint64_t *out_sizes) {
    @autoreleasepool {
        MTLSize most = [(id<MTLDevice>)device maxThreadsPerThreadgroup];
        out_sizes[0] = most.width;
        out_sizes[1] = most.height;
        out_sizes[2] = most.depth;
    }
}

/* ---- capture ---- */

int32_t mlxshim_capture_start(mlxshim_device_t device, const char *path, char *message, uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        NSString *file = path == NULL ? nil : [NSString stringWithUTF8String:path];
        if (device == NULL || file == nil) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason, "device or path is NULL, or the path is not UTF-8");
        }
        MTLCaptureManager *manager = [MTLCaptureManager sharedCaptureManager];
        if (![manager supportsDestination:MTLCaptureDestinationGPUTraceDocument]) {
            return fail(MLXSHIM_ERROR_UNSUPPORTED, &reason,
                        "Metal lets a process capture only if MTL_CAPTURE_ENABLED=1 is in its environment");
        }
        MTLCaptureDescriptor *descriptor = [[[MTLCaptureDescriptor alloc] init] autorelease];
        [descriptor setCaptureObject:(id)device];
        [descriptor setDestination:MTLCaptureDestinationGPUTraceDocument];
        [descriptor setOutputURL:[objc_getClass("NSURL") fileURLWithPath:file]];
        NSError *error = nil;
        objc_sync_enter(manager);
        bool capturing = [manager isCapturing];
        bool started = !capturing && [manager startCaptureWithDescriptor:descriptor error:&error];
        objc_sync_exit(manager);
        if (capturing) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason, "a capture runs already");
        }
        if (!started) {
            append(&reason, "Metal cannot capture to ");
            append(&reason, path);
            append(&reason, ": ");
            append_string(&reason, [error localizedDescription]);
            return MLXSHIM_ERROR_UNSUPPORTED;
        }
        return MLXSHIM_OK;
    }
}

void mlxshim_capture_stop(void) {
    @autoreleasepool {
        MTLCaptureManager *manager = [MTLCaptureManager sharedCaptureManager];
        objc_sync_enter(manager);
        if ([manager isCapturing]) {
            [manager stopCapture];
        }
        objc_sync_exit(manager);
    }
}

#pragma clang diagnostic pop
