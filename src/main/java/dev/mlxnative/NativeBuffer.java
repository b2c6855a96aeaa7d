package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Memory of the device and the state of its lease: who holds it is one number.
 *
 * <p>The number counts hand-outs and their ends, so it is odd while a lease is out. A holder knows the number of its
 * lease; ending the lease is a compare-and-set from it, which works once and never for an older holder.
 *
 * <p>Every segment over the memory is tied to an arena that is closed before the memory is given back: a segment that
 * outlives its lease sees this memory's next contents or throws, never unmapped memory.
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
    /** Closing it is refused while a native call has one of its segments, and ends every access otherwise. */
    private final Arena access;

    private final MemorySegment segment;
    private final NativeHandles handles;

    @SuppressWarnings("unused") // through LEASE
    private volatile long lease;

    /** The bytes that the lease asked for. Guarded by the owner. */
    long requestedBytes;
    /**
     * Where the owner keeps this in its list of issued buffers; negative while it is not in it. Guarded by the owner.
     */
    int issuedIndex = NOT_LISTED;
    /** When the buffer was filed in the free lists, in their own count. Guarded by the owner. */
    long filedAt;
    /** What was filed just before and after it. Guarded by the owner. */
    @Nullable
    NativeBuffer older;

    @Nullable
    NativeBuffer newer;
    /** The arena of the lease alone, in a checked pool. Guarded by the owner. */
    @Nullable
    Arena leaseArena;

    private NativeBuffer(SharedHandle device, Arena access, MemorySegment segment, NativeHandles handles) {
        this.device = device;
        this.access = access;
        this.segment = segment;
        this.handles = handles;
    }

    /**
     * Creates a zeroed buffer of {@code capacity} bytes.
     *
     * @param device acquired by the caller; the buffer keeps that use until it is freed
     * @throws BufferAllocationException if the device has no memory left
     */
    static NativeBuffer create(SharedHandle device, long capacity) {
        MemorySegment raw = Shim.createBuffer(device.handle(), capacity);
        return takeOver(device, raw, access -> contents(raw, capacity, access), false);
    }

    /**
     * Makes a buffer of a caller's pages, without a copy. The segment over them stays the caller's.
     *
     * @param device as for {@link #create}
     * @throws UnsupportedOperationException if the device cannot, as in virtual machines
     */
    static NativeBuffer wrap(SharedHandle device, MemorySegment segment) {
        // By address: a segment that is confined to another thread is as good as any.
        MemorySegment pages = MemorySegment.ofAddress(segment.address());
        MemorySegment raw = Shim.wrapPages(device.handle(), pages, segment.byteSize());
        return takeOver(device, raw, access -> segment, false);
    }

    /**
     * Creates a buffer with a copy of a caller's pages, for a device that cannot wrap them.
     *
     * @param device as for {@link #create}
     */
    static NativeBuffer copyOf(SharedHandle device, MemorySegment pages) {
        MemorySegment raw = Shim.createBuffer(device.handle(), pages.byteSize());
        UnaryOperator<MemorySegment> protection =
                pages.isReadOnly() ? MemorySegment::asReadOnly : UnaryOperator.identity();
        return takeOver(
                device,
                raw,
                access ->
                        protection.apply(contents(raw, pages.byteSize(), access).copyFrom(pages)),
                true);
    }

    private static MemorySegment contents(MemorySegment raw, long capacity, Arena access) {
        return MemorySegment.ofAddress(Shim.contents(raw).address()).reinterpret(capacity, access, null);
    }

    /** Makes a buffer of a buffer object, which is given back if that fails. */
    private static NativeBuffer takeOver(
            SharedHandle device, MemorySegment raw, Function<Arena, MemorySegment> memory, boolean copy) {
        try {
            Arena access = Arena.ofShared();
            MemorySegment segment = memory.apply(access);
            NativeHandle handle = new NativeHandle(raw, access, 0, segment.byteSize());
            return new NativeBuffer(device, access, segment, NativeHandles.one(handle, copy));
        } catch (Throwable e) {
            Shim.releaseBuffer(raw);
            throw e;
        }
    }

    /**
     * Makes a read-only buffer of a mapping.
     *
     * @param device as for {@link #create}
     * @param pages the arena of the mapping, closed after the buffer
     * @param mapping from a page's start to where the file's contents end
     */
    static NativeBuffer map(SharedHandle device, DeviceInfo info, Arena pages, MemorySegment mapping) {
        Arena access = Arena.ofShared();
        MemorySegment segment = MemorySegment.ofAddress(mapping.address())
                .reinterpret(mapping.byteSize(), access, null)
                .asReadOnly();
        NativeHandles handles = NativeHandles.ofMapping(device, info.maxBufferLength(), access, pages, mapping);
        return new NativeBuffer(device, access, segment, handles);
    }

    /**
     * The buffer object that covers these bytes.
     *
     * @throws IllegalStateException if no one object can
     */
    NativeHandle handle(long offset, long length) {
        return handles.covering(offset, length);
    }

    /** The buffer object over all of it. */
    NativeHandle wholeHandle() {
        return handle(0, capacity());
    }

    /** Whether the device works on a copy of what was to be shared. */
    boolean isCopy() {
        return handles.isCopy();
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

    /** Ends a lease; false if it has ended before, or the number is none of a lease. */
    boolean end(long number) {
        return isLease(number) && LEASE.compareAndSet(this, number, number + 1);
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

    /** Takes a former holder's label away. */
    void unlabel() {
        handles.unlabel();
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
        handles.release();
        device.release();
        return true;
    }
}
