package dev.mlxnative.internal.device;

import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** The {@code MTLBuffer} over a memory, or over a part of a mapping that is too large for one. Thread-safe. */
public final class BufferObject {
    /** Called before the object is released. */
    interface ReleaseListener {
        /** Drops every reference to the object. */
        void releasing(BufferObject object);
    }

    private final MemorySegment raw;
    private final long address;
    private final MemorySegment scoped;
    private final long start;
    private final long length;
    private final List<ReleaseListener> releaseListeners = new CopyOnWriteArrayList<>();

    private volatile boolean labelled;
    private boolean released;

    /**
     * Takes over a buffer object.
     *
     * @param access closed before {@link #release}
     * @param start where the object starts in the memory, in bytes
     * @throws IllegalStateException if {@code access} is closed; the object is still the caller's then
     */
    BufferObject(MemorySegment raw, Arena access, long start, long length) {
        this.address = raw.address();
        this.raw = MemorySegment.ofAddress(address);
        this.scoped = this.raw.reinterpret(access, null);
        this.start = start;
        this.length = length;
    }

    /**
     * The {@code id<MTLBuffer>}. A native call that is passed it keeps the object alive; once the object is released,
     * such a call throws.
     */
    public MemorySegment segment() {
        return scoped;
    }

    /** The {@code id<MTLBuffer>} with another lifetime: {@code arena} must end before the object is released. */
    public MemorySegment segment(Arena arena) {
        return raw.reinterpret(arena, null);
    }

    /** The address of the {@code id<MTLBuffer>}, for a caller that keeps the memory from being freed. */
    public long address() {
        return address;
    }

    /** The address alone, for calls of a residency set, which may come after {@code access} is closed. */
    MemorySegment raw() {
        return raw;
    }

    /** Where the object starts in the memory, in bytes. */
    public long start() {
        return start;
    }

    /** Bytes of the object. */
    public long length() {
        return length;
    }

    boolean covers(long offset, long bytes) {
        return offset >= start && offset + bytes <= start + length;
    }

    /**
     * Sets the label that Metal's debugger shows; the caller has checked that the text has no NUL.
     *
     * @throws IllegalStateException if the object is released
     */
    public void label(String text) {
        setLabel(text);
    }

    private void setLabel(@Nullable String text) {
        Shim.label(scoped, text);
        labelled = text != null;
    }

    /** Removes the label of an earlier lease. */
    void removeLabel() {
        if (labelled) {
            setLabel(null);
        }
    }

    /**
     * Allows the system to take the contents, or forbids it; returns whether it had taken them.
     *
     * @throws UnsupportedOperationException if the device refuses; nothing has changed then
     */
    boolean setVolatile(boolean isVolatile) {
        return Shim.setVolatile(raw, isVolatile);
    }

    void addReleaseListener(ReleaseListener listener) {
        releaseListeners.add(listener);
    }

    void removeReleaseListener(ReleaseListener listener) {
        releaseListeners.remove(listener);
    }

    /** Releases the object, after {@code access} was closed. The owner may call this again if it has thrown. */
    void release() {
        for (ReleaseListener listener : releaseListeners) {
            listener.releasing(this);
        }
        if (!released) {
            // An error of the VM comes before the native call: nothing that follows it allocates.
            Shim.releaseBuffer(raw);
            released = true;
        }
    }
}
