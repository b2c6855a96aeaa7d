package dev.mlxnative.internal.device;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Memory of the device, with one owner at a time.
 *
 * <p>Every segment over the memory is tied to an arena that is closed before the memory is freed, except for pages that
 * the caller owns. A segment that outlives its lease therefore sees the next contents of this memory or throws; it
 * never reaches unmapped memory.
 */
public final class DeviceMemory {
    /** Its {@code close} fails while a native call uses one of its segments, and otherwise ends every access. */
    private final Arena access;

    private final MemorySegment segment;
    private final Backing backing;

    /** The use by the GPU that has to be complete before the memory is freed. */
    private @Nullable GpuUse use;

    /** The memory after this one in a {@link DeviceMemoryList}, which its owner guards. */
    @Nullable
    DeviceMemory next;

    /**
     * Takes over memory and its buffer objects.
     *
     * @param access the arena of {@code segment}, or of the handles alone if the caller owns the pages
     * @param segment all of the memory
     */
    public DeviceMemory(Arena access, MemorySegment segment, Backing backing) {
        this.access = access;
        this.segment = segment;
        this.backing = backing;
    }

    /**
     * The buffer object that covers these bytes.
     *
     * @throws IllegalStateException if they are too many for one object
     */
    public BufferObject bufferObject(long offset, long length) {
        return backing.covering(offset, length);
    }

    /** The buffer object over all of the memory. */
    BufferObject wholeBufferObject() {
        return bufferObject(0, capacity());
    }

    /** Whether the device works on a copy of memory that it was to share. */
    public boolean isCopy() {
        return backing.isCopy();
    }

    /** All of the memory. */
    public MemorySegment segment() {
        return segment;
    }

    /** Bytes of the memory. */
    public long capacity() {
        return segment.byteSize();
    }

    /** Removes the label of an earlier lease. */
    public void removeLabel() {
        backing.removeLabel();
    }

    /** Keeps {@link #tryFree} from freeing the memory before a use of it is complete. Only the owner calls this. */
    public void freeAfter(@Nullable GpuUse last) {
        use = last;
    }

    /**
     * Frees the memory; false if a native call or the GPU still uses it, and then nothing has happened. Only the owner
     * calls this, and not again once it has returned true. If it throws, a later call goes on where this one ended.
     */
    boolean tryFree() {
        GpuUse last = use;
        if (last != null && !last.isComplete()) {
            return false;
        }
        if (access.scope().isAlive()) {
            try {
                Arenas.close(access);
            } catch (IllegalStateException inUse) {
                return false;
            }
        }
        backing.release();
        return true;
    }
}
