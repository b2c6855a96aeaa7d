package dev.mlxnative.internal.shim;

import dev.mlxnative.MlxException;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The part of the C ABI that runs kernels, in Java's terms: queues, command buffers and captures. */
public final class QueueShim {
    private QueueShim() {}

    public static <T> T createQueue(MemorySegment device, long maxCommandBuffers, Function<MemorySegment, T> owner) {
        return Shim.create(
                0,
                QueueShim::releaseQueue,
                owner,
                (out, message) -> mlxshim_h.mlxshim_queue_create(
                        device, MemorySegment.NULL, maxCommandBuffers, out, message, Shim.MESSAGE_CAPACITY));
    }

    public static void releaseQueue(MemorySegment queue) {
        mlxshim_h.mlxshim_queue_release(queue);
    }

    /**
     * Native memory for a submission: the command stream, and what the native call writes, which are the handles of the
     * command buffer and of the log. Reused by the submissions of a queue, so that nothing has to be allocated between
     * the native call and its result.
     */
    public static final class Submission {
        private static final long MOST_KEPT_BYTES = 1 << 20;

        private final MemorySegment out = Arena.ofAuto().allocate(ValueLayout.ADDRESS);
        private final MemorySegment log = Arena.ofAuto().allocate(ValueLayout.ADDRESS);
        private MemorySegment stream = MemorySegment.NULL;

        /** Forgets the last command buffer, and its stream if that was large. */
        public void reset() {
            if (stream.byteSize() > MOST_KEPT_BYTES) {
                stream = MemorySegment.NULL;
            }
            out.set(ValueLayout.JAVA_LONG, 0, 0);
            log.set(ValueLayout.JAVA_LONG, 0, 0);
        }

        /**
         * Encodes and commits a command stream. Afterwards, also if this throws, {@link #commandBuffer} tells whether
         * that was done. Called once after {@link #reset}.
         *
         * @param words an array with the stream at its beginning
         * @param length the number of its words
         * @throws MlxException if the device has no memory left
         */
        public void submit(
                MemorySegment queue,
                @Nullable String label,
                long[] words,
                int length,
                MemorySegment event,
                long value) {
            long bytes = copy(words, length);
            NewHandle text = new NewHandle(mlxshim_h::mlxshim_text_release);
            try (Arena arena = Arena.ofConfined()) {
                int status;
                MemorySegment name = ShimTexts.allocate(arena, label);
                try {
                    status = mlxshim_h.mlxshim_queue_submit(queue, name, stream, bytes, event, value, out, log);
                } finally {
                    text.created(log.get(ValueLayout.JAVA_LONG, 0));
                }
                String reason = text.handTo(ShimTexts::take);
                if (status != mlxshim_h.MLXSHIM_OK()) {
                    throw new MlxException("the command buffer" + (label == null ? "" : " '" + label + "'")
                            + " could not be committed: " + reason + " (status " + status + ")");
                }
            } finally {
                text.releaseUnlessOwned();
            }
        }

        /** Copies the stream to native memory; returns its bytes. */
        private long copy(long[] words, int length) {
            long bytes = (long) length * Long.BYTES;
            if (bytes > stream.byteSize()) {
                stream = Arena.ofAuto().allocate((long) words.length * Long.BYTES, Long.BYTES);
            }
            MemorySegment.copy(words, 0, stream, ValueLayout.JAVA_LONG, 0, length);
            return bytes;
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
            String text = ShimTexts.copy((buffer, capacity) ->
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
            MemorySegment file = ShimTexts.allocate(arena, path);
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
