package dev.mlxnative.internal.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Memory of the device, with one owner at a time.
 *
 * <p>Every segment over the memory is tied to an arena that is closed before the memory is freed, except for pages that
 * the caller owns. A segment that outlives its lease therefore sees the next contents of this memory or throws; it
 * never reaches unmapped memory.
 *
 * <p>While nothing uses the memory, its owner may offer the contents to the system, which then takes them if memory is
 * scarce. The driver's calls for that are made under the monitor of the memory, which is below all other locks: an
 * offer that is accepted and one that is taken back at the same moment have an order.
 */
public final class DeviceMemory {
    /** What the owner of idle memory allows the system. */
    private enum Offer {
        NONE,
        /** The system is to be told that it may take the contents. */
        MADE,
        /** The system was told, or may have been: it may take the contents. */
        ACCEPTED
    }

    /** Its {@code close} fails while a native call uses one of its segments, and otherwise ends every access. */
    private final Arena access;

    private final MemorySegment segment;
    private final Backing backing;

    /** The use by the GPU that has to be complete before the memory is freed. */
    private @Nullable GpuUse use;

    /** The memory after this one in a {@link DeviceMemoryList}, which its owner guards. */
    @Nullable
    DeviceMemory next;

    /** Whether the system may take the contents. The owner alone offers them; the other changes are synchronized. */
    private volatile Offer offer = Offer.NONE;

    /** Whether the system has taken contents that the owner does not know of. */
    @GuardedBy("this")
    private boolean taken;

    /** The memory after this one in a chain of offers, which belongs to the thread that accepts them. */
    private @Nullable DeviceMemory nextOffered;

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

    /**
     * Offers the contents of memory that nothing uses to the system, unless it has them. The owner calls this, and only
     * one thread at a time has a chain of offers. Calls no driver and allocates nothing.
     *
     * @param nextOffered the first memory of a chain; null for none
     * @return the first memory of the longer chain
     */
    public @Nullable DeviceMemory offer(@Nullable DeviceMemory nextOffered) {
        if (offer == Offer.ACCEPTED) {
            return nextOffered;
        }
        offer = Offer.MADE;
        this.nextOffered = nextOffered;
        return this;
    }

    /** Whether {@link #takeBack} is necessary before the memory is used. Takes no lock. */
    public boolean isOffered() {
        return offer != Offer.NONE;
    }

    /**
     * Has the system accept the offers of a chain that still stand. A memory may be taken back or freed meanwhile. A
     * device that refuses keeps the contents.
     */
    public static void acceptOffers(@Nullable DeviceMemory first) {
        for (DeviceMemory memory = first; memory != null; ) {
            DeviceMemory following = memory.nextOffered;
            memory.nextOffered = null;
            memory.acceptOffer();
            memory = following;
        }
    }

    private synchronized void acceptOffer() {
        if (offer == Offer.MADE) {
            // Before the call, which may end with an error of the VM when it has had its effect.
            offer = Offer.ACCEPTED;
            try {
                backing.setVolatile(true);
            } catch (UnsupportedOperationException refused) {
                offer = Offer.NONE;
            }
        }
    }

    /**
     * Ends an offer, so that the memory can be used. Any thread that is about to use the memory calls this.
     *
     * @param clear whether contents that the system has taken are replaced by zeros
     * @return whether this call found that the system has taken the contents
     * @throws UnsupportedOperationException if the device refuses: the memory must not be used then
     */
    public synchronized boolean takeBack(boolean clear) {
        if (offer == Offer.ACCEPTED) {
            taken |= backing.setVolatile(false);
            if (taken && clear) {
                segment.fill((byte) 0);
            }
        }
        boolean found = taken;
        taken = false;
        offer = Offer.NONE;
        return found;
    }

    /** Ends an offer that the system has not accepted. */
    private synchronized void withdrawOffer() {
        if (offer == Offer.MADE) {
            offer = Offer.NONE;
        }
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
        withdrawOffer();
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
