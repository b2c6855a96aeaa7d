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
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The part of the C ABI that compiles and runs kernels, in Java's terms, as {@link Shim} has the rest. */
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
            String text = log.handTo(ComputeShim::takeText);
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

    /** Copies a text and releases it; the empty string if there is none. */
    private static String takeText(MemorySegment text) {
        if (text.address() == 0) {
            return "";
        }
        String copy = copyText((buffer, capacity) -> mlxshim_h.mlxshim_text_copy(text, buffer, capacity));
        mlxshim_h.mlxshim_text_release(text);
        return copy;
    }

    /** Copies a text to a buffer, and returns the length of all of it. */
    @FunctionalInterface
    private interface TextCopy {
        long copy(MemorySegment buffer, long capacity);
    }

    private static String copyText(TextCopy copy) {
        try (Arena arena = Arena.ofConfined()) {
            long capacity = copy.copy(MemorySegment.NULL, 0) + 1;
            MemorySegment buffer = arena.allocate(capacity);
            copy.copy(buffer, capacity);
            return buffer.getString(0);
        }
    }

    private static MemorySegment allocate(Arena arena, @Nullable String text) {
        return text == null ? MemorySegment.NULL : arena.allocateFrom(text, StandardCharsets.UTF_8);
    }

    /** Sets the compiler of backends that have none of their own; null for the default of each. */
    public static void configureCompiler(@Nullable String compiler, @Nullable String options, @Nullable String cache) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment path = allocate(arena, compiler);
            MemorySegment words = allocate(arena, options);
            MemorySegment folder = allocate(arena, cache);
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
            MemorySegment text = allocate(arena, source);
            MemorySegment definitions = allocate(arena, macros);
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
            MemorySegment file = allocate(arena, path);
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
        String lines =
                copyText((buffer, capacity) -> mlxshim_h.mlxshim_library_function_names(library, buffer, capacity));
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
            MemorySegment text = allocate(arena, name);
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
            mlxshim_function_constant.name(struct, allocate(arena, constant.name()));
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
    public static List<KernelArgument> arguments(MemorySegment pipeline) {
        long count = mlxshim_h.mlxshim_pipeline_argument_count(pipeline);
        List<KernelArgument> arguments = new ArrayList<>();
        for (long position = 0; position < count; position++) {
            arguments.add(argument(pipeline, position));
        }
        return List.copyOf(arguments);
    }

    private static KernelArgument argument(MemorySegment pipeline, long position) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = mlxshim_argument.allocate(arena);
            MemorySegment name = arena.allocate(NAME_CAPACITY);
            long length = mlxshim_h.mlxshim_pipeline_argument(pipeline, position, struct, name, NAME_CAPACITY);
            if (length >= NAME_CAPACITY) {
                name = arena.allocate(length + 1);
                mlxshim_h.mlxshim_pipeline_argument(pipeline, position, struct, name, length + 1);
            }
            return new KernelArgument(
                    name.getString(0),
                    mlxshim_argument.index(struct),
                    kind(mlxshim_argument.kind(struct)),
                    mlxshim_argument.written(struct) != 0,
                    mlxshim_argument.byte_size(struct));
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

    public static <T> T createQueue(MemorySegment device, long maxCommandBuffers, Function<MemorySegment, T> owner) {
        return Shim.create(
                0,
                ComputeShim::releaseQueue,
                owner,
                (out, message) -> mlxshim_h.mlxshim_queue_create(
                        device, MemorySegment.NULL, maxCommandBuffers, out, message, Shim.MESSAGE_CAPACITY));
    }

    public static void releaseQueue(MemorySegment queue) {
        mlxshim_h.mlxshim_queue_release(queue);
    }

    /**
     * What a submission writes: the handle of the command buffer, and that of the log. Reused by the submissions of a
     * queue, so that nothing has to be allocated between the native call and its result.
     */
    public static final class Submission {
        private final MemorySegment out = Arena.ofAuto().allocate(ValueLayout.ADDRESS);
        private final MemorySegment log = Arena.ofAuto().allocate(ValueLayout.ADDRESS);

        /** Forgets the last command buffer. */
        public void reset() {
            out.set(ValueLayout.JAVA_LONG, 0, 0);
            log.set(ValueLayout.JAVA_LONG, 0, 0);
        }

        /**
         * Encodes and commits a command stream. Afterwards, also if this throws, {@link #commandBuffer} tells whether
         * that was done. Called once after {@link #reset}.
         *
         * @throws MlxException if the device has no memory left
         */
        public void submit(
                MemorySegment queue,
                @Nullable String label,
                MemorySegment commands,
                long length,
                MemorySegment event,
                long value) {
            NewHandle text = new NewHandle(mlxshim_h::mlxshim_text_release);
            try (Arena arena = Arena.ofConfined()) {
                int status;
                MemorySegment name = allocate(arena, label);
                try {
                    status = mlxshim_h.mlxshim_queue_submit(queue, name, commands, length, event, value, out, log);
                } finally {
                    text.created(log.get(ValueLayout.JAVA_LONG, 0));
                }
                String reason = text.handTo(ComputeShim::takeText);
                if (status != mlxshim_h.MLXSHIM_OK()) {
                    throw new MlxException("the command buffer" + (label == null ? "" : " '" + label + "'")
                            + " could not be committed: " + reason + " (status " + status + ")");
                }
            } finally {
                text.releaseUnlessOwned();
            }
        }

        /** The handle of the command buffer that was committed since {@link #reset}; 0 if none was. */
        public long commandBuffer() {
            return out.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    public static void releaseCommandBuffer(MemorySegment commandBuffer) {
        mlxshim_h.mlxshim_command_buffer_release(commandBuffer);
    }

    /** Whether the GPU has begun, or will at once, to run the command buffer. */
    public static boolean isScheduled(MemorySegment commandBuffer) {
        return mlxshim_h.mlxshim_command_buffer_status(commandBuffer) >= mlxshim_h.MLXSHIM_STATUS_SCHEDULED();
    }

    /**
     * How a command buffer ended.
     *
     * @param failure null if it did not fail
     * @param text what the GPU reported
     */
    public record Outcome(@Nullable Failure failure, String text, long gpuStartNanos, long gpuEndNanos) {}

    /** What ended a command buffer. */
    public enum Failure {
        FAULT,
        TIMEOUT,
        OUT_OF_MEMORY,
        OTHER
    }

    /** The outcome of a command buffer that is complete. */
    public static Outcome outcome(MemorySegment commandBuffer) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment times = arena.allocate(ValueLayout.JAVA_LONG, 2);
            mlxshim_h.mlxshim_command_buffer_gpu_times(
                    commandBuffer, times, times.asSlice(ValueLayout.JAVA_LONG.byteSize()));
            MemorySegment kind = arena.allocate(ValueLayout.JAVA_INT);
            String text = copyText((buffer, capacity) ->
                    mlxshim_h.mlxshim_command_buffer_failure(commandBuffer, kind, buffer, capacity));
            return new Outcome(
                    failureOf(kind.get(ValueLayout.JAVA_INT, 0)),
                    text,
                    times.getAtIndex(ValueLayout.JAVA_LONG, 0),
                    times.getAtIndex(ValueLayout.JAVA_LONG, 1));
        }
    }

    private static @Nullable Failure failureOf(int kind) {
        if (kind == mlxshim_h.MLXSHIM_FAILURE_NONE()) {
            return null;
        }
        if (kind == mlxshim_h.MLXSHIM_FAILURE_FAULT()) {
            return Failure.FAULT;
        }
        if (kind == mlxshim_h.MLXSHIM_FAILURE_TIMEOUT()) {
            return Failure.TIMEOUT;
        }
        return kind == mlxshim_h.MLXSHIM_FAILURE_OUT_OF_MEMORY() ? Failure.OUT_OF_MEMORY : Failure.OTHER;
    }

    /** Begins to record the GPU's work to a file. */
    public static void startCapture(MemorySegment device, String path) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment file = allocate(arena, path);
            MemorySegment message = arena.allocate(Shim.MESSAGE_CAPACITY);
            int status = mlxshim_h.mlxshim_capture_start(device, file, message, Shim.MESSAGE_CAPACITY);
            if (status != mlxshim_h.MLXSHIM_OK()) {
                throw Shim.failure(status, message.getString(0), 0);
            }
        }
    }

    /** Ends the recording, if there is one. */
    public static void stopCapture() {
        mlxshim_h.mlxshim_capture_stop();
    }
}
