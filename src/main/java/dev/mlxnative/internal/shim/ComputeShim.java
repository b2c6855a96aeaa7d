package dev.mlxnative.internal.shim;

import dev.mlxnative.CompilationException;
import dev.mlxnative.KernelArgument;
import dev.mlxnative.MlxException;
import dev.mlxnative.internal.shim.ffi.mlxshim_argument;
import dev.mlxnative.internal.shim.ffi.mlxshim_function_constant;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The part of the C ABI that compiles kernels, in Java's terms, as {@link Shim} and {@link QueueShim} have the rest.
 */
public final class ComputeShim {
    private static final long NAME_CAPACITY = 128;

    private ComputeShim() {}

    /** Initialises the classes of structures, which otherwise happens in the first call that has one. */
    static void initialize() {
        mlxshim_argument.layout();
        mlxshim_function_constant.layout();
    }

    /** A function that writes a handle and a text to {@code out} and {@code log}, and returns its status. */
    @FunctionalInterface
    private interface LoggedCreation {
        int call(MemorySegment out, MemorySegment log);
    }

    private static <T> T create(
            Consumer<MemorySegment> release, Function<MemorySegment, T> owner, LoggedCreation creation, String action) {
        NewHandle handle = new NewHandle(release);
        NewHandle log = new NewHandle(mlxshim_h::mlxshim_text_release);
        try {
            int status = callCreation(handle, log, creation);
            String text = log.handTo(ShimTexts::take);
            if (status != mlxshim_h.MLXSHIM_OK()) {
                throw failure(status, action, text);
            }
            return handle.handTo(owner);
        } finally {
            handle.releaseUnlessOwned();
            log.releaseUnlessOwned();
        }
    }

