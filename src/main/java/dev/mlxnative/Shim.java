package dev.mlxnative;

import dev.mlxnative.ffi.mlxshim_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** The C ABI in Java's terms: statuses become exceptions, out-parameters results, C strings strings. */
final class Shim {
    /** Longer than any message of the shims. */
    private static final long MESSAGE_CAPACITY = 512;

    private Shim() {}

    /** A function that writes a handle to {@code out}, or a reason to {@code message}. */
    @FunctionalInterface
    private interface Creation {
        int call(MemorySegment out, MemorySegment message);
    }

    private static MemorySegment create(long requestedBytes, Creation creation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment message = arena.allocate(MESSAGE_CAPACITY);
            int status = creation.call(out, message);
            if (status != mlxshim_h.MLXSHIM_OK()) {
                throw failure(status, message.getString(0), requestedBytes);
            }
            return out.get(ValueLayout.ADDRESS, 0);
        }
    }

    private static RuntimeException failure(int status, String message, long requestedBytes) {
        if (status == mlxshim_h.MLXSHIM_ERROR_INVALID_ARGUMENT()
                || status == mlxshim_h.MLXSHIM_ERROR_TOO_LARGE()
                || status == mlxshim_h.MLXSHIM_ERROR_MISALIGNED()) {
            return new IllegalArgumentException(message);
        }
        if (status == mlxshim_h.MLXSHIM_ERROR_NO_DEVICE()) {
            return new DeviceNotFoundException(message);
        }
        if (status == mlxshim_h.MLXSHIM_ERROR_OUT_OF_MEMORY()) {
            return new BufferAllocationException(message, requestedBytes);
        }
        return new MlxException(message + " (status " + status + ")");
    }

    static long pageSize() {
        return mlxshim_h.mlxshim_page_size();
    }

    static MemorySegment openDevice() {
        return create(0, (out, message) -> mlxshim_h.mlxshim_device_open(out, message, MESSAGE_CAPACITY));
    }

    static void releaseDevice(MemorySegment device) {
        mlxshim_h.mlxshim_device_release(device);
    }

    static DeviceInfo deviceInfo(MemorySegment device) {
        return new DeviceInfo(
                deviceName(device),
                mlxshim_h.mlxshim_device_registry_id(device),
                mlxshim_h.mlxshim_device_has_unified_memory(device) != 0,
                mlxshim_h.mlxshim_device_max_buffer_length(device),
                mlxshim_h.mlxshim_device_recommended_max_working_set_size(device));
    }

    private static String deviceName(MemorySegment device) {
        try (Arena arena = Arena.ofConfined()) {
            long capacity = mlxshim_h.mlxshim_device_name(device, MemorySegment.NULL, 0) + 1;
            MemorySegment text = arena.allocate(capacity);
            mlxshim_h.mlxshim_device_name(device, text, capacity);
            return text.getString(0);
        }
    }

    static long allocatedBytes(MemorySegment device) {
        return mlxshim_h.mlxshim_device_current_allocated_size(device);
    }

    /** Creates a zeroed buffer that CPU and GPU share. */
    static MemorySegment createBuffer(MemorySegment device, long byteLength) {
        return create(
                byteLength,
                (out, message) -> mlxshim_h.mlxshim_buffer_create(
                        device,
                        byteLength,
                        mlxshim_h.MLXSHIM_STORAGE_SHARED(),
                        mlxshim_h.MLXSHIM_CPU_CACHE_DEFAULT(),
                        out,
                        message,
                        MESSAGE_CAPACITY));
    }

    static MemorySegment wrapPages(MemorySegment device, MemorySegment pages, long byteLength) {
        return create(
                byteLength,
                (out, message) ->
                        mlxshim_h.mlxshim_buffer_wrap(device, pages, byteLength, out, message, MESSAGE_CAPACITY));
    }

    static MemorySegment contents(MemorySegment buffer) {
        return mlxshim_h.mlxshim_buffer_contents(buffer);
    }

    static void releaseBuffer(MemorySegment buffer) {
        mlxshim_h.mlxshim_buffer_release(buffer);
    }

    /**
     * Labels a buffer, or removes its label.
     *
     * @param buffer a handle whose scope ends before the buffer does
     * @throws IllegalStateException if that scope has ended
     */
    static void label(MemorySegment buffer, @Nullable String label) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = label == null ? MemorySegment.NULL : arena.allocateFrom(label, StandardCharsets.UTF_8);
            int status = mlxshim_h.mlxshim_buffer_set_label(buffer, text);
            if (status != mlxshim_h.MLXSHIM_OK()) {
                throw failure(status, "the label '" + label + "' was refused", 0);
            }
        } catch (AssertionError e) {
            // The generated binding wraps whatever the linker throws, a scope that has ended included.
            if (e.getCause() instanceof IllegalStateException ended) {
                throw ended;
            }
            throw e;
        }
    }

    static MemorySegment createEvent(MemorySegment device) {
        return create(0, (out, message) -> mlxshim_h.mlxshim_event_create(device, out, message, MESSAGE_CAPACITY));
    }

    static void releaseEvent(MemorySegment event) {
        mlxshim_h.mlxshim_event_release(event);
    }

    static long signaledValue(MemorySegment event) {
        return mlxshim_h.mlxshim_event_signaled_value(event);
    }

    /** Whether the event took the value: one below its own it does not take. */
    static boolean signal(MemorySegment event, long value) {
        return mlxshim_h.mlxshim_event_signal(event, value) == mlxshim_h.MLXSHIM_OK();
    }

    /** Whether the event reached the value within the time. Blocks the thread, and a virtual thread's carrier. */
    static boolean waitFor(MemorySegment event, long value, long timeoutMillis) {
        return mlxshim_h.mlxshim_event_wait(event, value, timeoutMillis) == mlxshim_h.MLXSHIM_OK();
    }
}
