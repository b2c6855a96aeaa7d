package dev.mlxnative.internal.shim;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.DeviceInfo;
import dev.mlxnative.DeviceNotFoundException;
import dev.mlxnative.MlxException;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The C ABI in Java's terms: status codes become exceptions, out-parameters become results, C strings become strings.
 *
 * <p>A handle is an address. The caller keeps it alive for the time of a call. What creates a native object is passed a
 * function that makes its owner; if that fails, the native object is released.
 */
public final class Shim {
    /** Bytes for an error message: more than any shim writes. */
    static final long MESSAGE_CAPACITY = 512;

    private Shim() {}

    /** A function that writes a handle to {@code out}, or an error text to {@code message}, and returns its status. */
    @FunctionalInterface
    interface Creation {
        int call(MemorySegment out, MemorySegment message);
    }

    static <T> T create(
            long requestedBytes, Consumer<MemorySegment> release, Function<MemorySegment, T> owner, Creation creation) {
        NewHandle handle = new NewHandle(release);
        try {
            callCreation(handle, requestedBytes, creation);
            return handle.handTo(owner);
        } finally {
            handle.releaseUnlessOwned();
        }
    }

    private static void callCreation(NewHandle handle, long requestedBytes, Creation creation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment message = arena.allocate(MESSAGE_CAPACITY);
            int status;
            try {
                status = creation.call(out, message);
            } finally {
                handle.created(out.get(ValueLayout.JAVA_LONG, 0));
            }
            if (status != mlxshim_h.MLXSHIM_OK()) {
                throw failure(status, message.getString(0), requestedBytes);
            }
        }
    }

    static RuntimeException failure(int status, String message, long requestedBytes) {
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
        if (status == mlxshim_h.MLXSHIM_ERROR_UNSUPPORTED()) {
            return new UnsupportedOperationException(message);
        }
        return new MlxException(message + " (status " + status + ")");
    }

    public static long pageSize() {
        return mlxshim_h.mlxshim_page_size();
    }

    public static <T> T openDevice(Function<MemorySegment, T> owner) {
        return create(
                0,
                Shim::releaseDevice,
                owner,
                (out, message) -> mlxshim_h.mlxshim_device_open(out, message, MESSAGE_CAPACITY));
    }

    public static void releaseDevice(MemorySegment device) {
        mlxshim_h.mlxshim_device_release(device);
    }

    public static DeviceInfo deviceInfo(MemorySegment device) {
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

    public static long allocatedBytes(MemorySegment device) {
        return mlxshim_h.mlxshim_device_current_allocated_size(device);
    }

    /**
     * Creates a zeroed buffer that CPU and GPU share.
     *
     * @throws BufferAllocationException if the device has no memory left, or creates a buffer of another length
     */
    public static <T> T createBuffer(MemorySegment device, long byteLength, Function<MemorySegment, T> owner) {
        try {
            return create(
                    byteLength,
                    Shim::releaseBuffer,
                    owner,
                    (out, message) -> mlxshim_h.mlxshim_buffer_create(
                            device,
                            byteLength,
                            mlxshim_h.MLXSHIM_STORAGE_SHARED(),
                            mlxshim_h.MLXSHIM_CPU_CACHE_DEFAULT(),
                            out,
                            message,
                            MESSAGE_CAPACITY));
        } catch (UnsupportedOperationException e) {
            throw new BufferAllocationException(String.valueOf(e.getMessage()), byteLength);
        }
    }

    /**
     * Creates a buffer over existing pages, without a copy.
     *
     * @throws UnsupportedOperationException if the device cannot share the pages
     */
    public static <T> T wrapPages(
            MemorySegment device, MemorySegment pages, long byteLength, Function<MemorySegment, T> owner) {
        return create(
                byteLength,
                Shim::releaseBuffer,
                owner,
                (out, message) ->
                        mlxshim_h.mlxshim_buffer_wrap(device, pages, byteLength, out, message, MESSAGE_CAPACITY));
    }

    public static MemorySegment contents(MemorySegment buffer) {
        return mlxshim_h.mlxshim_buffer_contents(buffer);
    }

    public static void releaseBuffer(MemorySegment buffer) {
        mlxshim_h.mlxshim_buffer_release(buffer);
    }

    /**
     * Checks the text of a label, which C reads up to its first NUL.
     *
     * @throws IllegalArgumentException if the text contains NUL
     */
    public static void requireText(String label) {
        if (label.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "a label cannot contain NUL, but '" + label + "' does at index " + label.indexOf('\0'));
        }
    }

    /**
     * Labels a buffer, or removes its label.
     *
     * @param buffer a handle whose scope ends before the buffer does
     * @throws IllegalStateException if that scope has ended
     */
    public static void label(MemorySegment buffer, @Nullable String label) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = label == null ? MemorySegment.NULL : arena.allocateFrom(label, StandardCharsets.UTF_8);
            require("set the label '" + label + "'", () -> mlxshim_h.mlxshim_buffer_set_label(buffer, text));
        }
    }

    /**
     * Allows the system to take the contents of a buffer, or forbids it; returns whether it had taken them. The caller
     * keeps the buffer alive.
     *
     * @throws UnsupportedOperationException if the device refuses; nothing has changed then
     */
    public static boolean setVolatile(MemorySegment buffer, boolean isVolatile) {
        int state = isVolatile ? mlxshim_h.MLXSHIM_PURGEABLE_VOLATILE() : mlxshim_h.MLXSHIM_PURGEABLE_NON_VOLATILE();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment previous = arena.allocate(ValueLayout.JAVA_INT);
            require(
                    "set the purgeable state",
                    () -> mlxshim_h.mlxshim_buffer_set_purgeable_state(buffer, state, previous));
            return previous.get(ValueLayout.JAVA_INT, 0) == mlxshim_h.MLXSHIM_PURGEABLE_EMPTY();
        }
    }

    /** Makes a call that returns a status. The scope of its handles may end during the call. */
    static void require(String action, IntSupplier call) {
        int status = call.getAsInt();
        if (status != mlxshim_h.MLXSHIM_OK()) {
            throw failure(status, "cannot " + action, 0);
        }
    }

    public static <T> T createEvent(MemorySegment device, Function<MemorySegment, T> owner) {
        return create(
                0,
                Shim::releaseEvent,
                owner,
                (out, message) -> mlxshim_h.mlxshim_event_create(device, out, message, MESSAGE_CAPACITY));
    }

    public static void releaseEvent(MemorySegment event) {
        mlxshim_h.mlxshim_event_release(event);
    }

    public static long signaledValue(MemorySegment event) {
        return mlxshim_h.mlxshim_event_signaled_value(event);
    }

    /** Signals a value; false if it is below the event's own, which then stays. */
    public static boolean signal(MemorySegment event, long value) {
        return mlxshim_h.mlxshim_event_signal(event, value) == mlxshim_h.MLXSHIM_OK();
    }

    /**
     * Creates an empty residency set.
     *
     * @throws UnsupportedOperationException if the system or the device has none
     */
    public static <T> T createResidencySet(MemorySegment device, String label, Function<MemorySegment, T> owner) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(label, StandardCharsets.UTF_8);
            return create(
                    0,
                    Shim::releaseResidencySet,
                    owner,
                    (out, message) ->
                            mlxshim_h.mlxshim_residency_set_create(device, text, 0, out, message, MESSAGE_CAPACITY));
        }
    }

    public static void releaseResidencySet(MemorySegment set) {
        mlxshim_h.mlxshim_residency_set_release(set);
    }

    /**
     * Stages an addition.
     *
     * @param buffer a handle whose scope ends before the buffer does
     * @throws IllegalStateException if that scope has ended
     */
    public static void addToResidencySet(MemorySegment set, MemorySegment buffer) {
        require("add to the residency set", () -> mlxshim_h.mlxshim_residency_set_add(set, buffer));
    }

    public static void removeFromResidencySet(MemorySegment set, MemorySegment buffer) {
        require("remove from the residency set", () -> mlxshim_h.mlxshim_residency_set_remove(set, buffer));
    }

    public static void commitResidencySet(MemorySegment set) {
        require("commit the residency set", () -> mlxshim_h.mlxshim_residency_set_commit(set));
    }

    public static void requestResidency(MemorySegment set) {
        mlxshim_h.mlxshim_residency_set_request(set);
    }

    public static void endResidency(MemorySegment set) {
        mlxshim_h.mlxshim_residency_set_end(set);
    }

    /** Waits; true once the event has reached the value. Blocks the thread, and the carrier of a virtual thread. */
    public static boolean waitFor(MemorySegment event, long value, long timeoutMillis) {
        return mlxshim_h.mlxshim_event_wait(event, value, timeoutMillis) == mlxshim_h.MLXSHIM_OK();
    }
}
