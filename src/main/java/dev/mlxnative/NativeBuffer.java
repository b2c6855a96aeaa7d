package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * A buffer of the device and the state of its lease: who holds it is one number.
 *
 * <p>The number counts hand-outs and their ends, so it is odd while a lease is out. A holder knows the number of its
 * lease; ending the lease is a compare-and-set from it, which works once and never for an older holder.
 *
 * <p>Every segment over the memory is tied to an arena that is closed before the memory is given back: a segment that
 * outlives its lease sees this buffer's next contents or throws, never unmapped memory.
 */
final class NativeBuffer {
    static final int NOT_LISTED = -1;

    private static final VarHandle LEASE;

    static {
        try {
            LEASE = MethodHandles.lookup().findVarHandle(NativeBuffer.class, "lease", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final SharedHandle device;
    private final MemorySegment rawHandle;
    /** Closing it is refused while a native call has one of its segments, and ends every access otherwise. */
    private final Arena access;

    private final MemorySegment handle;
    private final MemorySegment segment;
    /** What goes after the native buffer has gone: the mapping under a mapped one. */
    private final @Nullable Arena pages;

    @SuppressWarnings("unused") // through LEASE
    private volatile long lease;

    private volatile boolean labelled;

    /** The bytes that the lease asked for. Guarded by the owner. */
    long requestedBytes;
    /**
     * Where the owner keeps this in its list of issued buffers; negative while it is not in it. Guarded by the owner.
     */
    int issuedIndex = NOT_LISTED;
    /** When the buffer was filed in the free lists, in their own count. Guarded by the owner. */
    long filedAt;
    /** The arena of the lease alone, in a checked pool. Guarded by the owner. */
    @Nullable
    Arena leaseArena;

    private NativeBuffer(
            SharedHandle device, MemorySegment rawHandle, Arena access, MemorySegment segment, @Nullable Arena pages) {
        this.device = device;
        this.rawHandle = rawHandle;
        this.access = access;
        this.handle = MemorySegment.ofAddress(rawHandle.address()).reinterpret(access, null);
        this.segment = segment;
        this.pages = pages;
    }

    /**
     * Creates a zeroed buffer of {@code capacity} bytes.
     *
     * @param device acquired by the caller; the buffer keeps that use until it is freed
     * @throws BufferAllocationException if the device has no memory left
     */
    static NativeBuffer create(SharedHandle device, long capacity) {
        Arena access = Arena.ofShared();
        MemorySegment raw = Shim.createBuffer(device.handle(), capacity);
        MemorySegment segment =
                MemorySegment.ofAddress(Shim.contents(raw).address()).reinterpret(capacity, access, null);
        return new NativeBuffer(device, raw, access, segment, null);
    }

    /**
     * Makes a buffer of a caller's pages, without a copy. The segment over them stays the caller's.
     *
     * @param device as for {@link #create}
     */
    static NativeBuffer wrap(SharedHandle device, MemorySegment segment) {
        Arena access = Arena.ofShared();
        // By address: a segment that is confined to another thread is as good as any.
        MemorySegment pages = MemorySegment.ofAddress(segment.address());
        MemorySegment raw = Shim.wrapPages(device.handle(), pages, segment.byteSize());
        return new NativeBuffer(device, raw, access, segment, null);
    }

    /**
     * Makes a read-only buffer of mapped pages, which are unmapped with it.
     *
     * @param device as for {@link #create}
     * @param pages the arena of the mapping, closed with the buffer
     * @param mapping whole pages from a page's start, the last of them possibly cut
     * @param capacity the bytes of the whole pages
     */
    static NativeBuffer map(SharedHandle device, Arena pages, MemorySegment mapping, long capacity) {
        Arena access = Arena.ofShared();
        MemorySegment raw = Shim.wrapPages(device.handle(), mapping, capacity);
        MemorySegment segment = MemorySegment.ofAddress(mapping.address())
                .reinterpret(mapping.byteSize(), access, null)
                .asReadOnly();
        return new NativeBuffer(device, raw, access, segment, pages);
    }

    /** The {@code id<MTLBuffer>}; using it in a native call keeps the buffer alive for the call. */
    MemorySegment handle() {
        return handle;
    }

    /** All of the memory. */
    MemorySegment segment() {
        return segment;
    }

    /** The first {@code byteLength} bytes, as a segment that ends with {@code arena}. */
    MemorySegment segment(Arena arena, long byteLength) {
        return MemorySegment.ofAddress(segment.address()).reinterpret(byteLength, arena, null);
    }

    long capacity() {
        return segment.byteSize();
    }

    /** Begins a lease and returns its number. Only for the owner, while no lease is out. */
    long issue() {
        long number = lease + 1;
        LEASE.setRelease(this, number);
        return number;
    }

    /** Ends a lease; false if it has ended before. */
    boolean end(long number) {
        return LEASE.compareAndSet(this, number, number + 1);
    }

    /** The number of the lease that is out, or an even number while none is. */
    long currentLease() {
        return lease;
    }

    static boolean isLease(long number) {
        return (number & 1) == 1;
    }

    boolean isLive(long number) {
        return lease == number;
    }

    /**
     * Closes the arena of a single lease, if it has one; false if someone else has closed it, and so ended the lease.
     *
     * @throws IllegalStateException if a native call uses one of its segments; the arena stays open
     */
    static boolean closeForGood(@Nullable Arena leaseArena) {
        if (leaseArena == null) {
            return true;
        }
        try {
            leaseArena.close();
            return true;
        } catch (IllegalStateException e) {
            if (leaseArena.scope().isAlive()) {
                throw new IllegalStateException("a native call is using the buffer: it cannot be released", e);
            }
            return false;
        }
    }

    void label(@Nullable String text) {
        Shim.label(handle, text);
        labelled = text != null;
    }

    /** Takes a former holder's label away. */
    void unlabel() {
        if (labelled) {
            label(null);
        }
    }

    /**
     * Gives the memory back to the device; false if a native call still uses it, and then nothing has happened. Only
     * for the owner, once it has returned true never again.
     */
    boolean tryFree() {
        try {
            access.close();
        } catch (IllegalStateException inUse) {
            return false;
        }
        Shim.releaseBuffer(rawHandle);
        if (pages != null) {
            pages.close();
        }
        device.release();
        return true;
    }
}