    private static int callCreation(NewHandle handle, NewHandle log, LoggedCreation creation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment text = arena.allocate(ValueLayout.ADDRESS);
            try {
                return creation.call(out, text);
            } finally {
                handle.created(out.get(ValueLayout.JAVA_LONG, 0));
                log.created(text.get(ValueLayout.JAVA_LONG, 0));
            }
        }
    }

    private static RuntimeException failure(int status, String action, String text) {
        if (status == mlxshim_h.MLXSHIM_ERROR_COMPILATION()) {
            return new CompilationException(text);
        }
        if (status == mlxshim_h.MLXSHIM_ERROR_INVALID_ARGUMENT() || status == mlxshim_h.MLXSHIM_ERROR_NO_KERNEL()) {
            return new IllegalArgumentException(action + " failed: " + text);
        }
        return new MlxException(action + " failed: " + text + " (status " + status + ")");
    }

    /** Sets the compiler of backends that have none of their own; null for the default of each. */
    public static void configureCompiler(@Nullable String compiler, @Nullable String options, @Nullable String cache) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment path = ShimTexts.allocate(arena, compiler);
            MemorySegment words = ShimTexts.allocate(arena, options);
            MemorySegment folder = ShimTexts.allocate(arena, cache);
            Shim.require("configure the compiler", () -> mlxshim_h.mlxshim_configure_compiler(path, words, folder));
        }
    }

    /**
     * Compiles a source.
     *
     * @param macros a line {@code NAME=VALUE} for each macro
     * @param languageVersion {@code major << 16 | minor}, or 0 for the newest
     * @throws CompilationException with the compiler's log
     * @throws MlxException if there is no compiler, or no memory
     */
    public static <T> T compile(
            MemorySegment device,
            String source,
            String macros,
            int languageVersion,
            boolean fastMath,
            Function<MemorySegment, T> owner) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = ShimTexts.allocate(arena, source);
            MemorySegment definitions = ShimTexts.allocate(arena, macros);
            return create(
                    ComputeShim::releaseLibrary,
                    owner,
                    (out, log) -> mlxshim_h.mlxshim_library_compile(
                            device, text, definitions, languageVersion, fastMath ? 1 : 0, out, log),
                    "compiling");
        }
    }

    /**
     * Loads a file of compiled kernels.
     *
     * @throws UnsupportedOperationException on every backend but Metal
     */
    public static <T> T loadLibrary(MemorySegment device, String path, Function<MemorySegment, T> owner) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment file = ShimTexts.allocate(arena, path);
            return Shim.create(
                    0,
                    ComputeShim::releaseLibrary,
                    owner,
                    (out, message) ->
                            mlxshim_h.mlxshim_library_load(device, file, out, message, Shim.MESSAGE_CAPACITY));
        }
    }

    public static void releaseLibrary(MemorySegment library) {
        mlxshim_h.mlxshim_library_release(library);
    }

    /** The names of all functions, sorted. */
    public static List<String> functionNames(MemorySegment library) {
        String lines = ShimTexts.copy(
                (buffer, capacity) -> mlxshim_h.mlxshim_library_function_names(library, buffer, capacity));
        return Arrays.stream(lines.split("\n", -1))
                .filter(name -> !name.isEmpty())
                .sorted()
                .toList();
    }

    /**
     * Makes a kernel ready to run.
     *
     * @throws CompilationException with the compiler's log
     */
    public static <T> T createPipeline(
            MemorySegment library, String name, List<FunctionConstant> constants, Function<MemorySegment, T> owner) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = ShimTexts.allocate(arena, name);
            MemorySegment values = constants(arena, constants);
            return create(
                    ComputeShim::releasePipeline,
                    owner,
                    (out, log) -> mlxshim_h.mlxshim_pipeline_create(library, text, values, constants.size(), out, log),
                    "making the kernel '" + name + "'");
        }
    }

    private static MemorySegment constants(Arena arena, List<FunctionConstant> constants) {
        MemorySegment array = mlxshim_function_constant.allocateArray(constants.size(), arena);
        for (int i = 0; i < constants.size(); i++) {
            MemorySegment struct = mlxshim_function_constant.asSlice(array, i);
            FunctionConstant constant = constants.get(i);
            mlxshim_function_constant.name(struct, ShimTexts.allocate(arena, constant.name()));
            mlxshim_function_constant.index(struct, constant.index());
            mlxshim_function_constant.type(struct, constant.type().code);
            mlxshim_function_constant.bits(struct, constant.bits());
        }
        return array;
    }

    public static void releasePipeline(MemorySegment pipeline) {
        mlxshim_h.mlxshim_pipeline_release(pipeline);
    }

    public static long threadExecutionWidth(MemorySegment pipeline) {
        return mlxshim_h.mlxshim_pipeline_thread_execution_width(pipeline);
    }

    public static long maxTotalThreads(MemorySegment pipeline) {
        return mlxshim_h.mlxshim_pipeline_max_total_threads(pipeline);
    }

    public static long staticThreadgroupMemory(MemorySegment pipeline) {
        return mlxshim_h.mlxshim_pipeline_static_threadgroup_memory(pipeline);
    }

    /** The arguments of a kernel, in the order of the shim. */
    public static List<ReflectedArgument> arguments(MemorySegment pipeline) {
        long count = mlxshim_h.mlxshim_pipeline_argument_count(pipeline);
        List<ReflectedArgument> arguments = new ArrayList<>();
        for (long position = 0; position < count; position++) {
            arguments.add(argument(pipeline, position));
        }
        return List.copyOf(arguments);
    }

    private static ReflectedArgument argument(MemorySegment pipeline, long position) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = mlxshim_argument.allocate(arena);
            MemorySegment name = arena.allocate(NAME_CAPACITY);
            long length = mlxshim_h.mlxshim_pipeline_argument(pipeline, position, struct, name, NAME_CAPACITY);
            if (length >= NAME_CAPACITY) {
                name = arena.allocate(length + 1);
                mlxshim_h.mlxshim_pipeline_argument(pipeline, position, struct, name, length + 1);
            }
            KernelArgument argument = new KernelArgument(
                    name.getString(0),
                    mlxshim_argument.index(struct),
                    kind(mlxshim_argument.kind(struct)),
                    mlxshim_argument.written(struct) != 0,
                    mlxshim_argument.byte_size(struct));
            return new ReflectedArgument(argument, mlxshim_argument.unused(struct) == 0);
        }
    }

    private static KernelArgument.Kind kind(int kind) {
        if (kind == mlxshim_h.MLXSHIM_ARGUMENT_CONSTANT()) {
            return KernelArgument.Kind.CONSTANT;
        }
        return kind == mlxshim_h.MLXSHIM_ARGUMENT_THREADGROUP()
                ? KernelArgument.Kind.THREADGROUP
                : KernelArgument.Kind.BUFFER;
    }

    /** The bytes of threadgroup memory that a threadgroup may have. */
    public static long maxThreadgroupMemory(MemorySegment device) {
        return mlxshim_h.mlxshim_device_max_threadgroup_memory(device);
    }

    /** The most threads that a threadgroup may have in each dimension. */
    public static long[] maxThreadsPerThreadgroup(MemorySegment device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sizes = arena.allocate(ValueLayout.JAVA_LONG, 3);
            mlxshim_h.mlxshim_device_max_threads_per_threadgroup(device, sizes);
            return sizes.toArray(ValueLayout.JAVA_LONG);
        }
    }
}
